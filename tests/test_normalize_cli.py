"""``fxlens normalize``: what it prints, writes and returns."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import soundfile
import typer

from fxlens.cli import console
from fxlens.cli.normalize_command import normalize
from fxlens.data.adapters.folder import prepare
from fxlens.data.manifest import load_manifest
from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.errors import FxLensError

app = typer.Typer()
app.command()(normalize)


def run(*arguments: object) -> int:
    """The exit code, as the program makes it."""
    try:
        with warnings.catch_warnings(), console.plain_warnings():
            app([str(a) for a in arguments], standalone_mode=True)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    except FxLensError as error:
        console.say(str(error))
        return error.exit_code
    return 0


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    for seed in range(2):
        for name, audio in synthesize_song(seed, 2.0, instruments=["drums", "bass"]).items():
            path = tmp_path / "songs" / f"song{seed}" / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, audio.T, 44_100)
    prepare(tmp_path / "songs", tmp_path / "m.jsonl", evaluation_songs=["song1"])
    return tmp_path / "m.jsonl"


def test_normalize_writes_stems_and_says_what_changed(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(manifest, "-o", out, "-j", 1, "--bits", 16) == 0
    said = capsys.readouterr()
    assert "| drums | 2 |" in said.out and f"{out / 'manifest.jsonl'}: 2 songs, 4 stems" in said.out
    assert soundfile.info(out / "song1" / "drums.flac").subtype == "PCM_16"
    assert len(load_manifest(out / "manifest.jsonl")) == 2

    assert run(manifest, "-o", out) == 2
    assert "resume" in capsys.readouterr().err
    assert run(manifest, "-o", out, "--resume", "--bits", 16) == 0
    assert "4 stems, 4 of them before" in capsys.readouterr().out

    only = tmp_path / "only"
    assert run(manifest, "-o", only, "--fit-only") == 0
    assert "2 classes, 1 songs" in capsys.readouterr().out
    assert (only / "statistics.json").read_bytes() == (out / "statistics.json").read_bytes()
    assert run(manifest, "-o", tmp_path / "applied", "--statistics", only / "statistics.json", "--bits", 16) == 0
    made, again = (p / "song1" / "bass.flac" for p in (out, tmp_path / "applied"))
    assert made.read_bytes() == again.read_bytes()


def test_damaged_files_are_listed(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "songs" / "song1" / "bass.wav"
    whole = broken.read_bytes()
    broken.write_bytes(b"RIFF")
    out = tmp_path / "out"
    assert run(manifest, "-o", out) == 3
    said = capsys.readouterr()
    assert "bass.wav" in said.err and "3 stems" in said.out
    [line] = (out / "normalize.errors.jsonl").read_text().splitlines()
    assert json.loads(line)["stem"] == "song1/bass"
    broken.write_bytes(whole)
    assert run(manifest, "-o", out, "--resume") == 0
    assert not (out / "normalize.errors.jsonl").exists()


def test_ctrl_c_says_how_to_go_on(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fxlens.data.normalization.normalize.render_stem", interrupted)
    assert run(manifest, "-o", tmp_path / "out", "-j", 1) == 130
    assert "--resume" in capsys.readouterr().err


def test_mistakes(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "gone.jsonl", "-o", tmp_path / "out") == 1
    assert "no such manifest" in capsys.readouterr().err
    assert run(manifest, "-o", tmp_path / "out", "--statistics", manifest) == 1
    assert "cannot be read as statistics" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
