"""The saturating curve of the distortion, compiled: float32 audio in place, float64 arithmetic on vectors."""

from __future__ import annotations

import math

import numpy as np

from fxlens.dsp.kernels import compiled, exp2_normal

_BLOCK = 256
_OCTAVES_PER_NEPER_TWICE = -2.0 / math.log(2.0)
_TANH_IS_ONE = 20.0
_TINY = 1e-30


@compiled
def sum_of_squares(audio: np.ndarray) -> float:
    """Sum over ``float32 [2, T]``, in float64; four sums side by side, as an addition waits for the one before."""
    left_even = left_odd = right_even = right_odd = 0.0
    length = audio.shape[1]
    for t in range(0, length - 1, 2):
        a, b, c, d = float(audio[0, t]), float(audio[0, t + 1]), float(audio[1, t]), float(audio[1, t + 1])
        left_even += a * a
        left_odd += b * b
        right_even += c * c
        right_odd += d * d
    if length % 2:
        a, c = float(audio[0, length - 1]), float(audio[1, length - 1])
        left_even += a * a
        right_even += c * c
    return left_even + left_odd + right_even + right_odd


@compiled
def _bend(block: np.ndarray, steepness: float, hardness: float, scale: float) -> None:
    """``s(k u) / k`` of the distortion on ``float32 [T]``, with ``u = scale x``."""
    soft, gain = 1.0 - hardness, 1.0 / steepness
    for t in range(block.size):
        v = steepness * scale * float(block[t])
        # exp2 is a polynomial on vectors, math.tanh a call a sample.
        e = exp2_normal(_OCTAVES_PER_NEPER_TWICE * min(abs(v), _TANH_IS_ONE))
        curved = math.copysign((1.0 - e) / (1.0 + e), v)
        block[t] = gain * (soft * curved + hardness * min(max(v, -1.0), 1.0))


@compiled
def saturate_in_place(
    audio: np.ndarray, steepness: float, hardness: float, scale: float, asymmetry: float, pole: float
) -> float:
    """Bend ``float32 [2, T]`` as :mod:`fxlens.effects.distortion` says, before its level is matched.

    Args:
        audio: changed in place.
        steepness: ``k``, above 0.
        hardness: 0-1, share of the hard clip.
        scale: from the audio to the calibrated level.
        asymmetry: ``a``; 0 is an odd curve, and skips the coupling high-pass.
        pole: of the high-pass.

    Returns:
        The sum of the squares of the result.
    """
    half = 0.5 * (1.0 + pole)
    total = 0.0
    memory = np.zeros((2, 2))  # per channel: input and output of the high-pass one sample ago
    for start in range(0, audio.shape[1], _BLOCK):
        for channel in range(2):
            block = audio[channel, start : start + _BLOCK]
            _bend(block, steepness, hardness, scale)
            if asymmetry != 0.0:
                before, coupled = memory[channel]
                for t in range(block.size):
                    s = float(block[t])
                    even = -asymmetry * s * s / (1.0 + asymmetry * s)
                    coupled = half * (even - before) + pole * coupled
                    before = even
                    block[t] = s + coupled
                memory[channel, 0], memory[channel, 1] = before, coupled if abs(coupled) > _TINY else 0.0
        total += sum_of_squares(audio[:, start : start + _BLOCK])
    return total
