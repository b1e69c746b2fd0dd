"""Retrieval metrics: find the clip with the same effects among many.

Ties and broken numbers count against the system: the rank of the true candidate is the number of candidates whose
similarity is not below its own, and an embedding that is not finite stops the evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fxlens.errors import DataError

CUTOFFS = (1, 5, 10)
PRIMARY = "R@10"
METRICS = ("R@1", "R@5", "R@10", "mAP@10")

_MARGIN = 1e-12  # rounding of a cosine in float64 must not decide between equal candidates


@dataclass(frozen=True)
class RetrievalScore:
    """Figures of one retrieval task.

    Attributes:
        metrics: ``R@1 R@5 R@10 mAP@10`` in percent, and ``median rank``. There is one relevant candidate a query, so
            mAP@10 is the mean of 1/rank, 0 beyond rank 10.
        intervals: 95 % bootstrap intervals over styles, of all but the median rank.
        chance: what guessing gets.
    """

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    chance: dict[str, float] = field(default_factory=dict)


def ranks(query: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Rank of candidate i for query i, 1 is best.

    Args:
        query: ``[N, D]``.
        candidates: ``[N, D]``, row i holds the effects of query i.

    Raises:
        DataError: an embedding is not finite, or the shapes differ.
    """
    if query.shape != candidates.shape:
        raise DataError(f"{query.shape[0]} queries for {candidates.shape[0]} candidates; there must be one each")
    for name, x in (("query", query), ("candidate", candidates)):
        bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
        if len(bad):
            raise DataError(f"{name} embedding {bad[0]} is not finite; a system that returns it cannot be ranked")
    a, b = unit_rows(query), unit_rows(candidates)
    similarity = a @ b.T
    return (similarity >= np.diag(similarity)[:, None] - _MARGIN).sum(axis=1)


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows of length 1, ``float64``; zeros stay zeros."""
    x = x.astype(np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def both_ways(query: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Ranks of both directions, ``[2, N]``: query among candidates, candidate among queries."""
    return np.stack([ranks(query, candidates), ranks(candidates, query)])


def chance(candidates: int) -> dict[str, float]:
    """What a random order of that many candidates gets."""
    there = min(10, candidates)
    found = {f"R@{k}": 100.0 * min(k, candidates) / candidates for k in CUTOFFS}
    found["mAP@10"] = 100.0 * float(np.sum(1.0 / np.arange(1, there + 1))) / candidates
    found["median rank"] = (candidates + 1) / 2
    return found


def gains(both: np.ndarray) -> dict[str, np.ndarray]:
    """What every style earns, in percent, ``[N]`` by metric; the mean is the figure."""
    earned = {f"R@{k}": (both <= k).mean(axis=0) * 100.0 for k in CUTOFFS}
    earned["mAP@10"] = np.where(both <= 10, 1.0 / both, 0.0).mean(axis=0) * 100.0
    return earned


def summarize(both: np.ndarray, candidates: int, seed: int = 0, resamples: int = 1000) -> RetrievalScore:
    """Figures of given ranks.

    Args:
        both: ``[directions, N]``.
        candidates: size of the set searched.
        seed: of the bootstrap.
        resamples: styles are drawn, each with its directions.
    """
    draws = np.random.default_rng(seed).integers(both.shape[1], size=(resamples, both.shape[1]))
    metrics, intervals = {}, {}
    for name, earned in gains(both).items():
        metrics[name] = float(earned.mean())
        low, high = np.percentile(earned[draws].mean(axis=1), [2.5, 97.5])
        intervals[name] = (float(low), float(high))
    metrics["median rank"] = float(np.median(both))
    return RetrievalScore(metrics, intervals, chance(candidates))


def score(query: np.ndarray, candidates: np.ndarray, seed: int = 0) -> RetrievalScore:
    """Search in both directions and average; see :func:`ranks` and :func:`summarize`."""
    return summarize(both_ways(query, candidates), len(query), seed)


def per_group(both: np.ndarray, groups: Sequence[Sequence[str]], metric: str = PRIMARY) -> dict[str, float]:
    """One figure for the queries of each group.

    Args:
        both: ``[directions, N]``.
        groups: for each direction, the group of every query (its song).
        metric: one of ``METRICS``.
    """
    earned = np.stack([gains(one[None])[metric] for one in both])
    names = np.array([list(row) for row in groups])
    return {str(name): float(earned[names == name].mean()) for name in np.unique(names)}
