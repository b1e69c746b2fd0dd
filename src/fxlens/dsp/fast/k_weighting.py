"""Energy of the K-weighted signal (ITU-R BS.1770-4), compiled: filters and sums in one pass over the audio.

Both channels go side by side: a recursion waits for itself, and two wait no longer than one.
"""

from __future__ import annotations

import numpy as np

from fxlens.dsp.kernels import compiled

_TINY = 1e-60


@compiled
def _pair_energy(left: np.ndarray, right: np.ndarray, coefficients: np.ndarray, states: np.ndarray) -> float:
    """Sum of squares of two filtered rows ``[T]``; states ``[8]`` are carried on.

    Coefficients b1, b2, a1, a2 of the shelf over its b0, and a1, a2 of the high-pass, whose numerator is
    (1, -2, 1): the gains of both are the caller's.
    """
    b1, b2, a1, a2, c1, c2 = coefficients
    l1, l2, l3, l4, r1, r2, r3, r4 = states
    left_total = right_total = 0.0
    for t in range(left.size):
        x, u = float(left[t]), float(right[t])
        y, v = x + l1, u + r1
        l1, r1 = b1 * x - a1 * y + l2, b1 * u - a1 * v + r2
        l2, r2 = b2 * x - a2 * y, b2 * u - a2 * v
        z, w = y + l3, v + r3
        l3, r3 = l4 - 2.0 * y - c1 * z, r4 - 2.0 * v - c1 * w
        l4, r4 = y - c2 * z, v - c2 * w
        left_total += z * z
        right_total += w * w
    states[0], states[1], states[2], states[3] = l1, l2, l3, l4
    states[4], states[5], states[6], states[7] = r1, r2, r3, r4
    # Through long silence the states decay into denormals, which are a hundred times slower.
    for memory in range(8):
        if abs(states[memory]) < _TINY:
            states[memory] = 0.0
    return left_total + right_total


@compiled
def weighted_energies(audio: np.ndarray, sections: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Energy of the K-weighted signal between consecutive bounds, summed over channels.

    Args:
        audio: ``[N, C, T]``, float32 or float64, one or two channels.
        sections: ``float64 [2, 6]``, shelf and high-pass as :func:`fxlens.audio.loudness.k_weighting` gives them.
        bounds: ``int64 [S + 1]``, samples, ascending.

    Returns:
        ``float64 [N, S]``.
    """
    shelf, high_pass = sections
    coefficients = np.array([shelf[1] / shelf[0], shelf[2] / shelf[0], shelf[4], shelf[5], high_pass[4], high_pass[5]])
    power = (shelf[0] * high_pass[0]) ** 2
    mono = audio.shape[1] == 1
    if mono:
        power *= 0.5  # the one channel is taken for both
    energies = np.empty((audio.shape[0], bounds.size - 1))
    for n in range(audio.shape[0]):
        states = np.zeros(8)
        left, right = audio[n, 0], audio[n, 0 if mono else 1]
        for s in range(bounds.size - 1):
            part = slice(bounds[s], bounds[s + 1])
            energies[n, s] = power * _pair_energy(left[part], right[part], coefficients, states)
    return energies
