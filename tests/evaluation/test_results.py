from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import fxlens
from fxlens.errors import DataError
from fxlens.evaluation.results import Origin, Result, SystemFacts, load_results, merge, save_results
from fxlens.evaluation.source_version import source_version

ORIGIN = Origin(0, "f" * 64, {"styles": 12}, {"drums": ["a", "b"]}, command="fxlens evaluate retrieval")
SYSTEM = SystemFacts("fxlens-small", "fxlens", "fxlens-small-1", "Apache-2.0")
RESULT = Result(
    "retrieval", "stem/drums", SYSTEM, ORIGIN, pool="1-8 effects", metrics={"R@10": 20.0},
    intervals={"R@10": (15.0, 25.0)}, chance={"R@10": 2.0}, per_song={"R@10": {"a": 10.0, "b": 30.0}},
    counts={"styles": 12}, notes={"audio query": "c"},
)  # fmt: skip


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    results = [RESULT, replace(RESULT, task="mixture", metrics={}, intervals={}, missing="no reason")]
    save_results(path, results)
    assert load_results(path) == results
    before = path.read_bytes()
    save_results(path, results)
    assert path.read_bytes() == before


def test_a_file_keeps_other_figures_and_replaces_the_same(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    other = replace(RESULT, system=replace(SYSTEM, identity="other", name="other"))
    save_results(path, [RESULT, other])
    better = replace(RESULT, metrics={"R@10": 40.0}, origin=replace(ORIGIN, version="9"))
    save_results(path, [better])
    assert load_results(path) == [better, other]
    elsewhere = replace(RESULT, origin=replace(ORIGIN, seed=1))
    assert merge([RESULT], [elsewhere]) == [RESULT, elsewhere]


def test_a_system_that_is_there_at_last_replaces_its_reasons() -> None:
    absent = replace(
        RESULT, system=SystemFacts("clap:x", "clap:x", "unavailable:clap:x", ""), metrics={}, missing="no file"
    )
    present = replace(RESULT, system=SystemFacts("CLAP", "clap:x", "clap-1", "MIT"))
    assert merge([absent, RESULT], [present]) == [RESULT, present]
    assert merge([present], [absent]) == [present]


def test_a_figure_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="R@10 is nan"):
        save_results(tmp_path / "r.json", [replace(RESULT, metrics={"R@10": float("nan")})])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "other"}', '{"format": "fxlens results 1"}'])
def test_what_is_no_results_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"r\.json"):
        load_results(path)
    with pytest.raises(DataError):
        save_results(path, [RESULT])
    assert path.read_text() == text
    with pytest.raises(DataError, match="no such results"):
        load_results(tmp_path / "not.json")


def test_the_file_bears_no_date_and_tells_the_version(tmp_path: Path) -> None:
    save_results(tmp_path / "r.json", [RESULT])
    origins = json.loads((tmp_path / "r.json").read_text())["origins"].values()
    assert [o["version"] for o in origins] == [source_version()]
    assert source_version().startswith(fxlens.__version__)


def test_the_commit_is_that_of_the_checkout() -> None:
    root = Path(fxlens.__file__).resolve().parents[2]
    if not (root / ".git").exists():
        pytest.skip("not run from a checkout")
    head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert head.stdout.startswith(source_version().split("(")[1].rstrip(")").removesuffix("-dirty"))
