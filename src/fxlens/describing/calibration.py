"""From what heads say to what can be believed.

Presence: a slope and an offset for the log-odds of each effect (Platt, 1999). Intervals: moved outward or inward until
they cover what they claim to (conformalised quantile regression, Romano et al., NeurIPS 2019). And of both, whether the
heads know anything at all on songs they have not learnt from; where they do not, nothing shall be claimed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from fxlens.describing import scores
from fxlens.describing.fitting import Judged
from fxlens.describing.network import COVERAGE
from fxlens.describing.quantities import EFFECTS, QUANTITIES

LEAST_AUC = 0.6
"""Least AUC of heads that are believed to hear an effect, at the lower end of its 90 % interval over songs."""
MOST_ERROR = 0.9
"""Largest error, as a share of that of guessing, of settings that are told; its 90 % interval must lie below 1."""
_PRIOR_WEIGHT = 2.0


@dataclass(frozen=True)
class Presence:
    """How log-odds of one effect become a probability.

    Args:
        slope: factor of the log-odds.
        offset: added after it.
        known: whether the heads hear this effect at all.
        auc: on the calibration songs.
        auc_low: lower end of its interval.
    """

    slope: float
    offset: float
    known: bool
    auc: float
    auc_low: float

    def probability(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities."""
        return 1.0 / (1.0 + np.exp(-np.clip(self.slope * logits + self.offset, -30.0, 30.0)))


@dataclass(frozen=True)
class Interval:
    """How far the interval of one number is moved outward, in the unit range.

    Args:
        margin: added at both ends; negative draws them in.
        middle: median of the material: what would be said unheard.
        known: whether the heads say more than the median of the material.
        error_ratio: median error as a share of that of guessing, on the calibration songs.
        error_ratio_high: upper end of its interval.
    """

    margin: float
    middle: float
    known: bool
    error_ratio: float
    error_ratio_high: float

    def ends(self, quantiles: np.ndarray) -> tuple[float, float, float]:
        """Lower end, middle and upper end from raw quantiles ``[3]``, in this order whatever the margin."""
        low, middle, high = (float(q) for q in quantiles)
        return min(low - self.margin, middle), middle, max(high + self.margin, middle)


@dataclass(frozen=True)
class Calibration:
    """Of one reading: a presence for each effect, an interval for each quantity and then for each strength."""

    presence: tuple[Presence, ...]
    intervals: tuple[Interval, ...]


def calibrating_rows(judged: Judged) -> np.ndarray:
    """Rows to calibrate on: recordings, and songs the encoder was not trained on; without such in two folds, all."""
    fresh = judged.examples.kind != "synthesised"
    enough = len(set(judged.examples.fold[fresh].tolist())) >= 2
    return np.flatnonzero(fresh) if enough else np.arange(len(judged.examples))


def calibrate(judged: Judged, rows: np.ndarray, seed: int = 0) -> Calibration:
    """Fit to judgements out of sample; recordings and synthesised songs weigh the same.

    Args:
        judged: all of them.
        rows: numbers of those to use, see :func:`calibrating_rows`.
        seed: of the bootstrap.
    """
    weight = _balanced(judged.examples.kind[rows])
    songs = judged.examples.songs[rows]
    presence = tuple(
        _presence(judged.targets.present[rows, k] > 0.5, judged.logits[rows, k], weight, songs, seed)
        for k in range(len(EFFECTS))
    )
    intervals = tuple(
        _interval(judged.targets.asked[rows, k], judged.quantiles[rows, k], judged.guess[rows, k], weight, songs, seed)
        for k in range(len(QUANTITIES) + len(EFFECTS))
    )
    return Calibration(presence, intervals)


def _balanced(kind: np.ndarray) -> np.ndarray:
    recorded = kind == "recorded"
    counts = np.where(recorded, max(recorded.sum(), 1), max((~recorded).sum(), 1))
    weight = 1.0 / counts
    return weight * len(kind) / weight.sum()


def _presence(present: np.ndarray, logits: np.ndarray, weight: np.ndarray, songs: np.ndarray, seed: int) -> Presence:
    slope, offset = fit_platt(present, logits, weight)
    low, _ = scores.over_songs(lambda rows: scores.auc(present[rows], logits[rows]), songs, seed)
    return Presence(slope, offset, bool(low >= LEAST_AUC), scores.auc(present, logits), low)


def fit_platt(present: np.ndarray, logits: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Slope and offset of least weighted cross-entropy.

    A slope below 0 is not taken, and a pull of two examples' weight towards leaving the log-odds as they are keeps it
    finite where an effect is never or always there.

    Args:
        present: bool ``[N]``.
        logits: ``[N]``.
        weight: ``[N]``.
    """
    sign = np.where(present, 1.0, -1.0)

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x[0] * logits + x[1])
        pull = _PRIOR_WEIGHT * np.array([x[0] - 1.0, x[1]])
        slack = -weight * sign / (1.0 + np.exp(np.clip(margin, -30.0, 30.0)))
        gradient = np.array([slack @ logits, slack.sum()]) + pull
        return float(weight @ np.logaddexp(0.0, -margin) + 0.5 * pull @ pull / _PRIOR_WEIGHT), gradient

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return float(found.x[0]), float(found.x[1])


def _interval(
    true: np.ndarray, said: np.ndarray, guess: np.ndarray, weight: np.ndarray, songs: np.ndarray, seed: int
) -> Interval:
    known = np.isfinite(true)
    if known.sum() < 20:
        return Interval(0.0, float(np.median(guess)), False, float("nan"), float("nan"))
    true, said, guess, weight, songs = true[known], said[known], guess[known], weight[known], songs[known]
    ratio = scores.error_ratio(true, said[:, 1], guess)
    _, high = scores.over_songs(lambda rows: scores.error_ratio(true[rows], said[rows, 1], guess[rows]), songs, seed)
    margin = weighted_quantile(np.maximum(said[:, 0] - true, true - said[:, 2]), weight, COVERAGE)
    return Interval(margin, float(np.median(guess)), bool(ratio <= MOST_ERROR and high < 1.0), ratio, high)


def weighted_quantile(values: np.ndarray, weight: np.ndarray, level: float) -> float:
    """Smallest value up to which lies at least ``level`` of the weight, one mean weight being held back as unseen."""
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    place = np.searchsorted(total, level * (total[-1] + weight.mean()))
    return float(values[order][min(int(place), len(values) - 1)])
