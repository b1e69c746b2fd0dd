"""``fxlens index`` and ``fxlens search``, and what is left of an ``index add`` that is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxlens.cli import main
from fxlens.cli.conditions import clock, pairs, seconds
from fxlens.errors import UsageError

RATE = 8000


def test_add_search_export(model: Path, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = str(tmp_path / "bücher ei")
    add = ["index", "add", library, str(songs), "-q", "drums", "--tag", "genre=metal"]
    assert main([*add, "-m", str(model)]) == 0
    assert "6 files added; 6 in all" in capsys.readouterr().out
    assert main(add) == 0  # the model is known from the index
    assert "0 files added, 6 known before" in capsys.readouterr().out
    assert main(["search", library, str(songs / "song 3.wav"), "--at", "0:01", "-k", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["hits"]
    assert len(found) == 2
    assert found[0]["song"] == "song 3" and found[0]["moments"][0]["start"] == 1.0
    assert found[0]["tags"]["genre"] == "metal"
    two = ["search", library, str(songs / "song 1.wav"), str(songs / "song 2.wav"), "-q", "drums", "-q", "", "-w", "2"]
    assert main([*two, "--where", "genre=METAL"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 7 and "listen at" in table[0] and "drums 0:0" in table[1]
    for name in ("out.npz", "out.parquet"):
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow", reason="parquet needs fxlens[parquet]")
        assert main(["index", "export", library, "-o", str(tmp_path / name), "-q", "drums"]) == 0
    with np.load(tmp_path / "out.npz") as data:
        assert data["embedding"].shape == (19, 8) and str(data["query"]) == "drums"
    assert main(["index", "info", library, "--json"]) == 0
    capsys.readouterr()
    assert main(["index", "remove", library, str(songs / "song 0.wav"), "nothing.wav"]) == 3
    assert "1 of 2 files removed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "LIBRARY", "SONGS/song 0.wav"], "there is no index"),
        (["search", "LIBRARY", "SONGS/song 0.wav", "--where", "genre"], "KEY=VALUE"),
        (["search", "LIBRARY", "SONGS/song 0.wav", "--at", "soon"], "no moment"),
        (["search", "LIBRARY", "a.wav", "b.wav", "c.wav", "-w", "1", "-w", "2"], "given 2 times for 3"),
        (["index", "export", "LIBRARY", "-o", "x.doc"], "suffix names no format"),
    ],
)
def test_wrong_calls_say_what_is_wrong(
    arguments: list[str], message: str, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [a.replace("LIBRARY", str(tmp_path / "none")).replace("SONGS", str(songs)) for a in arguments]
    assert main(named) in (1, 2)
    assert message in capsys.readouterr().err


def test_failed_files_leave_exit_code_3(
    model: Path, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (songs / "text.wav").write_text("words")
    assert main(["index", "add", str(tmp_path / "l"), str(songs), "-m", str(model)]) == 3
    assert "text.wav" in capsys.readouterr().err
    assert main(["index", "add", str(tmp_path / "l"), str(songs / "text.wav"), "-m", str(model)]) == 1


def test_how_moments_and_pairs_are_written() -> None:
    assert [seconds(t) for t in ("7", "1:12", "1:00:00.5")] == [7.0, 72.0, 3600.5]
    assert [clock(t) for t in (7.9, 72, 3725)] == ["0:07", "1:12", "1:02:05"]
    assert pairs(["a = b=c"], "--tag") == {"a": "b=c"}
    for wrong in ("", "1:", "-3", "1:2:3:4", "nan"):
        with pytest.raises(UsageError):
            seconds(wrong)


@pytest.mark.slow
def test_killed_ten_times_nothing_is_lost_or_doubled(model: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments; the finished index equals that of one uninterrupted call, byte for byte."""
    songs = tmp_path / "songs"
    songs.mkdir()
    rng = np.random.default_rng(0)
    for number in range(60):
        noise = rng.standard_normal(((1 + number % 5) * 10 * RATE, 2)) * 0.1
        soundfile.write(songs / f"{number:02}.wav", noise, RATE, subtype="PCM_16")

    def call(library: Path) -> list[str]:
        code = "from fxlens.cli import main; raise SystemExit(main())"
        return [sys.executable, "-c", code, "index", "add", str(library), str(songs), "-q", "drums", "-m", str(model)]

    start = time.monotonic()
    subprocess.run(call(tmp_path / "whole"), check=True)
    lasts = time.monotonic() - start
    broken, draw, kills = tmp_path / "broken", random.Random(1), 0
    while kills < 10:
        process = subprocess.Popen(call(broken), start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            process.wait(draw.uniform(0.4, 0.75) * lasts)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        kills += 1
    subprocess.run(call(broken), check=True)
    for name in ("mixture.f16", "query-drums.f16"):
        assert (broken / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    tables = []
    for library in (tmp_path / "whole", broken):
        main(["index", "export", str(library), "-o", str(library) + ".npz"])
        tables.append(Path(str(library) + ".npz").read_bytes())
    assert tables[0] == tables[1]
