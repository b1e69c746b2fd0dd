"""One pass over audio that sums what is asked of the wave of every frame.

As tensor operations the same takes a dozen passes over memory, and longer than the spectrogram.
"""

from __future__ import annotations

import numpy as np

from fxlens.dsp.kernels import compiled_sums

PEAK, POWER, FOURTH, SLOPE_PEAK, SLOPE, SIGNED_POWER, CUBE, SIZE_CUBE = range(8)
SUMS = 8
"""Largest size, mean square, mean fourth power; largest slope and its mean square; mean of x |x|, x³ and |x|³."""


@compiled_sums
def _largest(sizes: np.ndarray, bits: np.ndarray, count: int) -> np.float32:
    """Largest of ``count`` sizes: floats that are not negative are ordered as their bits, and whole numbers are
    compared many at a time."""
    largest = np.int32(0)
    for t in range(count):
        largest = max(largest, bits[t])
    bits[0] = largest
    return sizes[0]


@compiled_sums
def frame_sums(audio: np.ndarray, matrix: np.ndarray, hop: int, sums: np.ndarray) -> None:
    """Measure frames that do not overlap; beyond the end there are zeros.

    Args:
        audio: ``float32 [B, 2, T]``.
        matrix: ``float32 [C, 2]``, how channels are made of left and right.
        hop: samples of a frame.
        sums: ``float32 [B, C, SUMS, frame]``, is written.
    """
    length, share = audio.shape[2], np.float32(1.0 / hop)
    sizes = np.empty(hop, np.float32)
    bits = sizes.view(np.int32)
    for item in range(audio.shape[0]):
        left, right = audio[item, 0], audio[item, 1]
        for channel in range(matrix.shape[0]):
            a, b = matrix[channel, 0], matrix[channel, 1]
            for frame in range(sums.shape[3]):
                own = sums[item, channel]
                first, last = frame * hop, min((frame + 1) * hop, length)
                power = fourth = slopes = signed_power = cube = size_cube = np.float32(0.0)
                now_left, now_right = left[first:last], right[first:last]  # indices from 0 need no check of their sign
                for t in range(now_left.size):
                    x = a * now_left[t] + b * now_right[t]
                    size, square = abs(x), x * x
                    sizes[t] = size
                    power += square
                    fourth += square * square
                    signed_power += x * size
                    cube += x * square
                    size_cube += size * square
                own[PEAK, frame] = _largest(sizes, bits, now_left.size)
                begin = max(first, 1)
                now_left, now_right = left[begin:last], right[begin:last]
                before_left, before_right = left[begin - 1 : last - 1], right[begin - 1 : last - 1]
                for t in range(now_left.size):
                    slope = a * (now_left[t] - before_left[t]) + b * (now_right[t] - before_right[t])
                    sizes[t] = abs(slope)
                    slopes += slope * slope
                slope_peak = _largest(sizes, bits, now_left.size)
                for t in (0, length):  # before the first sample and after the last one there are zeros
                    if first <= t < first + hop:
                        edge = a * left[min(t, length - 1)] + b * right[min(t, length - 1)]
                        slope_peak = max(slope_peak, abs(edge))
                        slopes += edge * edge
                own[SLOPE_PEAK, frame] = slope_peak
                own[POWER, frame], own[FOURTH, frame] = power * share, fourth * share
                own[SLOPE, frame], own[SIGNED_POWER, frame] = slopes * share, signed_power * share
                own[CUBE, frame], own[SIZE_CUBE, frame] = cube * share, size_cube * share
