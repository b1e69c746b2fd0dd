"""Figures of judgements: how well they rank, how far their probabilities can be believed, how near settings come."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata

BINS = 10


def auc(present: np.ndarray, score: np.ndarray) -> float:
    """Probability that a clip with the effect scores higher than one without (Mann and Whitney); NaN without both.

    Args:
        present: bool ``[N]``.
        score: ``[N]``; ties count half.
    """
    present = np.asarray(present, dtype=bool)
    there, absent = int(present.sum()), int((~present).sum())
    if not there or not absent:
        return float("nan")
    return float((rankdata(score)[present].sum() - there * (there + 1) / 2.0) / (there * absent))


def reliability(present: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bins of equal width over probability.

    Returns:
        Mean probability, share present, and count of each bin that is not empty.
    """
    place = np.minimum((np.asarray(probability) * BINS).astype(int), BINS - 1)
    rows = [(probability[place == k].mean(), present[place == k].mean(), np.sum(place == k))
            for k in range(BINS) if np.any(place == k)]  # fmt: skip
    said, seen, count = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return said, seen, count


def calibration_error(present: np.ndarray, probability: np.ndarray) -> float:
    """Expected calibration error: mean distance of said and seen over bins (Naeini et al., AAAI 2015)."""
    said, seen, count = reliability(np.asarray(present, dtype=np.float64), np.asarray(probability))
    return float(np.abs(said - seen) @ count / count.sum())


def error_ratio(true: np.ndarray, said: np.ndarray, guess: np.ndarray) -> float:
    """Median absolute error against that of always guessing; 1 is no better, NaN where there is nothing."""
    known = np.isfinite(true)
    if not known.any():
        return float("nan")
    own = float(np.median(np.abs(true[known] - said[known])))
    return own / max(float(np.median(np.abs(true[known] - guess[known]))), 1e-9)


def coverage(true: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Share of true values inside their interval; NaN where there is nothing."""
    known = np.isfinite(true)
    return float(np.mean((true >= low)[known] & (true <= high)[known])) if known.any() else float("nan")


def over_songs(
    figure: Callable[[np.ndarray], float], songs: np.ndarray, seed: int = 0, draws: int = 200, level: float = 0.9
) -> tuple[float, float]:
    """Bootstrap interval of a figure over songs: clips of one song are no independent evidence.

    Args:
        figure: of row numbers.
        songs: ``[N]`` the group of each row.
        seed: of the draws.
        draws: how many.
        level: of the interval.

    Returns:
        Its ends; NaN where the figure never is a number.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xB007]))
    names, group = np.unique(songs, return_inverse=True)
    rows = [np.flatnonzero(group == k) for k in range(len(names))]
    found = []
    for _ in range(draws):
        drawn = rng.integers(len(rows), size=len(rows))
        value = figure(np.concatenate([rows[k] for k in drawn]))
        if np.isfinite(value):
            found.append(value)
    if not found:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
