"""The program as a user calls it: results, messages, exit codes, and what is left behind."""

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
from typer.testing import CliRunner

import fxlens
from fxlens.audio import io
from fxlens.cli import app, console, main
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.embedding import job
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

RATE = 8000
COMMANDS = ("embed", "apply", "export", "train", "models", "info", "demo", "import-official")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(3)
    front = FrontendConfig(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=32, f_min_hz=50.0, f_max_hz=4000.0)
    config = FxEncoderConfig(
        name="tiny",
        frontend=front,
        backbone=BackboneConfig("resnet", 8),
        projection_dims=(16, 8),
        extractor=ExtractorConfig("mask", (0.0, 0.3)),
        query_encoder="offline",
        query_dim=64,
        window_seconds=1.0,
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    FxEncoder(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "Lieder ünd 音"
    folder.mkdir()
    for number in range(4):
        write(folder / f"{number} grün.wav", seconds=1.5 + number / 2, seed=number)
    return folder


def write(path: Path, seconds: float = 1.5, rate: int = RATE, channels: int = 2, seed: int = 0) -> Path:
    noise = np.random.default_rng(seed).uniform(-0.4, 0.4, (max(1, round(seconds * rate)), channels))
    soundfile.write(path, noise, rate, subtype="PCM_16")
    return path


def program(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fxlens.cli", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, **options)  # type: ignore[call-overload, no-any-return]


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


# --- the surface


def test_help_is_quick_and_loads_no_torch() -> None:
    code = (
        "import sys, time; t = time.process_time()\n"
        "import fxlens, fxlens.cli\n"
        "heavy = {'torch', 'scipy', 'numba', 'transformers', 'pytorch_lightning'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "try: fxlens.cli.main(['embed', '--help'])\n"
        "finally: print(time.process_time() - t, 'torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seconds, torch_loaded = done.stderr.split()
    assert torch_loaded == "False"
    assert float(seconds) < 1.0  # processor time: others may be at work on this machine


def test_public_names_are_fetched_at_their_first_use() -> None:
    assert fxlens.FxEncoder is FxEncoder and fxlens.EffectChain is EffectChain
    assert {"FxEncoder", "EffectChain", "__version__"} <= set(dir(fxlens)) & {*fxlens.__all__}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fxlens.nothing  # noqa: B018


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS), ("data", "prepare"), ("data", "midi")])
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0 and "Usage: " in done.output
    first = done.output.split("\n\n")[1]
    assert len(first.split()) >= 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fxlens {fxlens.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["embed"],
        ["embed", "x.wav"],
        ["nonsense"],
        ["embed", "x.wav", "-o", "x.npz", "--pool", "max"],
        ["embed", "x.wav", "-o", "x.dat"],
        ["embed", "x.wav", "-o", "x.npz", "--shard", "0/2"],
        ["embed", "x.wav", "-o", "x.npz", "-b", "0"],
        ["embed", "x.wav", "-o", "x.npz", "-q", "drums", "--query-audio", "y.wav"],
        ["data", "prepare", ".", "--kind", "musdb", "-o", "m.jsonl"],
        ["train", "-o", "run"],
        ["train", "-o", "run", "--config", "nonsense"],
        ["train", "-o", "run", "--config", "small"],
        ["train", "-o", "run", "--config", "small", "--set", "optimizer.rate=1"],
        ["train", "-o", "run", "--config", "small", "--set", "steps"],
        ["train", "-o", "run", "--config", "paper", "--set", "steps=many"],
    ],
    ids=" ".join,
)
def test_wrong_calls_exit_with_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == "" and streams.err and "Traceback" not in streams.err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_key_is_named_with_the_one_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "-o", "run", "--config", "small", "--set", "optimizer.learning_rat=1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fxlens: ") and error.count("\n") == 1
    assert "did you mean optimizer.learning_rate?" in error


# --- embed


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


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m fxlens.cli --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", "1"}


# --- apply, info, models, data


@pytest.mark.parametrize(
    ("source", "subtype", "target", "expected"),
    [
        ("in.wav", "PCM_16", "out.wav", "PCM_16"),
        ("in.wav", "PCM_24", "out.flac", "PCM_24"),
        ("in.wav", "FLOAT", "out.wav", "FLOAT"),
        ("in.wav", "FLOAT", "out.flac", "PCM_24"),
        ("in.ogg", "VORBIS", "out.wav", "FLOAT"),
        ("in.flac", "PCM_16", "out.ogg", "VORBIS"),
    ],
)
def test_apply_keeps_rate_and_sample_format(
    tmp_path: Path, source: str, subtype: str, target: str, expected: str
) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 440.0 * np.arange(22050) / 22050)
    soundfile.write(tmp_path / source, np.stack([tone, -tone], axis=1), 22050, subtype=subtype)
    chain = EffectChain((Effect("gain", parameters={"gain_db": -6.0}),))
    chain.save(tmp_path / "chain.json")
    call = ["apply", str(tmp_path / "chain.json"), str(tmp_path / source), "-o", str(tmp_path / target)]
    assert main(call) == 0
    found = io.probe(tmp_path / target)
    assert (found.sample_rate, found.channels, found.subtype) == (22050, 2, expected)
    dry, wet = io.read(tmp_path / source)[0], io.read(tmp_path / target)[0]
    ratio = np.sqrt(np.mean(wet**2) / np.mean(dry**2))
    assert 20 * np.log10(ratio) == pytest.approx(-6.0, abs=0.1)


def test_apply_warns_of_mono_and_clipping_in_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in.wav", channels=1)
    EffectChain((Effect("gain", parameters={"gain_db": 12.0}),)).save(tmp_path / "chain.json")
    call = ["apply", str(tmp_path / "chain.json"), str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav")]
    assert main(call) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "in.wav: mono" in lines[0] and "out.wav: peaks of" in lines[1]


def test_apply_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in.wav")
    (tmp_path / "chain.json").write_text("{}")
    EffectChain().save(tmp_path / "good.json")

    def call(chain: str, source: str, target: str) -> int:
        return main(["apply", str(tmp_path / chain), str(tmp_path / source), "-o", str(tmp_path / target)])

    assert call("chain.json", "in.wav", "out.wav") == 2
    assert call("no.json", "in.wav", "out.wav") == 2
    assert call("good.json", "no.wav", "out.wav") == 1
    assert call("good.json", "in.wav", "out.txt") == 2
    assert call("good.json", "in.wav", "no/out.wav") == 1
    assert all(line.startswith("fxlens: ") for line in capsys.readouterr().err.splitlines())


def test_info(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["fxlens"] == fxlens.__version__ and facts["torch"] == torch.__version__
    assert main(["info", model]) == 0
    assert FxEncoder.from_pretrained(model).model_id in capsys.readouterr().out
    EffectChain((Effect("gain", parameters={"gain_db": -6.0}),)).save(tmp_path / "chain.json")
    assert main(["info", str(tmp_path / "chain.json")]) == 0
    assert "gain_db -6" in capsys.readouterr().out
    assert main(["info", str(write(tmp_path / "in.wav"))]) == 0
    assert "WAV PCM_16" in capsys.readouterr().out
    assert main(["info", str(tmp_path / "no.wav")]) == 1
    assert main(["info", str(tmp_path / "no-model")]) == 4


def test_models(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", str(Path(model).parent)]) == 0
    assert f"{model}\ttiny\tqueries: offline" in capsys.readouterr().out
    assert main(["models", model + "-not"]) == 4


def test_prepare_lists_what_it_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    songs, manifest = tmp_path / "songs", tmp_path / "manifest.jsonl"
    for song in ("one", "two"):
        (songs / song).mkdir(parents=True)
        write(songs / song / "bass.wav", seconds=4.0)
    (songs / "one" / "broken.wav").write_text("no audio")
    call = ["data", "prepare", str(songs), "-o", str(manifest), "--validation-share", "0.5"]
    assert main(call) == 3
    streams = capsys.readouterr()
    assert "2 songs (1 train, 1 validation)" in streams.out and "broken.wav" in streams.err
    assert len(manifest.read_text().splitlines()) == 2
    listed = tmp_path / "manifest.jsonl.errors.jsonl"
    assert json.loads(listed.read_text())["path"].endswith("broken.wav")
    (songs / "one" / "broken.wav").unlink()
    assert main(call) == 0 and not listed.exists()


def test_midi_wants_a_soundfont_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["data", "midi", str(tmp_path), "-o", str(tmp_path / "out"), "--soundfont", "none.sf2"]
    assert main(call) == 1
    assert capsys.readouterr().err.startswith("fxlens: ")


def test_import_official_wants_that_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-official", str(tmp_path / "x.pt"), "-o", str(tmp_path / "model")]) == 4
    assert "x.pt: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("interactive", [True, False])
def test_bars_are_for_terminals(
    interactive: bool,
    model: str,
    songs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: interactive)
    assert main(["embed", str(songs), "-o", str(tmp_path / "out.npz"), "-m", model]) == 0
    streams = capsys.readouterr()
    assert ("file" in streams.err) == interactive
    assert streams.out.count("\n") == 1


# --- slow


@pytest.mark.slow
def test_synthesised_songs_can_be_prepared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    songs, manifest = tmp_path / "songs", tmp_path / "manifest.jsonl"
    assert main(["data", "synth", "-o", str(songs), "--songs", "2", "--seconds", "4"]) == 0
    assert main(["data", "prepare", str(songs), "-o", str(manifest)]) == 0
    assert "2 songs (2 train), 14 stems" in capsys.readouterr().out


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


def test_who_waits_is_told_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    with console.said_if_slow("compiling", after_seconds=0.02):
        time.sleep(0.2)
    assert capsys.readouterr().err == "fxlens: compiling\n"
    with console.said_if_slow("compiling", after_seconds=30.0):
        pass
    assert capsys.readouterr().err == ""
