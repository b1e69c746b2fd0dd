"""Three-band compander, compiled: float32 audio in place, the crossover and all dynamics in two passes.

The bands are those of :mod:`fxlens.dsp.crossover`, low-passes run both ways in time. Here the backward pass comes
first, so that the forward pass can go on, block by block in the cache, to detectors, curves, ballistics and the
sum. The order does not matter: either way the audio, with silence on both sides, is filtered by a response that
is symmetric in time. What the backward pass rings before the first sample is kept, as far as it is audible.
"""

from __future__ import annotations

import math

import numpy as np

from fxlens.dsp.crossover import HIGHEST_CROSSOVER, LOWEST_CROSSOVER_HZ
from fxlens.dsp.fast.dynamics import gain_curve
from fxlens.dsp.kernels import LEVEL_FLOOR, compiled

_BLOCK = 256
_TINY = 1e-30
_TAIL_FLOOR = 1e-9


def lowpass_coefficients(cutoff_hz: float, sample_rate: int) -> tuple[float, float, float]:
    """Second-order Butterworth low-pass by the bilinear transform, matched at the cutoff: b0, a1, a2.

    The numerator is ``b0 (1 + z^-1)^2``. The cutoff is held where :mod:`fxlens.dsp.crossover` holds it.
    """
    k = math.tan(math.pi * min(max(cutoff_hz, LOWEST_CROSSOVER_HZ), HIGHEST_CROSSOVER * sample_rate) / sample_rate)
    norm = 1.0 / (1.0 + math.sqrt(2.0) * k + k * k)
    return k * k * norm, 2.0 * (k * k - 1.0) * norm, (1.0 - math.sqrt(2.0) * k + k * k) * norm


def tail_samples(a2: float) -> int:
    """How long a low-pass rings until it has decayed to 1e-9: the radius of its poles is ``sqrt(a2)``."""
    return math.ceil(2.0 * math.log(_TAIL_FLOOR) / math.log(max(a2, _TAIL_FLOOR)))


@compiled
def _backwards(audio: np.ndarray, low: np.ndarray, high: np.ndarray, passed: np.ndarray) -> None:
    """Run both low-passes from the end to the beginning and beyond it, direct form II.

    ``passed`` ``float32 [N + T, 4]`` gets low left, low right, high left, high right; the first N frames are
    those before the audio.
    """
    b, a1, a2 = low
    d, c1, c2 = high
    tail = passed.shape[0] - audio.shape[1]
    p1 = p2 = q1 = q2 = r1 = r2 = s1 = s2 = 0.0
    for end in range(passed.shape[0], 0, -_BLOCK):
        for t in range(end - 1, max(end - _BLOCK, 0) - 1, -1):
            left = right = 0.0
            if t >= tail:
                left, right = float(audio[0, t - tail]), float(audio[1, t - tail])
            p = b * left - a2 * p2 - a1 * p1
            q = b * right - a2 * q2 - a1 * q1
            r = d * left - c2 * r2 - c1 * r1
            s = d * right - c2 * s2 - c1 * s1
            passed[t, 0], passed[t, 1] = p + p2 + 2.0 * p1, q + q2 + 2.0 * q1
            passed[t, 2], passed[t, 3] = r + r2 + 2.0 * r1, s + s2 + 2.0 * s1
            p2, p1, q2, q1, r2, r1, s2, s1 = p1, p, q1, q, r1, r, s1, s
        # A decay into silence would end in denormal numbers, which are slow: cut it off far below hearing.
        if abs(p1) + abs(p2) + abs(q1) + abs(q2) < _TINY:
            p1 = p2 = q1 = q2 = 0.0
        if abs(r1) + abs(r2) + abs(s1) + abs(s2) < _TINY:
            r1 = r2 = s1 = s2 = 0.0


@compiled
def _forwards(passed: np.ndarray, low: np.ndarray, high: np.ndarray, states: np.ndarray) -> None:
    """Run both low-passes on, in place: frames ``[T, 4]`` of :func:`_backwards`; states ``[8]`` carried on."""
    b, a1, a2 = low
    d, c1, c2 = high
    p1, p2, q1, q2, r1, r2, s1, s2 = states
    for t in range(passed.shape[0]):
        p = b * passed[t, 0] - a2 * p2 - a1 * p1
        q = b * passed[t, 1] - a2 * q2 - a1 * q1
        r = d * passed[t, 2] - c2 * r2 - c1 * r1
        s = d * passed[t, 3] - c2 * s2 - c1 * s1
        passed[t, 0], passed[t, 1] = p + p2 + 2.0 * p1, q + q2 + 2.0 * q1
        passed[t, 2], passed[t, 3] = r + r2 + 2.0 * r1, s + s2 + 2.0 * s1
        p2, p1, q2, q1, r2, r1, s2, s1 = p1, p, q1, q, r1, r, s1, s
    states[0], states[1], states[2], states[3] = p1, p2, q1, q2
    states[4], states[5], states[6], states[7] = r1, r2, s1, s2
    for memory in range(8):
        if abs(states[memory]) < _TINY:
            states[memory] = 0.0


@compiled
def compand_bands_in_place(
    audio: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    tail: int,
    curves: np.ndarray,
    fall: float,
    attack: np.ndarray,
    release: np.ndarray,
    mix: float,
) -> None:
    """``x + mix (sum_b (g_b - 1) band_b)`` for ``float32 [2, T]``.

    Args:
        audio: changed in place.
        low: ``float64 [3]``, :func:`lowpass_coefficients` of the lower crossover.
        high: likewise of the upper one.
        tail: how many samples of ringing before the audio matter.
        curves: ``float32 [3, 5]``: per band the arguments of :func:`fxlens.dsp.fast.dynamics.gain_curve`.
        fall: one-pole coefficient of the detectors' fall.
        attack: ``float64 [3]``, one-pole coefficients of the gains where they fall.
        release: ``float64 [3]``, likewise where they rise.
        mix: share of the change.
    """
    passed = np.empty((tail + audio.shape[1], 4), np.float32)
    _backwards(audio, low, high, passed)
    states = np.zeros(8)
    _forwards(passed[:tail], low, high, states)
    levels = np.empty((3, _BLOCK), np.float32)
    low_level = mid_level = high_level = LEVEL_FLOOR
    low_gain = mid_gain = high_gain = 1.0
    hold, keep_falling, keep_rising = 1.0 - fall, 1.0 - attack, 1.0 - release
    for start in range(0, audio.shape[1], _BLOCK):
        left, right = audio[0, start : start + _BLOCK], audio[1, start : start + _BLOCK]
        bands = passed[tail + start : tail + start + left.size]
        _forwards(bands, low, high, states)
        for t in range(left.size):
            # From here on a frame holds low left, low right, mid left, mid right; the high band is the rest.
            high_left, high_right = left[t] - bands[t, 2], right[t] - bands[t, 3]
            bands[t, 2] -= bands[t, 0]
            bands[t, 3] -= bands[t, 1]
            low_peak = max(float(max(abs(bands[t, 0]), abs(bands[t, 1]))), LEVEL_FLOOR)
            mid_peak = max(float(max(abs(bands[t, 2]), abs(bands[t, 3]))), LEVEL_FLOOR)
            high_peak = max(float(max(abs(high_left), abs(high_right))), LEVEL_FLOOR)
            low_level = max(hold * low_level + fall * low_peak, low_peak)
            mid_level = max(hold * mid_level + fall * mid_peak, mid_peak)
            high_level = max(hold * high_level + fall * high_peak, high_peak)
            levels[0, t], levels[1, t], levels[2, t] = low_level, mid_level, high_level
        for band in range(3):
            c = curves[band]
            gain_curve(levels[band, : left.size], c[0], c[1], c[2], c[3], c[4])
        for t in range(left.size):
            target = float(levels[0, t])
            falling = keep_falling[0] * low_gain + attack[0] * target
            rising = keep_rising[0] * low_gain + release[0] * target
            low_gain = falling if target < low_gain else rising
            target = float(levels[1, t])
            falling = keep_falling[1] * mid_gain + attack[1] * target
            rising = keep_rising[1] * mid_gain + release[1] * target
            mid_gain = falling if target < mid_gain else rising
            target = float(levels[2, t])
            falling = keep_falling[2] * high_gain + attack[2] * target
            rising = keep_rising[2] * high_gain + release[2] * target
            high_gain = falling if target < high_gain else rising
            # sum_b (g_b - 1) band_b, with high = x - low - mid written out.
            rest = high_gain - 1.0
            low_change, mid_change = low_gain - high_gain, mid_gain - high_gain
            left[t] += mix * (rest * left[t] + low_change * bands[t, 0] + mid_change * bands[t, 2])
            right[t] += mix * (rest * right[t] + low_change * bands[t, 1] + mid_change * bands[t, 3])
