"""Spearman's correlation of steps of a parameter with distances of embeddings, and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from fxlens.errors import DataError
from fxlens.evaluation.benchmark.retrieval import unit_rows


def rank_correlations(embedded: np.ndarray, units: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Spearman's rho of every base, and how far apart the ends of the range are.

    Args:
        embedded: ``[bases, steps, D]``, one parameter.
        units: where in the unit range the steps are, in order.

    Returns:
        Rho ``[bases]``, 0 where all distances are equal; cosine distance between first and last step ``[bases]``.

    Raises:
        DataError: an embedding is not finite.
    """
    if not np.isfinite(embedded).all():
        raise DataError("an embedding is not finite; a system that returns it cannot be judged")
    pairs = list(combinations(range(embedded.shape[1]), 2))
    steps = np.array([units[b] - units[a] for a, b in pairs])
    rho, ends = [], []
    for base in embedded:
        unit = unit_rows(base)
        distance = np.array([max(0.0, 1.0 - float(unit[a] @ unit[b])) for a, b in pairs])
        ends.append(distance[pairs.index((0, embedded.shape[1] - 1))])
        rho.append(_correlation(rankdata(steps), rankdata(np.round(distance, 12))))
    return np.array(rho), np.array(ends)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else 0.0


def interval_of_mean(values: np.ndarray, seed: int, resamples: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of a mean over the first axis."""
    draws = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
