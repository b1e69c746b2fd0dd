"""tools/material.py tells how much there is, and leaves properly when it is interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest

from fxlens.data.adapters.folder import prepare
from fxlens.data.synthesis.synthetic import write_song


@pytest.fixture
def tool(tools: Path) -> ModuleType:
    import material  # type: ignore[import-not-found]

    return material


@pytest.fixture(scope="module")
def stems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs of 9 s, one for training and one for validation."""
    root = tmp_path_factory.mktemp("collection") / "stems"
    for seed in range(2):
        write_song(root / f"song{seed}", seed=seed, seconds=9.0, instruments=("drums", "bass"))
    prepare(root, root.parent / "stems.jsonl", jobs=1, validation_songs=("song1",))
    return root


def test_hours_of_songs_by_split(tool: ModuleType, stems: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = stems.parent / "stems.jsonl"
    assert tool.main(["hours", str(stems), str(manifest)]) == 0
    first, second, total = capsys.readouterr().out.splitlines()
    line = f"{manifest}: 2 songs, 0.01 h (train 1 songs 0.00 h, validation 1 songs 0.00 h); stems sound for "
    assert first == second and first.startswith(line)
    assert total.startswith("in all: 4 songs, 0.01 h")  # four times nine seconds
    assert float(first.split()[-2]) == pytest.approx(4 * 9 / 3600, abs=0.006)


def test_too_few_hours_are_a_failure(tool: ModuleType, stems: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["hours", str(stems), "--at-least", "0.005"]) == 0
    assert tool.main(["hours", str(stems), "--at-least", "8"]) == 1
    assert "0.01 h of songs, 8 h are asked for" in capsys.readouterr().err


def test_what_is_rendered_but_not_listed_is_told(
    tool: ModuleType, stems: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(stems.parent / "stems.jsonl", tmp_path / "more.jsonl")
    for name in ("a", "b", "c"):
        (tmp_path / "more" / name).mkdir(parents=True)
        (tmp_path / "more" / name / "song.json").write_text("{}")
    assert tool.main(["hours", str(tmp_path / "more")]) == 0
    assert capsys.readouterr().out.endswith("; 1 more are rendered, prepare lists them\n")
    assert tool.main(["hours", str(tmp_path / "none.jsonl")]) == 1
    assert "there is no such manifest; python tools/material.py prepare" in capsys.readouterr().err


def test_an_interruption_is_told_and_no_traceback(
    tool: ModuleType, stems: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(tool, "tell_hours", stopped)
    assert tool.main(["hours", str(stems)]) == 130
    assert "the same call goes on" in capsys.readouterr().err
