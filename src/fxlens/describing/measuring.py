"""Figures of a reading, on songs that neither the heads nor their calibration have seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fxlens.describing import scores
from fxlens.describing.calibration import Calibration, calibrate
from fxlens.describing.fitting import Judged
from fxlens.describing.network import Targets
from fxlens.describing.quantities import EFFECTS, QUANTITIES

ASKED_NAMES: tuple[str, ...] = (*(q.key for q in QUANTITIES), *(f"{effect}.strength" for effect in EFFECTS))
Figures = dict[str, Any]


@dataclass(frozen=True)
class Claims:
    """What was claimed of N clips or instruments.

    Args:
        probability: ``[N, effects]``, calibrated.
        ends: ``[N, quantities + effects, 3]`` lower end, middle and upper end, calibrated, in the unit range.
        guess: ``[N, quantities + effects]`` what would be said unheard.
    """

    probability: np.ndarray
    ends: np.ndarray
    guess: np.ndarray


def claims_of(logits: np.ndarray, quantiles: np.ndarray, guess: np.ndarray, calibration: Calibration) -> Claims:
    """Calibrate raw judgements."""
    probability = np.stack([p.probability(logits[:, k]) for k, p in enumerate(calibration.presence)], axis=1)
    ends = np.array([[i.ends(q) for i, q in zip(calibration.intervals, row, strict=True)] for row in quantiles])
    return Claims(probability, ends, guess)


def crossed_claims(judged: Judged, rows: np.ndarray) -> Claims:
    """Claims on calibration rows, each calibrated on the folds that it is not of.

    Args:
        judged: out of sample.
        rows: those to calibrate on.
    """
    parts: dict[int, Claims] = {}
    fold = judged.examples.fold[rows]
    for number in sorted(set(fold.tolist())):
        own = rows[fold == number]
        calibration = calibrate(judged, rows[fold != number])
        parts[number] = claims_of(judged.logits[own], judged.quantiles[own], judged.guess[own], calibration)
    order = np.argsort(np.concatenate([np.flatnonzero(fold == number) for number in parts]))
    return Claims(
        np.concatenate([c.probability for c in parts.values()])[order],
        np.concatenate([c.ends for c in parts.values()])[order],
        np.concatenate([c.guess for c in parts.values()])[order],
    )


def figures_of(claims: Claims, targets: Targets, songs: np.ndarray) -> Figures:
    """All figures, plain values.

    Args:
        claims: what was claimed.
        targets: what is true, in the same order.
        songs: ``[N]`` groups for the intervals.

    Returns:
        ``clips``; ``effects``: by type ``share`` (of clips that have it), ``auc`` with its 90 % interval over songs,
        ``ece`` and the bins ``said``, ``seen``, ``count``; ``settings``: by name ``count``, ``error`` and
        ``guess_error`` (medians, unit range), ``ratio`` with its interval, ``coverage``.
    """
    effects = {}
    for k, effect in enumerate(EFFECTS):
        present, probability = targets.present[:, k] > 0.5, claims.probability[:, k]
        said, seen, count = scores.reliability(present.astype(float), probability)
        effects[effect] = {
            "share": _round(present.mean()),
            "auc": _round(scores.auc(present, probability)),
            "auc_interval": _pair(_auc_interval(present, probability, songs)),
            "ece": _round(scores.calibration_error(present, probability)),
            "said": [_round(v) for v in said],
            "seen": [_round(v) for v in seen],
            "count": [int(v) for v in count],
        }
    settings = {
        name: _setting(targets.asked[:, k], claims.ends[:, k], claims.guess[:, k], songs)
        for k, name in enumerate(ASKED_NAMES)
    }
    return {"clips": len(claims.probability), "effects": effects, "settings": settings}


def _auc_interval(present: np.ndarray, probability: np.ndarray, songs: np.ndarray) -> tuple[float, float]:
    return scores.over_songs(lambda rows: scores.auc(present[rows], probability[rows]), songs)


def _setting(true: np.ndarray, ends: np.ndarray, guess: np.ndarray, songs: np.ndarray) -> Figures:
    known = np.isfinite(true)
    if not known.any():
        return {"count": 0}
    true, ends, guess, songs = true[known], ends[known], guess[known], songs[known]
    interval = scores.over_songs(lambda rows: scores.error_ratio(true[rows], ends[rows, 1], guess[rows]), songs)
    return {
        "count": len(true),
        "error": _round(np.median(np.abs(true - ends[:, 1]))),
        "guess_error": _round(np.median(np.abs(true - guess))),
        "ratio": _round(scores.error_ratio(true, ends[:, 1], guess)),
        "ratio_interval": _pair(interval),
        "coverage": _round(scores.coverage(true, ends[:, 0], ends[:, 2])),
    }


def _round(value: float | np.floating) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _pair(ends: tuple[float, float]) -> list[float | None]:
    return [_round(ends[0]), _round(ends[1])]
