"""Loops of other compressors: detectors, static curve and ballistics, each over one control signal ``float32 [T]``.

After D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design", JAES 60(6), 2012. A *depth* is
how much is taken, not below zero; it is measured in octaves of level (6.02 dB), or as ``1 - gain``.
"""

from __future__ import annotations

import math

import numpy as np

from fxlens.dsp.kernels import GAIN_FLOOR_DB, LEVEL_FLOOR, compiled, exp2_normal, log2_positive

OCTAVE_DB = 20.0 * math.log10(2.0)
MOST_OCTAVES = -GAIN_FLOOR_DB / OCTAVE_DB


@compiled
def hold_peaks(level: np.ndarray, fall: float) -> None:
    """Magnitudes to levels, in place: up at once, down with the coefficient ``fall``."""
    state = LEVEL_FLOOR
    for t in range(level.size):
        peak = max(float(level[t]), LEVEL_FLOOR)
        state = max(peak, state + fall * (peak - state))
        level[t] = state


@compiled
def mean_power(level: np.ndarray, coefficient: float) -> None:
    """Magnitudes to levels, in place: root of the smoothed square, times root two, so that a sine reads its peak."""
    state = 0.0
    for t in range(level.size):
        x = float(level[t])
        state += coefficient * (x * x - state)
        level[t] = max(math.sqrt(2.0 * state), LEVEL_FLOOR)


@compiled
def static_depth(
    level: np.ndarray, threshold: float, slope: float, knee: float, expander: float, expander_slope: float
) -> None:
    """Levels to depths in octaves, in place.

    Args:
        level: linear.
        threshold: octaves relative to full scale.
        slope: octaves taken per octave above the threshold.
        knee: width of the quadratic knee, octaves, above 0.
        expander: threshold of the downward expander, octaves.
        expander_slope: octaves taken per octave below it.
    """
    half, bend = 0.5 * knee, 0.5 * slope / knee
    for t in range(level.size):
        height = log2_positive(float(level[t]))
        over = height - threshold
        inside = min(max(over + half, 0.0), knee)
        depth = bend * inside * inside + slope * max(over - half, 0.0)
        level[t] = min(max(depth, expander_slope * (expander - height)), MOST_OCTAVES)


@compiled
def to_linear_depth(depth: np.ndarray) -> None:
    """Octaves to ``1 - gain``, in place."""
    for t in range(depth.size):
        depth[t] = 1.0 - exp2_normal(-float(depth[t]))


@compiled
def branching(depth: np.ndarray, attack: float, release: float) -> None:
    """Smooth in place: one coefficient where more is to be taken, another where less."""
    state = 0.0
    for t in range(depth.size):
        x = float(depth[t])
        state += (attack if x > state else release) * (x - state)
        depth[t] = state


@compiled
def decoupled(depth: np.ndarray, attack: float, release: float) -> None:
    """Smooth in place: first a peak hold that falls with ``release``, then a low-pass with ``attack``."""
    held, state = 0.0, 0.0
    for t in range(depth.size):
        x = float(depth[t])
        held = max(x, held + release * (x - held))
        state += attack * (held - state)
        depth[t] = state


@compiled
def to_gain(depth: np.ndarray) -> None:
    """Octaves to linear gains, in place."""
    for t in range(depth.size):
        depth[t] = exp2_normal(-float(depth[t]))


@compiled
def feedback_gains(
    level: np.ndarray,
    threshold: float,
    slope: float,
    expander: float,
    expander_slope: float,
    fall: float,
    attack: float,
    release: float,
) -> None:
    """Magnitudes to linear gains, in place, of a compressor that listens to its own output.

    What is taken is ``slope / (1 - slope)`` octaves per octave that the *output* lies above the threshold, so that in
    the steady state the ratio is the same. The loop would be faster than a forward one by that factor; the
    coefficients are divided by it.

    Args:
        level: changed in place.
        threshold, slope, expander, expander_slope: see :func:`static_depth`; slope below 1.
        fall: of the detector.
        attack, release: of the depth, for the closed loop.
    """
    tight = slope / (1.0 - slope)
    attack, release = attack / (1.0 + tight), release / (1.0 + tight)
    state, depth = LEVEL_FLOOR, 0.0
    for t in range(level.size):
        x = float(level[t])
        gain = exp2_normal(-depth)
        peak = max(x * gain, LEVEL_FLOOR)
        state = max(peak, state + fall * (peak - state))
        height = log2_positive(state)
        # An expander listens to the input: fed back, it would latch shut.
        below = expander_slope * (expander - height - depth)
        target = min(max(tight * (height - threshold), below, 0.0), MOST_OCTAVES)
        depth += (attack if target > depth else release) * (target - depth)
        level[t] = gain
