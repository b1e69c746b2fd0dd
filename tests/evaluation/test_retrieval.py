from __future__ import annotations

import numpy as np
import pytest

from fxlens.errors import DataError
from fxlens.evaluation.retrieval import per_group, ranks, score, summarize


def test_identical_clips_rank_first() -> None:
    x = np.random.default_rng(0).normal(size=(50, 16))
    result = score(x, x)
    assert result.recall == {1: 100.0, 5: 100.0, 10: 100.0}
    assert result.map10 == 100.0
    assert result.median_rank == 1.0


def test_noise_is_at_chance() -> None:
    rng = np.random.default_rng(2)
    result = score(rng.normal(size=(500, 16)), rng.normal(size=(500, 16)))
    low, high = result.interval[10]
    assert low <= result.chance(10) <= high
    assert result.chance(10) == pytest.approx(2.0)


def test_a_constant_embedding_earns_nothing() -> None:
    constant = np.ones((40, 8))
    assert (ranks(constant, constant) == 40).all()


def test_nan_stops_the_evaluation() -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    broken = x.copy()
    broken[3, 1] = np.nan
    with pytest.raises(DataError, match="candidate embedding 3 is not finite"):
        ranks(x, broken)


def test_ranks_by_hand() -> None:
    query = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    candidates = np.array([[0.9, 0.1], [0.2, 0.1], [1.0, 0.9]])
    # Query 0: cosines 0.994, 0.894, 0.743 -> own is best. Query 1: 0.11, 0.447, 0.669 -> second.
    assert ranks(query, candidates).tolist() == [1, 2, 1]


def test_summary_of_given_ranks() -> None:
    both = np.array([[1, 2, 20, 11], [1, 10, 5, 300]])
    result = summarize(both, candidates=500)
    assert result.recall[1] == 25.0
    assert result.recall[10] == pytest.approx(100 * 5 / 8)
    assert result.map10 == pytest.approx(100 * (1 + 1 + 0.5 + 0.1 + 0.2) / 8)
    assert per_group(both, ["a", "a", "b", "b"]) == {"a": 100.0, "b": 25.0}


def test_the_interval_narrows_with_more_styles() -> None:
    rng = np.random.default_rng(0)
    few, many = (summarize(rng.integers(1, 30, size=(2, n)), 500) for n in (50, 5000))
    assert few.interval[10][1] - few.interval[10][0] > 3 * (many.interval[10][1] - many.interval[10][0])
