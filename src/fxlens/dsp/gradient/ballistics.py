"""Detector, static curve and smoother of one block of a dynamics processor, and their exact adjoints.

Compiled pieces of :mod:`fxlens.dsp.gradient.compander` and :mod:`fxlens.dsp.gradient.limiter`; the equations are
those of :mod:`fxlens.dsp.envelope`. All arrays are ``float64 [N]``, one value a sample, unless stated; rows
``[L, N]`` are bands.

An adjoint turns, in place, the gradient of a piece's output into that of its input. Where the choice between
two branches depends on the data (rising or falling, compressing or expanding) it follows the branch taken; the
choice itself is a step and has no gradient.
"""

from __future__ import annotations

import math

import numpy as np

from fxlens.dsp.gradient.sums import compiled_sums
from fxlens.dsp.kernels import GAIN_FLOOR_DB, LEVEL_FLOOR, compiled, exp2_normal, log2_positive

_NEPER_PER_DB = math.log(10.0) / 20.0
_DB_PER_OCTAVE = 20.0 * math.log10(2.0)


@compiled
def linked_peak(band: np.ndarray, peak: np.ndarray) -> None:
    """Larger of the channels' magnitudes, not below ``LEVEL_FLOOR``: ``[2, N]`` to ``[N]``."""
    for t in range(peak.size):
        peak[t] = max(abs(band[0, t]), abs(band[1, t]), LEVEL_FLOOR)


@compiled
def linked_peak_adjoint(band: np.ndarray, peak: np.ndarray, grad: np.ndarray, grad_band: np.ndarray) -> None:
    """Add the peak's gradient to that of the channel it came from ``[2, N]``; equal channels share it."""
    for t in range(peak.size):
        left, right = abs(band[0, t]), abs(band[1, t])
        reached = grad[t] if peak[t] > LEVEL_FLOOR else 0.0
        to_left = 1.0 if left > right else (0.5 if left == right else 0.0)
        grad_band[0, t] += math.copysign(to_left, band[0, t]) * reached
        grad_band[1, t] += math.copysign(1.0 - to_left, band[1, t]) * reached


@compiled
def _step(x: float, state: float, down: float, up: float, keep_down: float, keep_up: float) -> float:
    # Both outcomes are computed while the comparison is made: half the latency of choosing a coefficient first.
    fallen, risen = keep_down * state + down * x, keep_up * state + up * x
    return fallen if x < state else risen


@compiled
def smooth(x: np.ndarray, down: np.ndarray, up: np.ndarray, before: np.ndarray, y: np.ndarray) -> None:
    """``y[t] = y[t-1] + c (x[t] - y[t-1])`` in rows ``[L, N]``, ``c = down`` where ``x[t] < y[t-1]``, else ``up``.

    Coefficients and ``before``, which is ``y[-1]``, are ``[L]``. Rows are run three at a time: one recursion
    alone would spend most of its time waiting for its last result.
    """
    keep_down, keep_up = 1.0 - down, 1.0 - up
    three = 3 * (x.shape[0] // 3)
    for i in range(0, three, 3):
        j, k = i + 1, i + 2
        a, b, c = before[i], before[j], before[k]
        for t in range(x.shape[1]):
            a = _step(x[i, t], a, down[i], up[i], keep_down[i], keep_up[i])
            b = _step(x[j, t], b, down[j], up[j], keep_down[j], keep_up[j])
            c = _step(x[k, t], c, down[k], up[k], keep_down[k], keep_up[k])
            y[i, t], y[j, t], y[k, t] = a, b, c
    for i in range(three, x.shape[0]):
        a = before[i]
        for t in range(x.shape[1]):
            a = _step(x[i, t], a, down[i], up[i], keep_down[i], keep_up[i])
            y[i, t] = a


@compiled
def smooth_adjoint(
    x: np.ndarray,
    down: np.ndarray,
    up: np.ndarray,
    before: np.ndarray,
    y: np.ndarray,
    carried: np.ndarray,
    grad: np.ndarray,
    to_down: np.ndarray,
    to_up: np.ndarray,
) -> None:
    """Adjoint of :func:`smooth`.

    ``carried [L]`` is the gradient of the last ``y`` from all that follows and becomes that of ``before``; the
    gradients of the coefficients are added to ``to_down`` and ``to_up`` ``[L]``.
    """
    for i in range(x.shape[0]):
        back, falling_sum, sum_ = carried[i], 0.0, 0.0
        for t in range(x.shape[1] - 1, -1, -1):
            distance = x[i, t] - (y[i, t - 1] if t > 0 else before[i])
            falling = distance < 0.0
            coefficient = down[i] if falling else up[i]
            step = (grad[i, t] + back) * distance
            falling_sum += step if falling else 0.0
            sum_ += step
            taken = coefficient * (grad[i, t] + back)
            # Not grad + back - taken: what waits for ``back`` is kept short.
            back = (1.0 - coefficient) * back + (1.0 - coefficient) * grad[i, t]
            grad[i, t] = taken
        to_down[i] += falling_sum
        to_up[i] += sum_ - falling_sum
        carried[i] = back


@compiled
def compander_curve(level: np.ndarray, c: np.ndarray, level_db: np.ndarray, gain: np.ndarray) -> None:
    """Linear gain for a linear level.

    Args:
        level: what the detector reports, linear, above 0.
        c: threshold in dBFS, slope ``1 - 1/ratio``, knee in dB, expander threshold in dBFS, expander slope
            ``1/expander_ratio - 1``.
        level_db: written: the level in dBFS.
        gain: written.
    """
    threshold_db, slope, knee_db, expander_threshold_db, expander_slope = c[0], c[1], c[2], c[3], c[4]
    half, bend = 0.5 * knee_db, 0.5 * slope / knee_db
    for t in range(level.size):
        level_db[t] = _DB_PER_OCTAVE * log2_positive(level[t])
        over = level_db[t] - threshold_db
        inside = min(max(over + half, 0.0), knee_db)
        compressed = bend * inside * inside + slope * max(over - half, 0.0)
        expanded = expander_slope * (expander_threshold_db - level_db[t])
        gain[t] = exp2_normal(-min(max(compressed, expanded), -GAIN_FLOOR_DB) / _DB_PER_OCTAVE)


@compiled_sums
def compander_curve_adjoint(
    level: np.ndarray, c: np.ndarray, level_db: np.ndarray, gain: np.ndarray, grad: np.ndarray, to: np.ndarray
) -> None:
    """Adjoint of :func:`compander_curve`; adds to ``to [5]`` the gradients of ``c``.

    A slope of 0 has the derivative on its upper side, the only one there is: below its threshold an expander,
    above it a compressor, is about to act.
    """
    threshold_db, slope, knee_db, expander_threshold_db, expander_slope = c[0], c[1], c[2], c[3], c[4]
    half, per_knee = 0.5 * knee_db, 1.0 / knee_db
    to_threshold, to_slope, to_knee, to_expander_threshold, to_expander_slope = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(level.size):
        over = level_db[t] - threshold_db
        inside = min(max(over + half, 0.0), knee_db)
        share = inside * per_knee
        per_slope = 0.5 * share * inside + max(over - half, 0.0)
        compressed = slope * per_slope
        under = expander_threshold_db - level_db[t]
        expanded = expander_slope * under
        taken = max(compressed, expanded)
        of_taken = -_NEPER_PER_DB * gain[t] * grad[t] if taken < -GAIN_FLOOR_DB else 0.0
        of_expanded = of_taken if expanded >= compressed and under > 0.0 else 0.0
        of_compressed = of_taken - of_expanded
        of_over = of_compressed * slope * share
        to_threshold -= of_over
        to_slope += of_compressed * per_slope
        to_knee += of_compressed * slope * 0.5 * share * (1.0 - share)
        to_expander_threshold += of_expanded * expander_slope
        to_expander_slope += of_expanded * under
        grad[t] = (of_over - of_expanded * expander_slope) / (_NEPER_PER_DB * level[t])
    to[0] += to_threshold
    to[1] += to_slope
    to[2] += to_knee
    to[3] += to_expander_threshold
    to[4] += to_expander_slope
