"""Biquad cascades, compiled: float32 audio in place, float64 states, three sections and two channels at a time.

A recursion waits for itself: each sample needs the one before. Six of them side by side, three sections of both
channels, fill the time. The audio passes through in blocks that stay in the first cache.
"""

from __future__ import annotations

import numpy as np

from fxlens.dsp.kernels import compiled

_BLOCK = 256
_TOGETHER = 3
_TINY = 1e-30


def cascade_coefficients(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Bring sections to the form that :func:`cascade_in_place` runs.

    Args:
        rows: ``float64 [S, 6]``, second-order sections as in :func:`scipy.signal.sosfilt`.

    Returns:
        ``float64 [S', 4]``, b1, b2, a1 and a2 of each after division by b0, with sections that do nothing added
        until ``S'`` is a multiple of three; and the product of all b0, which is a gain.
    """
    padded = np.zeros((-(-len(rows) // _TOGETHER) * _TOGETHER, 4))
    padded[: len(rows), :2] = rows[:, 1:3] / rows[:, :1]
    padded[: len(rows), 2:] = rows[:, 4:]
    return padded, float(np.prod(rows[:, 0]))


@compiled
def _three_sections(frames: np.ndarray, coefficients: np.ndarray, states: np.ndarray) -> None:
    """Run three sections over ``float64 [T, 2]``, transposed direct form II; states ``[3, 4]``: left 2, right 2.

    With b0 = 1 a section's output is its input plus one state, an addition: the shortest wait there is.
    """
    p1, p2, p3, p4 = coefficients[0]
    q1, q2, q3, q4 = coefficients[1]
    r1, r2, r3, r4 = coefficients[2]
    pl1, pl2, pr1, pr2 = states[0]
    ql1, ql2, qr1, qr2 = states[1]
    rl1, rl2, rr1, rr2 = states[2]
    for t in range(frames.shape[0]):
        left, right = frames[t, 0], frames[t, 1]
        left_p, right_p = left + pl1, right + pr1
        pl1, pr1 = p1 * left - p3 * left_p + pl2, p1 * right - p3 * right_p + pr2
        pl2, pr2 = p2 * left - p4 * left_p, p2 * right - p4 * right_p
        left_q, right_q = left_p + ql1, right_p + qr1
        ql1, qr1 = q1 * left_p - q3 * left_q + ql2, q1 * right_p - q3 * right_q + qr2
        ql2, qr2 = q2 * left_p - q4 * left_q, q2 * right_p - q4 * right_q
        left, right = left_q + rl1, right_q + rr1
        rl1, rr1 = r1 * left_q - r3 * left + rl2, r1 * right_q - r3 * right + rr2
        rl2, rr2 = r2 * left_q - r4 * left, r2 * right_q - r4 * right
        frames[t, 0], frames[t, 1] = left, right
    states[0, 0], states[0, 1], states[0, 2], states[0, 3] = pl1, pl2, pr1, pr2
    states[1, 0], states[1, 1], states[1, 2], states[1, 3] = ql1, ql2, qr1, qr2
    states[2, 0], states[2, 1], states[2, 2], states[2, 3] = rl1, rl2, rr1, rr2


@compiled
def cascade_in_place(audio: np.ndarray, coefficients: np.ndarray, gain: float) -> None:
    """Filter ``float32 [2, T]`` from rest with what :func:`cascade_coefficients` returns."""
    states = np.zeros((coefficients.shape[0], 4))
    frames = np.empty((_BLOCK, 2))
    for start in range(0, audio.shape[1], _BLOCK):
        left, right = audio[0, start : start + _BLOCK], audio[1, start : start + _BLOCK]
        size = left.size
        for t in range(size):
            frames[t, 0], frames[t, 1] = gain * left[t], gain * right[t]
        for first in range(0, coefficients.shape[0], _TOGETHER):
            group = states[first : first + _TOGETHER]
            _three_sections(frames[:size], coefficients[first : first + _TOGETHER], group)
            # A decay into silence would end in denormal numbers, which are slow: cut it off far below hearing.
            for section in range(_TOGETHER):
                for memory in range(4):
                    if abs(group[section, memory]) < _TINY:
                        group[section, memory] = 0.0
        for t in range(size):
            left[t], right[t] = frames[t, 0], frames[t, 1]
