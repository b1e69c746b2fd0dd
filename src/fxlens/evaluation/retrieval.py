"""Retrieval metrics: find the clip with the same effects among many.

Ties and broken numbers count against the system: the rank of the true candidate is the number of candidates whose
similarity is not below its own, and an embedding that is not finite stops the evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fxlens.errors import DataError

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True)
class RetrievalScore:
    """Result of one retrieval task, in percent.

    Attributes:
        recall: cut-off k -> share of queries whose true candidate is among the k nearest.
        interval: cut-off k -> 95 % bootstrap interval of that share, over styles.
        map10: mean of 1/rank, 0 beyond rank 10 (there is one relevant candidate a query).
        median_rank: of the true candidate.
        candidates: size of the set searched; chance is ``100 k / candidates``.
    """

    recall: dict[int, float]
    interval: dict[int, tuple[float, float]]
    map10: float
    median_rank: float
    candidates: int

    def chance(self, k: int) -> float:
        return 100.0 * k / self.candidates


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
    a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (query, candidates))
    similarity = a.astype(np.float64) @ b.astype(np.float64).T
    own = np.diag(similarity)[:, None]
    return (similarity >= own - 1e-12).sum(axis=1)


def score(query: np.ndarray, candidates: np.ndarray, seed: int = 0, resamples: int = 1000) -> RetrievalScore:
    """Search in both directions (query for candidate, candidate for query) and average.

    Args:
        query: ``[N, D]``.
        candidates: ``[N, D]``.
        seed: of the bootstrap.
        resamples: bootstrap resamples; styles are drawn, each with its two directions.
    """
    both = np.stack([ranks(query, candidates), ranks(candidates, query)])
    return summarize(both, len(query), seed, resamples)


def summarize(both: np.ndarray, candidates: int, seed: int = 0, resamples: int = 1000) -> RetrievalScore:
    """Metrics of given ranks ``[directions, styles]``."""
    draws = np.random.default_rng(seed).integers(both.shape[1], size=(resamples, both.shape[1]))
    recall, interval = {}, {}
    for k in CUTOFFS:
        hit = (both <= k).mean(axis=0) * 100.0
        recall[k] = float(hit.mean())
        low, high = np.percentile(hit[draws].mean(axis=1), [2.5, 97.5])
        interval[k] = (float(low), float(high))
    reciprocal = np.where(both <= 10, 1.0 / both, 0.0)
    return RetrievalScore(recall, interval, float(reciprocal.mean() * 100.0), float(np.median(both)), candidates)


def per_group(both: np.ndarray, groups: Sequence[object], k: int = 10) -> dict[str, float]:
    """Recall@k of the styles of each group (number of effects, song, ...)."""
    names = sorted({str(g) for g in groups})
    at = {n: np.array([str(g) == n for g in groups]) for n in names}
    return {n: float((both[:, at[n]] <= k).mean() * 100.0) for n in names}
