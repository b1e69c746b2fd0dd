"""Linear probes: what a ridge regression can read in frozen embeddings, and how well on songs it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bench_scores import RESAMPLES, Figure
from scipy.stats import rankdata

PENALTIES = 10.0 ** np.arange(-4.0, 5.0)
FOLDS = 4


@dataclass(frozen=True)
class Probe:
    """A linear map of standardised embeddings, fitted by :func:`fit_probe`."""

    mean: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    offset: np.ndarray

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """``[N, D]`` -> ``[N, K]``."""
        return (embeddings - self.mean) / self.spread @ self.weights + self.offset


def fit_probe(embeddings: np.ndarray, targets: np.ndarray, songs: Sequence[str]) -> Probe:
    """Ridge regression, its penalty chosen for each target by leaving songs out.

    Args:
        embeddings: ``[N, D]``.
        targets: ``[N, K]``.
        songs: of each row; a song is in one fold only.
    """
    x, y = np.asarray(embeddings, np.float64), np.asarray(targets, np.float64)
    mean, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    x = (x - mean) / spread
    fold = _folds(songs)
    errors = np.zeros((len(PENALTIES), y.shape[1]))
    for number in np.unique(fold):
        held = fold == number
        if held.all():
            continue
        for place, (weights, offset) in enumerate(_ridge(x[~held], y[~held])):
            errors[place] += ((x[held] @ weights + offset - y[held]) ** 2).sum(axis=0)
    best = errors.argmin(axis=0)
    fitted = _ridge(x, y)
    weights = np.stack([fitted[place][0][:, k] for k, place in enumerate(best)], axis=1)
    offset = np.array([fitted[place][1][k] for k, place in enumerate(best)])
    return Probe(mean, spread, weights, offset)


def _folds(songs: Sequence[str]) -> np.ndarray:
    names = sorted(set(songs))
    order = np.random.default_rng(0).permutation(len(names)) % min(FOLDS, len(names))
    of_song = dict(zip(names, order, strict=True))
    return np.array([of_song[song] for song in songs])


def _ridge(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights ``[D, K]`` and offsets ``[K]`` for every penalty, by one eigendecomposition."""
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    centred = x - mean_x
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    correlation = vectors.T @ (centred.T @ (y - mean_y) / len(x))
    found = []
    for penalty in PENALTIES:
        weights = vectors @ (correlation / (np.maximum(values, 0.0) + penalty)[:, None])
        found.append((weights, mean_y - mean_x @ weights))
    return found


def auc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Probability that a clip that has it scores above one that has not; ties count half. NaN without both kinds."""
    truth = np.asarray(truth, bool)
    yes, no = int(truth.sum()), int((~truth).sum())
    if not yes or not no:
        return float("nan")
    return float((rankdata(scores)[truth].sum() - yes * (yes + 1) / 2) / (yes * no))


def r_squared(scores: np.ndarray, truth: np.ndarray) -> float:
    """Share of the variance told; at most 1, below 0 where the mean would be better."""
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1.0 - float(((truth - scores) ** 2).sum()) / spread if spread > 0.0 else float("nan")


def balanced_accuracy(scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean over classes of the share of their clips that is told right; ``[N, K]``, class numbers ``[N]``."""
    right = scores.argmax(axis=1) == truth
    return float(np.mean([right[truth == k].mean() for k in np.unique(truth)]))


def with_interval(measure, scores: np.ndarray, truth: np.ndarray, styles: np.ndarray) -> Figure:
    """A measure with its 95 % bootstrap interval over styles: the clips of one style are drawn together.

    Args:
        measure: of scores and truth.
        scores: ``[N]`` or ``[N, K]``.
        truth: ``[N]``.
        styles: ``[N]``, number of each clip's style.
    """
    names = np.unique(styles)
    rows = [np.flatnonzero(styles == name) for name in names]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES // 5):
        chosen = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        found.append(measure(scores[chosen], truth[chosen]))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return Figure(measure(scores, truth), float(low), float(high))
