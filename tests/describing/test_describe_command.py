"""``fxlens describe`` and ``fxlens train-describe`` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_describing import RATE, noise, tiny_encoder

from fxlens.cli import main
from fxlens.describing.head_files import HEAD, WEIGHTS, load_heads
from fxlens.describing.quantities import EFFECTS
from fxlens.describing.scores import over_songs
from fxlens.models.fx_encoder import FxEncoder


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mixes") / "Lied ünd 音.wav"
    soundfile.write(path, noise(2.5, 1).T, RATE)
    return path


def test_a_line_for_each_effect(model_with_heads: Path, mix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(mix), "-m", str(model_with_heads)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(EFFECTS) and "limiting: not sure" in lines


def test_queries_are_named(model_with_heads: Path, mix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(mix), "-q", "drums", "-q", "vocals", "-m", str(model_with_heads)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("  ")] == ["drums:", "vocals:"]
    assert len(lines) == 2 * (1 + len(EFFECTS))


def test_json_holds_everything(
    model_with_heads: Path, mix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "q.wav", noise(1.0)[0], RATE)
    command = ["describe", str(mix), str(mix), "--query-audio", str(tmp_path / "q.wav"), "--json"]
    assert main([*command, "-m", str(model_with_heads)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["model"].startswith("tiny-") and facts["failed"] == [] and len(facts["descriptions"]) == 2
    one = facts["descriptions"][0]
    assert one["source"] == str(mix) and one["query"] == "q.wav"
    assert np.array(one["probabilities"]).shape == (3, len(EFFECTS)) and len(one["findings"]) == len(EFFECTS)


def test_a_timeline_is_drawn(
    model_with_heads: Path, mix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out.svg"
    command = ["describe", str(mix), "-q", "drums", "--timeline", str(out), "-m", str(model_with_heads)]
    assert main(command) == 0
    assert "<svg" in out.read_text() and "drums:" in capsys.readouterr().out


def test_some_failed_all_failed(
    model_with_heads: Path, mix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    model = ["-m", str(model_with_heads)]
    assert main(["describe", str(mix), str(text), str(tmp_path / "none.wav"), *model]) == 3
    shown = capsys.readouterr()
    assert f"{mix}:" in shown.out and "text.wav" in shown.err and "none.wav" in shown.err
    assert main(["describe", str(text), *model]) == 1
    assert main(["describe", str(text), "--json", *model]) == 1
    assert json.loads(capsys.readouterr().out)["descriptions"] == []


@pytest.mark.parametrize(
    "more",
    [["-q", "drums", "--query-audio", "x.wav"], ["second.wav", "--timeline", "t.svg"], ["--timeline", "t.txt"]],
)
def test_wrong_calls(model_with_heads: Path, mix: Path, more: list[str]) -> None:
    assert main(["describe", str(mix), *more, "-m", str(model_with_heads)]) == 2


def test_missing_heads_say_what_to_run(tmp_path: Path, mix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_encoder().save_pretrained(tmp_path / "bare")
    assert main(["describe", str(mix), "-m", str(tmp_path / "bare")]) == 4
    assert "fxlens train-describe" in capsys.readouterr().err


def test_heads_are_trained_into_the_model_and_used(
    manifest: Path, mix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From songs to a description, a page of figures included; called again, nothing is rendered anew."""
    pytest.importorskip("matplotlib")
    # Half of the time went into intervals of figures that nobody reads here.
    monkeypatch.setattr(over_songs, "__defaults__", (0, 20, 0.9))
    folder, page = tmp_path / "tiny", tmp_path / "docs" / "describe.md"
    tiny_encoder().save_pretrained(folder)
    page.parent.mkdir()
    page.write_text("# Before\n<!-- figures -->\nstale\n<!-- end of figures -->\nAfter\n")
    command = ["train-describe", str(folder), "--manifest", str(manifest), "--work", str(tmp_path / "work")]
    command += ["--sessions", "12"]
    assert main([*command, "--trial", "4", "--report", str(page)]) == 0
    assert f"{folder}" in capsys.readouterr().out
    first = {name: (folder / name).read_bytes() for name in (HEAD, WEIGHTS)}
    text = page.read_text()
    assert text.startswith("# Before\n<!-- figures -->") and text.endswith("After\n") and "stale" not in text
    assert "| reverb | one instrument, by name |" in text and (page.parent / "images").is_dir()
    sessions = {p: p.stat().st_mtime_ns for p in (tmp_path / "work").rglob("*.npz")}
    assert len(sessions) == 12 + 4 + 1 + 1
    assert main(command) == 0
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "work").rglob("*.npz")} == sessions
    assert {name: (folder / name).read_bytes() for name in first} == first
    heads = load_heads(folder, FxEncoder.from_pretrained(folder).model_id)
    assert heads.metadata["songs"] == 4  # the one of split evaluation is for the trial only
    capsys.readouterr()
    assert main(["describe", str(mix), "-m", str(folder), "-q", "drums"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(EFFECTS)


@pytest.mark.parametrize("more", [[], ["--manifest", "none.jsonl"], ["--manifest", "m", "--work", "w", "--jobs", "0"]])
def test_training_says_what_it_needs(model_with_heads: Path, more: list[str]) -> None:
    assert main(["train-describe", str(model_with_heads), *more]) == 2
