"""``fxlens index`` and ``fxlens search``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fxlens.cli import main
from fxlens.errors import UsageError
from fxlens.index.conditions import moment_seconds, moment_text, pairs

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
    assert [moment_seconds(t) for t in ("7", "1:12", "1:00:00.5")] == [7.0, 72.0, 3600.5]
    assert [moment_text(t) for t in (7.9, 72, 3725)] == ["0:07", "1:12", "1:02:05"]
    assert pairs(["a = b=c"], "--tag") == {"a": "b=c"}
    for wrong in ("", "1:", "-3", "1:2:3:4", "nan"):
        with pytest.raises(UsageError):
            moment_seconds(wrong)
