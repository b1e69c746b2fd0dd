"""``fxlens embed``: good and bad files, formats, interruption, hours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from short_files import program, read, write
from tiny_model import RATE

from fxlens.cli import main
from fxlens.embedding import job


def test_good_and_bad_files(model: str, tmp_path: Path) -> None:
    good = write(tmp_path / "good.wav")
    (tmp_path / "text.wav").write_text("these are words\n" * 100)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "truncated.wav").write_bytes(good.read_bytes()[:9000])
    names = [tmp_path / f"{name}.wav" for name in ("text", "good", "empty", "truncated")]
    done = program("embed", *names, "-o", tmp_path / "out.npz", "-m", model)
    assert done.returncode == 3, done.stderr
    data = read(tmp_path / "out.npz")
    assert data["path"].tolist() == [str(good)] and data["embedding"].shape == (1, 8)
    lines = done.stderr.splitlines()
    assert len(lines) == 3 and all(line.startswith(f"fxlens: {tmp_path}") for line in lines)
    assert "0 bytes" in lines[1] and "breaks off" in lines[2]
    listed = [json.loads(line) for line in (tmp_path / "out.npz.errors.jsonl").read_text().splitlines()]
    assert [Path(line["path"]).stem for line in listed] == ["text", "empty", "truncated"]
    assert done.stdout.count("\n") == 1 and "1 x 8 from 1 files; 3 failed" in done.stdout


def test_the_same_call_twice_gives_the_same_bytes(
    model: str, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["embed", str(songs), "-o", str(tmp_path / "out.npz"), "-m", model, "-q", "lead vocals"]
    assert main(call) == 0
    first = (tmp_path / "out.npz").read_bytes()
    assert main(call) == 0
    assert (tmp_path / "out.npz").read_bytes() == first
    streams = capsys.readouterr()
    assert streams.err == "" and "4 x 8 from 4 files" in streams.out
    assert read(tmp_path / "out.npz")["path"].tolist() == [str(p) for p in sorted(songs.iterdir())]


@pytest.mark.parametrize("form", ["npy", "csv", "jsonl"])
def test_formats_by_option(model: str, songs: Path, tmp_path: Path, form: str) -> None:
    output = tmp_path / "out.data"
    assert main(["embed", str(songs), "-o", str(output), "-m", model, "--format", form, "--pool", "none"]) == 0
    assert output.stat().st_size > 0


def test_odd_files_work_or_are_named(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    works = [
        write(tmp_path / "mono.wav", channels=1),
        write(tmp_path / "high.wav", rate=192000),
        write(tmp_path / "cd.wav", rate=44100),
        write(tmp_path / "short.wav", seconds=0.05),
    ]
    silent, broken, wide = tmp_path / "silent.wav", tmp_path / "nan.wav", tmp_path / "wide.wav"
    soundfile.write(silent, np.zeros((RATE, 2)), RATE)
    soundfile.write(broken, np.full((RATE, 2), np.nan), RATE, subtype="FLOAT")
    write(wide, channels=6)
    one = write(tmp_path / "one.wav", seconds=0)
    fails = {silent: "AudioSilentError", broken: "AudioNotFiniteError", wide: "AudioChannelsError"}
    call = [*map(str, works), *map(str, fails), str(one)]
    assert main(["embed", *call, "-o", str(tmp_path / "out.npz"), "-m", model]) == 3
    data = read(tmp_path / "out.npz")
    assert set(map(str, works)) <= set(data["path"].tolist()) and np.isfinite(data["embedding"]).all()
    listed = [json.loads(x) for x in (tmp_path / "out.npz.errors.jsonl").read_text().splitlines()]
    named = {line["path"]: line["error"] for line in listed}
    assert {str(path): error for path, error in fails.items()}.items() <= named.items()
    assert (str(one) in named) != (str(one) in data["path"].tolist())
    error = capsys.readouterr().err
    assert sum("mono.wav" in line for line in error.splitlines()) == 1 and "Warning" not in error


def test_nothing_could_be_done(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", str(tmp_path / "no.wav"), "-o", str(tmp_path / "out.npz"), "-m", model]) == 1
    streams = capsys.readouterr()
    assert streams.out == "" and "no.wav: there is no such file" in streams.err
    (tmp_path / "empty").mkdir()
    assert main(["embed", str(tmp_path / "empty"), "-o", str(tmp_path / "out.npz"), "-m", model]) == 1


def test_no_such_model(songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["embed", str(songs), "-o", str(tmp_path / "out.npz"), "-m", str(tmp_path / "none")]
    assert main(call) == 4
    assert "expected config.json and model.safetensors" in capsys.readouterr().err
    assert not (tmp_path / "out.npz.partial").exists()


def test_no_such_device(model: str, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.backends.mps.is_available():
        pytest.skip("there is one here")
    assert main(["embed", str(songs), "-o", str(tmp_path / "out.npz"), "-m", model, "-d", "mps"]) == 2
    assert "device mps" in capsys.readouterr().err


def test_an_unwritable_output(model: str, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["embed", str(songs), "-o", str(tmp_path / "file" / "out.npz"), "-m", model]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "out.npz: cannot be written" in error


def test_shards_on_the_command_line(model: str, songs: Path, tmp_path: Path) -> None:
    paths: list[str] = []
    for part in ("1/3", "2/3", "3/3"):
        output = tmp_path / f"{part[0]}.npz"
        assert main(["embed", str(songs), "-o", str(output), "-m", model, "--shard", part]) == 0
        paths += read(output)["path"].tolist()
    assert sorted(paths) == [str(p) for p in sorted(songs.iterdir())]


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(
    model: str,
    songs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = ["embed", str(songs), "-m", model, "-j", "1", "-o"]
    assert main([*call, str(tmp_path / "straight.npz")]) == 0
    real, begun = job.Network.entry, iter(range(1, 100))

    def entry(self: job.Network, file: Path) -> object:
        if next(begun) == 3:
            raise KeyboardInterrupt
        return real(self, file)

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(job.Network, "entry", entry)
        assert main([*call, str(tmp_path / "out.npz")]) == 130
    streams = capsys.readouterr()
    last = streams.err.splitlines()[-1]  # a slow machine may have been told before what it waits for
    assert streams.out == "" and "out.npz.partial" in last and "--resume" in last
    assert main([*call, str(tmp_path / "out.npz")]) == 2
    assert main([*call, str(tmp_path / "out.npz"), "--resume"]) == 0
    assert "2 of them before" in capsys.readouterr().out
    assert (tmp_path / "out.npz").read_bytes() == (tmp_path / "straight.npz").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_and_resumed_ends_with_the_same_bytes(model: str, tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    for number in range(30):
        write(songs / f"{number:02}.wav", seconds=10.0, seed=number)
    call = ["embed", songs, "-m", model, "--hop", "0.2", "-o"]
    straight = program(*call, tmp_path / "straight.npz")
    assert straight.returncode == 0, straight.stderr
    output = tmp_path / "out.npz"
    journal = output.with_name("out.npz.partial") / "journal.jsonl"
    command = [sys.executable, "-m", "fxlens.cli", *map(str, call), str(output)]
    running = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    while running.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 5):
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL and not output.exists()
    done = program(*call, output, "--resume")
    assert done.returncode == 0 and "of them before" in done.stdout, done.stderr
    assert output.read_bytes() == (tmp_path / "straight.npz").read_bytes()


@pytest.mark.slow
def test_three_hours_stay_under_one_and_a_half_gigabytes(model: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-8000, 8000, (60 * RATE, 2), dtype=np.int16)
    with soundfile.SoundFile(tmp_path / "long.wav", "w", RATE, 2, subtype="PCM_16") as file:
        for _ in range(180):
            file.write(noise)
    code = (
        "import resource, sys; from fxlens.cli import main; code = main(sys.argv[1:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024); sys.exit(code)"
    )
    call = [
        "embed",
        str(tmp_path / "long.wav"),
        "-o",
        str(tmp_path / "out.npz"),
        "-m",
        model,
        "--pool",
        "none",
    ]
    done = subprocess.run([sys.executable, "-c", code, *call], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert len(read(tmp_path / "out.npz")["embedding"]) == 3 * 3600
    megabytes = float(done.stdout.splitlines()[-1])
    print(f"peak {megabytes:.0f} MB")
    assert megabytes < 1536
