"""Compiled loops of the dynamics processors for audio that comes in blocks: the state is an argument.

The equations are those of :mod:`fxlens.dsp.kernels`; cut anywhere, the blocks give the samples of the whole.
"""

from __future__ import annotations

import numpy as np

from fxlens.dsp.kernels import LEVEL_FLOOR, compander_curve, compiled

_BLOCK = 256


def rest() -> np.ndarray:
    """Return the state of a detector and a gain that have heard nothing yet: ``float64 [2]``."""
    return np.array([LEVEL_FLOOR, 1.0])


@compiled
def compander_gain_onwards(
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
    """Do :func:`fxlens.dsp.kernels.compander_gain` for the next block.

    Args:
        audio: ``float64 [2, T]``.
        threshold_db, slope, knee_db, expander_threshold_db, expander_slope, fall, attack, release: as there.
        state: ``float64 [2]``, level and smoothed gain after the block before; carried on. See :func:`rest`.
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
def limiter_gain_onwards(
    audio: np.ndarray, threshold: float, attack: float, release: float, state: np.ndarray, gain: np.ndarray
) -> None:
    """Do :func:`fxlens.dsp.kernels.limiter_gain` for the next block.

    Args:
        audio: ``float64 [2, T]``.
        threshold: linear amplitude.
        attack, release: one-pole coefficients, as there.
        state: ``float64 [2]``, smoothed peak and smoothed gain after the block before; carried on.
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
