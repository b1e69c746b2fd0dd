"""The command: from a manifest to a results file."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner

from fxlens.cli.evaluate_matching import matching
from fxlens.evaluation.results import load_results

app = typer.Typer()
app.command()(matching)


def test_from_a_manifest_to_results(song_manifest: Path, tmp_path: Path) -> None:
    arguments = [
        "--manifest", str(song_manifest), "--cache", str(tmp_path / "cache"), "-o", str(tmp_path / "r.json"),
        "--system", "random-projection", "--instrument", "bass", "--triplets", "2", "--steps", "2", "--restarts", "1",
        "--seconds", "0.5", "--reference", "other", "--no-oracle", "--device", "cpu", "--jobs", "1",
    ]  # fmt: skip
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "matching/bass other content" in done.output
    found = load_results(tmp_path / "r.json")
    assert [r.system.spec for r in found] == ["floor", "middle", "random", "random-projection"]
    assert found[-1].origin.settings["search"]["steps"] == 2
    assert "preset" not in (tmp_path / "r.json").read_text()
