"""Figures, probes and pages of the scripts in benchmarks/, where the answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from alterations import ALTERATIONS, AlteredSystem
from bench_pages import put_into, table
from bench_scores import difference, mean_figure, relative_change, searched
from effect_map import project
from failures import evenly, worst
from learning_curves import draw, read_metrics, thinned
from probes import auc, balanced_accuracy, fit_probe, r_squared, with_interval

from fxlens.errors import DataError
from fxlens.evaluation.systems.system import System

RATE = 44_100


def test_a_paired_change_is_surer_than_its_two_figures() -> None:
    rng = np.random.default_rng(0)
    before = 100.0 * (rng.random(400) < 0.5)
    after = np.where(rng.random(400) < 0.2, 0.0, before)
    change = relative_change(before, after)
    assert change.value == pytest.approx(100.0 * (after.mean() / before.mean() - 1.0))
    assert change.low < change.value < change.high
    assert change.high - change.low < 15.0  # unpaired it would be 20 or more
    assert relative_change(before, before).told() == [0.0, 0.0, 0.0]
    gap = difference(before, after)
    assert gap.value == pytest.approx(mean_figure(after).value - mean_figure(before).value)


def test_each_side_searches_the_other_side() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((30, 2, 8))
    x[:, 1] = x[:, 0]
    assert (searched(x, x) == 1).all()
    shuffled = x[rng.permutation(30)]
    assert np.median(searched(x, shuffled)) > 5


def test_a_probe_finds_a_direction_and_not_a_song() -> None:
    rng = np.random.default_rng(2)
    songs = [f"song{i % 6}" for i in range(600)]
    of_song = rng.standard_normal((6, 12))
    truth = rng.random(600) < 0.4
    x = np.stack([of_song[int(s[4:])] for s in songs]) * 0.3 + 0.15 * rng.standard_normal((600, 12))
    x[:, 0] += truth
    probe = fit_probe(x[:400], np.stack([truth[:400], rng.random(400)], axis=1), songs[:400])
    scores = probe(x[400:])
    assert auc(scores[:, 0], truth[400:]) > 0.95
    assert abs(r_squared(scores[:, 1], rng.random(200))) < 0.2
    interval = with_interval(auc, scores[:, 0], truth[400:], np.arange(200) // 2)
    assert interval.low <= interval.value <= interval.high and interval.low > 0.85


def test_measures_in_closed_form() -> None:
    assert auc(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 1, 0, 1])) == 0.75
    assert auc(np.zeros(4), np.array([0, 1, 0, 1])) == 0.5
    assert np.isnan(auc(np.zeros(2), np.ones(2)))
    assert r_squared(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 1.0
    assert r_squared(np.array([1.5, 1.5]), np.array([1.0, 2.0])) == 0.0
    scores = np.array([[1, 0], [1, 0], [1, 0], [0, 1]])
    assert balanced_accuracy(scores, np.array([0, 0, 1, 1])) == 0.75


class Remembers(System):
    name, identity, licence = "remembers", "remembers-1", "none"

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        self.heard, self.rate = clips, sample_rate
        return np.ones((len(clips), 2), np.float32)


@pytest.mark.parametrize("name", sorted(ALTERATIONS))
def test_an_altered_system_hears_what_the_table_says(name: str) -> None:
    t = np.arange(4 * RATE) / RATE
    clip = (0.4 * np.stack([np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 660 * t)])).astype(np.float32)
    inner = Remembers()
    system = AlteredSystem(inner, name)
    assert system.identity != inner.identity and name in system.identity
    system.embed(np.stack([clip, clip]), RATE)
    heard, rate = inner.heard, inner.rate
    assert heard.dtype == np.float32 and heard.shape[:2] == (2, 2)
    assert rate == {"48k": 48_000, "22k": 22_050}.get(name, RATE)
    assert heard.shape[2] / rate == pytest.approx(3.0 if name == "3s" else 4.0, abs=0.01)
    gain = {"quieter": 10 ** (-12 / 20)}.get(name, 1.0)
    if name == "clipped":
        assert np.abs(heard).max() == 1.0
    elif name == "mono":
        np.testing.assert_array_equal(heard[0, 0], heard[0, 1])
    else:
        assert np.sqrt(np.mean(heard**2)) == pytest.approx(gain * np.sqrt(np.mean(clip**2)), rel=0.06)  # LAME: -0.4 dB


def test_text_goes_into_its_place_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- benchmark: one -->\nold\n<!-- end of benchmark -->\nb\n", encoding="utf-8")
    assert put_into(page, "one", table(["x"], [["1 | 2"]]))
    text = page.read_text(encoding="utf-8")
    assert "old" not in text and "1 \\| 2" in text and text.startswith("a\n") and text.endswith("b\n")
    assert not put_into(page, "two", "no such place") and not put_into(tmp_path / "none.md", "one", "no page")
    assert put_into(page, "one", "again") and page.read_text(encoding="utf-8").count("again") == 1


def test_a_projection_keeps_two_clusters_apart() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((40, 6)) * 0.1
    x[20:, 2] += 2.0
    points, how = project(x, "pca")
    assert points.shape == (40, 2) and "principal" in how
    assert (points[:20, 0].max() < points[20:, 0].min()) or (points[20:, 0].max() < points[:20, 0].min())


def test_the_worst_query_is_the_one_that_was_spoilt() -> None:
    x = np.repeat(np.eye(12)[:, None], 2, axis=1)
    x[4, 0] = np.eye(12)[7]
    found = worst("drums", x, 1)[0]
    assert (found.style, found.preferred) == (4, 7) and found.rank == 12


def test_curves_are_thinned_by_means(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,name,value\n1,loss/total,2.0\n2,loss/total,4.0\n3,loss/total,6.0\n")
    steps, values = read_metrics(tmp_path)["loss/total"]
    assert [a.tolist() for a in thinned(steps, values, 10)] == [[1, 2, 3], [2.0, 4.0, 6.0]]
    assert thinned(np.arange(4.0), np.arange(4.0), 2)[1].tolist() == [0.5, 2.5]
    with pytest.raises(DataError, match="no metrics"):
        read_metrics(tmp_path / "nowhere")
    (tmp_path / "metrics.csv").write_text("step,name,value\n")
    with pytest.raises(DataError, match="nothing is logged"):
        read_metrics(tmp_path)


def test_curves_of_two_runs_are_drawn_alike_twice(tmp_path: Path) -> None:
    for name, single in (("a", ""), ("b", "2,single/delay,1.5\n")):
        (tmp_path / name).mkdir()
        text = "step,name,value\n1,loss/total,2.0\n2,loss/total,1.0\n"
        (tmp_path / name / "metrics.csv").write_text(text + single)
    for picture in ("one.svg", "two.svg"):
        told = draw({"first": tmp_path / "a", "second": tmp_path / "b"}, tmp_path / picture)
    assert told[0].startswith("first: 2 steps; at the end total 1.000")
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text() and "second: losses" in text and "delay" in text


def test_an_effect_is_not_blamed_for_the_number_of_effects() -> None:
    rng = np.random.default_rng(5)
    numbers = rng.integers(1, 8, 4_000)
    has = rng.random(4_000) < numbers / 8  # more often in longer chains, which are found more easily
    missed = 100.0 * (rng.random(4_000) < 0.9 - 0.1 * numbers)
    assert missed[has].mean() < missed[~has].mean() - 10.0
    shared = set(numbers.tolist())
    with_it, without = (evenly(missed[own], numbers[own], shared) for own in (has, ~has))
    assert with_it.value == pytest.approx(without.value, abs=6.0)
    assert with_it.low < with_it.value < with_it.high
