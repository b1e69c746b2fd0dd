"""Compiled loops of the dynamics processors and of the crossover: the recursions that cannot be vectorised.

Plain loops over samples, written to be read; Numba compiles each on its first call and keeps the machine code
on disk. They release the GIL and see one row at a time, so that rows cannot influence each
other. States are ``float64`` whatever the type of the audio: a one-second release at 192 kHz moves by 5e-6 of
the distance per sample, which ``float32`` would round away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

LEVEL_FLOOR = 1e-6
"""Smallest level a detector reports, -120 dBFS: keeps logarithms finite and recursions out of denormals."""
GAIN_FLOOR_DB = -120.0
"""No gain computer asks for less: beyond it only denormals are left."""

_BLOCK = 256
_TINY = 1e-30
_LN2 = math.log(2.0)
_DB_PER_OCTAVE = 20.0 * math.log10(2.0)
_HALF_SQRT2_BITS = int(np.float64(math.sqrt(0.5)).view(np.int64))

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile on first use, without the GIL, kept on disk where some folder can be written.

    Numba looks for a folder beside the source, then in the user's cache folder (``NUMBA_CACHE_DIR`` overrides
    both), and refuses to compile at all when neither can be written; then every process compiles anew.
    """
    return _compiled(function, {"contract"})


def compiled_sums(function: Function) -> Function:
    """As :func:`compiled`, for sums and maxima in any order: the processor then takes many samples at a time."""
    return _compiled(function, {"contract", "reassoc", "nsz", "nnan"})


def _compiled(function: Function, fastmath: set[str]) -> Function:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # "cannot cache function: no locator available"
        return numba.njit(**options)(function)


def rest() -> np.ndarray:
    """Return the state of a detector and a gain that have heard nothing yet: ``float64 [2]``."""
    return np.array([LEVEL_FLOOR, 1.0])


@compiled
def attack_release_rows(
    x: np.ndarray,
    attack: np.ndarray,
    release: np.ndarray,
    initial: np.ndarray,
    y: np.ndarray,
    falling: np.ndarray,
) -> None:
    """One-pole smoothing: coefficient ``attack`` where the input lies below the state, else ``release``.

    ``y[t] = y[t-1] + c[t] (x[t] - y[t-1])``; all rows ``[N, T]``, coefficients and initial states ``[N]``.
    Writes ``y`` and, for the backward pass, which samples used ``attack``.
    """
    for row in range(x.shape[0]):
        state, down, up = initial[row], attack[row], release[row]
        for t in range(x.shape[1]):
            target = float(x[row, t])
            below = target < state
            state += (down if below else up) * (target - state)
            y[row, t] = state
            falling[row, t] = below


@compiled
def attack_release_rows_adjoint(
    grad_y: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    falling: np.ndarray,
    attack: np.ndarray,
    release: np.ndarray,
    initial: np.ndarray,
    grad_x: np.ndarray,
    grad_attack: np.ndarray,
    grad_release: np.ndarray,
    grad_initial: np.ndarray,
) -> None:
    """Exact gradient of :func:`attack_release_rows`: the same recursion, run backwards.

    With ``p[t] = grad_y[t] + (1 - c[t+1]) p[t+1]``, the gradient of ``x[t]`` is ``c[t] p[t]`` and that of a
    coefficient the sum of ``p[t] (x[t] - y[t-1])`` over the samples that used it.
    """
    for row in range(x.shape[0]):
        down, up = attack[row], release[row]
        carried, to_down, to_up = 0.0, 0.0, 0.0
        for t in range(x.shape[1] - 1, -1, -1):
            total = grad_y[row, t] + carried
            before = float(y[row, t - 1]) if t > 0 else initial[row]
            step = total * (x[row, t] - before)
            if falling[row, t]:
                coefficient = down
                to_down += step
            else:
                coefficient = up
                to_up += step
            grad_x[row, t] = coefficient * total
            carried = (1.0 - coefficient) * total
        grad_attack[row], grad_release[row], grad_initial[row] = to_down, to_up, carried


@compiled
def log2_positive(x: float) -> float:
    """Base-2 logarithm of a positive normal number, to 1e-14.

    Loops around it become vector code, which loops around ``math.log`` do not: five times the speed. The
    mantissa is brought to [1/sqrt 2, sqrt 2) and its logarithm summed as the series of the area tangent.
    """
    bits = np.float64(x).view(np.int64)
    exponent = (bits - _HALF_SQRT2_BITS) >> 52
    mantissa = np.int64(bits - (exponent << 52)).view(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    series = 1.0 / 15.0 + z * (1.0 / 17.0)
    series = 1.0 / 11.0 + z * (1.0 / 13.0 + z * series)
    series = 1.0 / 7.0 + z * (1.0 / 9.0 + z * series)
    series = 1.0 / 3.0 + z * (1.0 / 5.0 + z * series)
    return float(exponent) + (2.0 / _LN2) * s * (1.0 + z * series)


@compiled
def exp2_normal(x: float) -> float:
    """Two to the power of ``x``, -1000 to 1000, to a relative 1e-14; see :func:`log2_positive`."""
    whole = math.floor(x + 0.5)
    f = (x - whole) * _LN2
    series = 1.0 / 3628800.0 + f * (1.0 / 39916800.0)
    series = 1.0 / 40320.0 + f * (1.0 / 362880.0 + f * series)
    series = 1.0 / 720.0 + f * (1.0 / 5040.0 + f * series)
    series = 1.0 / 24.0 + f * (1.0 / 120.0 + f * series)
    series = 0.5 + f * (1.0 / 6.0 + f * series)
    return (1.0 + f * (1.0 + f * series)) * np.int64((np.int64(whole) + 1023) << 52).view(np.float64)


@compiled
def compander_curve(
    level: np.ndarray,
    threshold_db: float,
    slope: float,
    knee_db: float,
    expander_threshold_db: float,
    expander_slope: float,
) -> None:
    """Replace linear levels ``[T]`` by linear gains; arguments as in :func:`compander_gain`."""
    half, bend = 0.5 * knee_db, 0.5 * slope / knee_db
    for t in range(level.size):
        level_db = _DB_PER_OCTAVE * log2_positive(level[t])
        over = level_db - threshold_db
        inside = min(max(over + half, 0.0), knee_db)
        compressed = bend * inside * inside + slope * max(over - half, 0.0)
        expanded = expander_slope * (expander_threshold_db - level_db)
        taken = min(max(compressed, expanded), -GAIN_FLOOR_DB)
        level[t] = exp2_normal(-taken / _DB_PER_OCTAVE)


@compiled
def compander_gain(
    audio: np.ndarray,
    threshold_db: float,
    slope: float,
    knee_db: float,
    expander_threshold_db: float,
    expander_slope: float,
    fall: float,
    attack: float,
    release: float,
    state: np.ndarray,
    gain: np.ndarray,
) -> None:
    """Stereo-linked gain of a compressor and downward expander: detector, static curve, ballistics.

    Cut anywhere, blocks give the samples of the whole.

    Args:
        audio: ``float64 [2, T]``.
        threshold_db: compression starts here.
        slope: ``1 - 1/ratio``, dB taken per dB above the threshold.
        knee_db: width of the quadratic knee around the threshold, above 0.
        expander_threshold_db: expansion starts here, downwards.
        expander_slope: ``1/expander_ratio - 1``, dB taken per dB below the expander threshold.
        fall: one-pole coefficient of the detector's fall.
        attack: one-pole coefficient of the gain where it falls.
        release: one-pole coefficient of the gain where it rises.
        state: ``float64 [2]``, level and smoothed gain before the first sample; carried on. See :func:`rest`.
        gain: ``float64 [T]``, written: linear gain.
    """
    level, smooth = state
    # Block by block, so that the curve, which no sample carries over, runs on vectors and in the cache.
    for start in range(0, gain.size, _BLOCK):
        left, right, block = (
            audio[0, start : start + _BLOCK],
            audio[1, start : start + _BLOCK],
            gain[start : start + _BLOCK],
        )
        for t in range(block.size):
            peak = max(abs(left[t]), abs(right[t]), LEVEL_FLOOR)
            level = max(peak, level + fall * (peak - level))
            block[t] = level
        compander_curve(block, threshold_db, slope, knee_db, expander_threshold_db, expander_slope)
        for t in range(block.size):
            smooth += (attack if block[t] < smooth else release) * (block[t] - smooth)
            block[t] = smooth
    state[0], state[1] = level, smooth


@compiled
def limiter_gain(
    audio: np.ndarray, threshold: float, attack: float, release: float, state: np.ndarray, gain: np.ndarray
) -> None:
    """Stereo-linked gain of a limiter: smoothed peak, ``min(1, threshold / peak)``, smoothed again.

    Cut anywhere, blocks give the samples of the whole.

    Args:
        audio: ``float64 [2, T]``.
        threshold: linear amplitude.
        attack: one-pole coefficient where the peak rises and where the gain falls.
        release: one-pole coefficient for the other direction of both.
        state: ``float64 [2]``, smoothed peak and smoothed gain before the first sample; carried on. See :func:`rest`.
        gain: ``float64 [T]``, written: linear gain.
    """
    level, smooth = state
    for t in range(gain.size):
        peak = max(abs(audio[0, t]), abs(audio[1, t]), LEVEL_FLOOR)
        level += (release if peak < level else attack) * (peak - level)
        target = min(1.0, threshold / level)
        smooth += (attack if target < smooth else release) * (target - smooth)
        gain[t] = smooth
    state[0], state[1] = level, smooth


@compiled
def lowpass_run(
    source: np.ndarray,
    b0: float,
    a1: float,
    a2: float,
    backwards: bool,
    state: np.ndarray,
    out: np.ndarray,
) -> None:
    """Run ``b0 (1 + z^-1)^2 / (1 + a1 z^-1 + a2 z^-2)`` over ``[2, T]``, in either direction of time.

    ``state`` holds the two memories of the left and of the right channel and is carried on; ``out`` may be
    ``source``.
    """
    total = source.shape[1]
    left1, left2, right1, right2 = state
    for start in range(0, total, _BLOCK):
        for step in range(start, min(start + _BLOCK, total)):
            t = total - 1 - step if backwards else step
            left, right = b0 * source[0, t], b0 * source[1, t]
            left_out, right_out = left + left1, right + right1
            left1, right1 = 2.0 * left - a1 * left_out + left2, 2.0 * right - a1 * right_out + right2
            left2, right2 = left - a2 * left_out, right - a2 * right_out
            out[0, t], out[1, t] = left_out, right_out
        # A decay into silence would end in denormal numbers, which are slow: cut it off far below hearing.
        if abs(left1) + abs(left2) < _TINY:
            left1 = left2 = 0.0
        if abs(right1) + abs(right2) < _TINY:
            right1 = right2 = 0.0
    state[0], state[1], state[2], state[3] = left1, left2, right1, right2


@compiled
def lowpass_both_ways(audio: np.ndarray, b0: float, a1: float, a2: float, tail: np.ndarray, out: np.ndarray) -> None:
    """:func:`lowpass_run` forwards, then backwards: twice the magnitude in dB, no phase.

    Args:
        audio: ``float64 [2, T]``.
        b0, a1, a2: coefficients.
        tail: ``float64 [2, N]`` of zeros, overwritten: where the forward pass decays after the end of the
            audio, so that the backward pass meets all of it.
        out: ``float64 [2, T]``, written.
    """
    state = np.zeros(4)
    lowpass_run(audio, b0, a1, a2, False, state, out)
    lowpass_run(tail, b0, a1, a2, False, state, tail)
    state[:] = 0.0
    lowpass_run(tail, b0, a1, a2, True, state, tail)
    lowpass_run(out, b0, a1, a2, True, state, out)
