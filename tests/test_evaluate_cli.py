from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from fxlens.cli import evaluate_command
from fxlens.cli.evaluate_options import command_line
from fxlens.cli.report_command import report
from fxlens.data.adapters.folder import prepare
from fxlens.data.synthesis.synthetic import write_song
from fxlens.errors import FxLensError
from fxlens.evaluation.results import load_results

app = typer.Typer()
app.add_typer(evaluate_command.app, name="evaluate")
app.command()(report)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("songs")
    for seed in range(2):
        write_song(root / f"song{seed}", seed=seed, seconds=6.0, instruments=("drums", "bass"))
    prepare(root, root / "m.jsonl", ("song*",), jobs=1)
    return root / "m.jsonl"


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_from_manifest_to_tables(manifest: Path, tmp_path: Path) -> None:
    common = ("--manifest", manifest, "--cache", tmp_path / "cache", "-s", "random-projection", "-j", 1)
    size = ("--styles", 6, "--seconds", 1, "--counts", "2,4", "-o", tmp_path / "r.json")
    done = call("evaluate", "retrieval", *common, *size, "-s", "panns:not-there.pth")
    assert done.exit_code == 3, done.output
    done = call("evaluate", "extraction", *common, *size)
    assert done.exit_code == 0, done.output
    results = load_results(tmp_path / "r.json")
    assert {r.protocol for r in results} == {"retrieval", "extraction", "extraction-controlled"}
    assert any(r.missing and "not-there.pth" in r.missing for r in results)

    done = call("report", tmp_path / "r.json", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    for name in ("table2.md", "table2.csv", "table3.md", "table3-controlled.md", "figure2.svg", "figure2.png"):
        assert str(tmp_path / "out" / name) in done.output.splitlines()
    assert "| random projection |" in (tmp_path / "out/table2.md").read_text()


def test_systems_are_listed() -> None:
    done = call("evaluate", "systems")
    assert done.exit_code == 0
    assert "hand-made-wccn" in done.output


@pytest.mark.parametrize(
    "words, told",
    [
        (("--split", "train"), "--not-an-evaluation"),
        (("--split", "validation"), "no song is of split validation"),
        (("--counts", "0-9"), "numbers from 1 to 8"),
        (("--counts", "3,3"), "each number once"),
        (("-i", "kazoo"), "kazoo: 0 song"),
        (("-s", "nothing"), "no system 'nothing'"),
    ],
)
def test_mistakes_are_named(manifest: Path, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = call("evaluate", "retrieval", "--manifest", manifest, "--cache", tmp_path, "-o", tmp_path / "r.json",
                "--styles", 2, "--seconds", 1, "-j", 1, *words)  # fmt: skip
    assert done.exit_code != 0
    message = str(done.exception) if isinstance(done.exception, FxLensError) else done.output
    assert told in message


def test_commands_are_told_without_folders_but_with_the_run_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "fxlens:/runs/first/model": "fxlens:first/model",
        "musicnn:/wheels/musicnn.whl": "musicnn:musicnn.whl",
        "/my songs/cache": "cache",
        "material.rooms=/data/rooms": "material.rooms=rooms",
        "loss.teachers=[/runs/a/model, /runs/b/model]": "loss.teachers=[a/model,b/model]",
        "--jobs=2": "--jobs=2",
        "fxlens": "fxlens",
    }
    monkeypatch.setattr("sys.argv", ["/usr/bin/fxlens", *given])
    assert command_line() == " ".join(["fxlens", *given.values()])
