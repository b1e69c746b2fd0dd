from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from fxlens.errors import DataError
from fxlens.evaluation.benchmark.retrieval import chance
from fxlens.evaluation.report.layout import tables_of
from fxlens.evaluation.report.table import markdown
from fxlens.evaluation.report.write import read_all, write_report
from fxlens.evaluation.results import Origin, Result, SystemFacts, save_results

ORIGIN = Origin(0, "f" * 64, {"styles": 500}, {"drums": ["a", "b"], "vocals": ["c", "d"]}, command="fxlens evaluate")
OURS = SystemFacts("fxlens-small", "fxlens", "fxlens-1", "Apache-2.0")
SPLIT = SystemFacts("spleeter+fxlens", "spleeter+fxlens", "spleeter-1", "MIT")
CLAP = SystemFacts.unavailable("clap:there")


def result(protocol: str, task: str, r10: float, system: SystemFacts = OURS, **more: object) -> Result:
    metrics = {"R@1": r10 / 4, "R@5": r10 / 2, "R@10": r10, "mAP@10": r10 / 3, "median rank": 50.0}
    intervals = {name: (value - 1, value + 1) for name, value in metrics.items()}
    filled = Result(protocol, task, system, ORIGIN, pool="1-8 effects", metrics=metrics, intervals=intervals,
                    chance=chance(500), counts={"styles": 500, "candidates": 500})  # fmt: skip
    return replace(filled, **more)


RETRIEVAL = [
    result("retrieval", "stem/drums", 40.0, per_song={"R@10": {"a": 50.0, "b": 30.0}}),
    result("retrieval", "mixture", 20.0),
    result("retrieval", "stem/drums", 0.0, CLAP, metrics={}, intervals={}, missing="there is no file | there"),
    *(result("retrieval", "stem/drums", 10.0 * n, pool=f"{n} of 1-8 effects") for n in (1, 2, 3)),
    result("retrieval", "stem/drums", 60.0, pool="delay only"),
]
EXTRACTION = [
    result("extraction-controlled", f"extract-controlled/{name}", r10, system, column=column)
    for system, column, r10 in [
        (OURS, "no query", 6.0), (OURS, "text query", 12.0), (OURS, "audio query", 11.0), (OURS, "oracle stem", 40.0),
        (OURS, "text query -> isolated stems", 15.0), (SPLIT, "separated", 20.0),
    ]
    for name in ("drums", "vocals")
]  # fmt: skip
MATCHING = [
    Result("matching", "matching/drums", OURS, replace(ORIGIN, settings={"triplets": 10}), column="other content",
           metrics={"L_d": 1.234}, intervals={"L_d": (1.1, 1.4)}),
]  # fmt: skip


def rows_of(text: str) -> list[list[str]]:
    return [[c.strip() for c in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("|")]


def test_table_2_has_the_papers_shape() -> None:
    table = next(t for t in tables_of([*RETRIEVAL, *MATCHING]) if t.name == "table2")
    text = markdown(table)
    rows = rows_of(text)
    assert rows[0] == ["system", "drums", "mixture"]
    assert rows[2] == [
        "fxlens-small",
        "10.0 / 20.0 / 40.0 [39.0, 41.0] / 13.3 (1.23)",
        "5.0 / 10.0 / 20.0 [19.0, 21.0] / 6.7",
    ]
    assert rows[3][:2] == ["clap:there", "– [1]"]
    assert "1. – because there is no file | there" in text
    assert "Chance: R@1 0.2, R@5 1.0, R@10 2.0" in text
    assert "drums 50.0 (a), 30.0 (b)" in text
    for fact in ("Seed 0", "manifest ffffffffffff", "fxlens-1", "drums: a, b", "    fxlens evaluate"):
        assert fact in text


def test_table_3_has_the_papers_rows_and_a_mean() -> None:
    table = next(t for t in tables_of(EXTRACTION) if t.name == "table3-controlled")
    rows = rows_of(markdown(table))
    assert [row[0] for row in rows[2:]] == [
        "oracle stem", "MSS(m)", "E(x, q_audio)", "E(x, q_text)", "E(x), no query", "E(x, q_text) -> isolated stems",
    ]  # fmt: skip
    assert rows[0] == ["what is searched", "system", "drums", "vocals", "mean"]
    assert rows[3][1] == "spleeter+fxlens"
    assert rows[2][-1] == "10.0 / 20.0 / 40.0 / 13.3"


def test_results_of_other_songs_get_a_table_of_their_own() -> None:
    elsewhere = [replace(r, origin=replace(ORIGIN, seed=1)) for r in RETRIEVAL]
    assert [t.name for t in tables_of(RETRIEVAL + elsewhere)] == [
        "table2", "table2-2", "single-effects", "single-effects-2",
    ]  # fmt: skip


def test_the_mean_over_effect_counts_comes_before_single_pools() -> None:
    each = [result("retrieval", "stem/drums", 10.0 * n, pool=label) for n, label in ((1, "1 effect"), (3, "mean"))]
    assert tables_of(each)[0].rows[0].cells["drums"].pool == "mean"


def test_a_report_is_the_same_every_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    save_results(tmp_path / "a.json", RETRIEVAL)
    save_results(tmp_path / "b.json", EXTRACTION + MATCHING)
    results = read_all([tmp_path / "a.json", tmp_path / "b.json"])
    first, second = (write_report(results, tmp_path / name) for name in ("one", "two"))
    assert {"table2.md", "table2.csv", "table3-controlled.md", "figure2.svg", "figure2.png", "matching.md"} <= {
        p.name for p in first
    }
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert "fxlens-small" in (tmp_path / "one/figure2.svg").read_text()


def test_csv_holds_every_figure_with_its_interval(tmp_path: Path) -> None:
    write_report(RETRIEVAL, tmp_path)
    wide = list(csv.DictReader((tmp_path / "table2.csv").read_text().splitlines()))
    assert float(wide[0]["drums R@10"]) == 40.0
    assert float(wide[0]["drums R@10 low"]) == 39.0
    assert wide[1]["drums R@10"] == ""
    figures = list(csv.DictReader((tmp_path / "table2-figures.csv").read_text().splitlines()))
    of_r1 = next(f for f in figures if f["column"] == "mixture" and f["metric"] == "R@1")
    assert [float(of_r1[k]) for k in ("value", "low", "high", "chance")] == [5.0, 4.0, 6.0, 0.2]
    assert [f["missing"] for f in figures if f["system"] == "clap:there"] == ["there is no file | there"]


def test_tables_go_into_the_marked_places_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- fxlens report: table2 -->\nold\n<!-- end of report -->\nafter\n")
    for _ in range(2):
        write_report(RETRIEVAL, tmp_path / "out", [page])
        text = page.read_text()
        assert text.startswith("before\n<!-- fxlens report: table2 -->\n\n### Retrieval")
        assert text.endswith("<!-- end of report -->\nafter\n")
        assert text.count("| fxlens-small |") == 1
        assert "old" not in text
    page.write_text("<!-- fxlens report: table3 -->\n<!-- end of report -->\n")
    with pytest.raises(DataError, match="asks for table3"):
        write_report(RETRIEVAL, tmp_path / "out", [page])
    page.write_text("nothing")
    with pytest.raises(DataError, match="no place"):
        write_report(RETRIEVAL, tmp_path / "out", [page])
