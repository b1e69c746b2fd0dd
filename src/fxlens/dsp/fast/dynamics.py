"""Compressor and limiter, compiled: float32 audio in place, detector, curve, ballistics and gain in one pass.

The equations are those of :mod:`fxlens.dsp.kernels`; this is their form for speed. Levels and gains recur in
float64. The curve between them recurs in nothing, so it runs on vectors of float32: with the level taken relative
to the threshold, ``2^(-slope log2(level / threshold))`` loses no more than 1e-7 in float32, for where the
logarithm is large, and its rounding with it, the gain is small.
"""

from __future__ import annotations

import math

import numpy as np

from fxlens.dsp.kernels import GAIN_FLOOR_DB, LEVEL_FLOOR, compiled

DB_PER_OCTAVE = 20.0 * math.log10(2.0)

_BLOCK = 256
_MOST_OCTAVES = np.float32(-GAIN_FLOOR_DB / DB_PER_OCTAVE)
_HALF_SQRT2_BITS = np.int32(np.float32(math.sqrt(0.5)).view(np.int32))
_MANTISSA_BITS, _EXPONENT_BIAS = np.int32(23), np.int32(127)
_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_LN2, _TWO_OVER_LN2 = np.float32(math.log(2.0)), np.float32(2.0 / math.log(2.0))
_THIRD, _FIFTH, _SEVENTH, _NINTH = (np.float32(1.0 / n) for n in (3, 5, 7, 9))
_E3, _E4, _E5, _E6, _E7 = (np.float32(1.0 / math.factorial(n)) for n in (3, 4, 5, 6, 7))


@compiled
def gain_curve(
    level: np.ndarray,
    over_threshold: np.float32,
    slope: np.float32,
    knee: np.float32,
    expander_over: np.float32,
    expander_slope: np.float32,
) -> None:
    """Replace linear levels by linear gains, ``float32 [T]``: :func:`fxlens.dsp.kernels.compander_curve`.

    Args:
        level: at least ``LEVEL_FLOOR``.
        over_threshold: ``1 / threshold``, linear.
        slope: ``1 - 1/ratio``.
        knee: its width in octaves of level (6.02 dB), above 0.
        expander_over: expander threshold relative to the threshold, octaves.
        expander_slope: ``1/expander_ratio - 1``.
    """
    half, bend = _HALF * knee, _HALF * slope / knee
    for t in range(level.size):
        # Logarithm: see kernels.log2_positive.
        bits = np.float32(level[t] * over_threshold).view(np.int32)
        exponent = np.int32(np.int32(bits - _HALF_SQRT2_BITS) >> _MANTISSA_BITS)
        mantissa = np.int32(bits - np.int32(exponent << _MANTISSA_BITS)).view(np.float32)
        s = (mantissa - _ONE) / (mantissa + _ONE)
        z = s * s
        series = _ONE + z * (_THIRD + z * (_FIFTH + z * (_SEVENTH + z * _NINTH)))
        over = np.float32(exponent) + _TWO_OVER_LN2 * s * series
        inside = min(max(over + half, _ZERO), knee)
        compressed = bend * inside * inside + slope * max(over - half, _ZERO)
        expanded = expander_slope * (expander_over - over)
        taken = min(max(compressed, expanded), _MOST_OCTAVES)
        # Power of two: taken is not negative, so truncation rounds to the nearest.
        whole = np.int32(taken + _HALF)
        f = (np.float32(whole) - taken) * _LN2
        series = _E3 + f * (_E4 + f * (_E5 + f * (_E6 + f * _E7)))
        power = _ONE + f * (_ONE + f * (_HALF + f * series))
        level[t] = power * np.int32(np.int32(_EXPONENT_BIAS - whole) << _MANTISSA_BITS).view(np.float32)


@compiled
def compress_in_place(
    audio: np.ndarray,
    over_threshold: float,
    slope: float,
    knee: float,
    fall: float,
    attack: float,
    release: float,
    makeup: float,
) -> None:
    """Compress ``float32 [2, T]``, both channels by one gain.

    Args:
        audio: changed in place.
        over_threshold, slope, knee: see :func:`gain_curve`.
        fall: one-pole coefficient of the detector's fall.
        attack: one-pole coefficient of the gain where it falls.
        release: one-pole coefficient of the gain where it rises.
        makeup: linear gain.
    """
    level, smooth = LEVEL_FLOOR, 1.0
    # (1 - a) y + a x in place of y + a (x - y): a x does not wait for y.
    hold, keep_falling, keep_rising = 1.0 - fall, 1.0 - attack, 1.0 - release
    gains = np.empty(_BLOCK, np.float32)
    for start in range(0, audio.shape[1], _BLOCK):
        left, right = audio[0, start : start + _BLOCK], audio[1, start : start + _BLOCK]
        block = gains[: left.size]
        for t in range(block.size):
            peak = max(float(max(abs(left[t]), abs(right[t]))), LEVEL_FLOOR)
            level = max(hold * level + fall * peak, peak)
            block[t] = level
        gain_curve(block, np.float32(over_threshold), np.float32(slope), np.float32(knee), _ZERO, _ZERO)
        for t in range(block.size):
            target = float(block[t])
            falling, rising = keep_falling * smooth + attack * target, keep_rising * smooth + release * target
            smooth = falling if target < smooth else rising
            left[t] *= makeup * smooth
            right[t] *= makeup * smooth


@compiled
def limit_in_place(audio: np.ndarray, threshold: float, attack: float, release: float) -> None:
    """Limit ``float32 [2, T]`` in place; arguments as :func:`fxlens.dsp.kernels.limiter_gain`."""
    level, smooth = LEVEL_FLOOR, 1.0
    keep_attack, keep_release = 1.0 - attack, 1.0 - release
    for t in range(audio.shape[1]):
        peak = max(float(max(abs(audio[0, t]), abs(audio[1, t]))), LEVEL_FLOOR)
        rising, sinking = keep_attack * level + attack * peak, keep_release * level + release * peak
        level = sinking if peak < level else rising
        target = min(1.0, threshold / level)
        falling, recovering = keep_attack * smooth + attack * target, keep_release * smooth + release * target
        smooth = falling if target < smooth else recovering
        audio[0, t] *= smooth
        audio[1, t] *= smooth
