from __future__ import annotations

import numpy as np
import pytest

from fxlens.errors import DataError
from fxlens.evaluation.benchmark.retrieval import chance, per_group, ranks, score, summarize


def test_identical_clips_rank_first() -> None:
    x = np.random.default_rng(0).normal(size=(50, 16))
    found = score(x, x).metrics
    assert found == {"R@1": 100.0, "R@5": 100.0, "R@10": 100.0, "mAP@10": 100.0, "median rank": 1.0}


def test_noise_is_at_chance_within_its_interval() -> None:
    rng = np.random.default_rng(2)
    found = [score(rng.normal(size=(500, 16)), rng.normal(size=(500, 16))) for _ in range(20)]
    for name in ("R@1", "R@5", "R@10", "mAP@10"):
        assert np.mean([r.metrics[name] for r in found]) == pytest.approx(found[0].chance[name], rel=0.25)
    covered = sum(r.intervals["R@10"][0] <= r.chance["R@10"] <= r.intervals["R@10"][1] for r in found)
    assert covered >= 16  # 19 are expected
    assert np.mean([r.metrics["median rank"] for r in found]) == pytest.approx(250.5, abs=10)


def test_chance_is_what_random_orders_get() -> None:
    drawn = np.random.default_rng(0).integers(1, 21, size=(2, 100_000))
    found = summarize(drawn, 20, resamples=10).metrics
    for name, value in chance(20).items():
        assert found[name] == pytest.approx(value, rel=0.03, abs=0.6)
    assert chance(4)["R@10"] == 100.0


def test_a_constant_embedding_earns_nothing() -> None:
    constant = np.ones((40, 8))
    assert (ranks(constant, constant) == 40).all()
    assert (ranks(0 * constant, 0 * constant) == 40).all()


def test_nan_stops_the_evaluation() -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    broken = x.copy()
    broken[3, 1] = np.nan
    with pytest.raises(DataError, match="candidate embedding 3 is not finite"):
        ranks(x, broken)
    with pytest.raises(DataError, match="one each"):
        ranks(x, x[:3])


def test_ranks_by_hand() -> None:
    query = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    candidates = np.array([[0.9, 0.1], [0.2, 0.1], [1.0, 0.9]])
    # Query 0: cosines 0.994, 0.894, 0.743 -> own is best. Query 1: 0.11, 0.447, 0.669 -> second.
    assert ranks(query, candidates).tolist() == [1, 2, 1]


def test_summary_of_given_ranks() -> None:
    both = np.array([[1, 2, 20, 11], [1, 10, 5, 300]])
    found = summarize(both, candidates=500).metrics
    assert found["R@1"] == 25.0
    assert found["R@10"] == pytest.approx(100 * 5 / 8)
    assert found["mAP@10"] == pytest.approx(100 * (1 + 1 + 0.5 + 0.1 + 0.2) / 8)


def test_each_direction_counts_for_the_song_that_asked() -> None:
    both = np.array([[1, 2, 20, 11], [1, 10, 5, 300]])
    songs = [["a", "a", "b", "b"], ["b", "b", "a", "a"]]
    assert per_group(both, songs) == {"a": pytest.approx(75.0), "b": pytest.approx(50.0)}
    assert per_group(both, songs, "R@1") == {"a": 25.0, "b": 25.0}


def test_the_interval_covers_the_truth_and_narrows_with_more_styles() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(100):
        found = summarize(rng.integers(1, 31, size=(1, 200)), 30, seed=seed, resamples=300)
        low, high = found.intervals["R@10"]
        covered += low <= 100 / 3 <= high
    assert 88 <= covered <= 99
    few, many = (summarize(rng.integers(1, 30, size=(2, n)), 500).intervals["R@10"] for n in (50, 5000))
    assert few[1] - few[0] > 3 * (many[1] - many[0])
