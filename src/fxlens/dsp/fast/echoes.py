"""Sparse convolution, compiled: a few short runs of taps far apart, as the echoes of a delay are."""

from __future__ import annotations

import numpy as np

from fxlens.dsp.kernels import compiled

TAPS_TOGETHER = 8
"""The taps of a run are a multiple of it."""

_BLOCK = 1024


@compiled
def _add_taps(source: np.ndarray, first: int, weights: np.ndarray, total: np.ndarray) -> None:
    """``total[t] += sum_j weights[j] source[first + t - j]`` for eight taps; ``source`` is zero before 0."""
    w0, w1, w2, w3, w4, w5, w6, w7 = weights
    begin = max(0, -first)
    # The first few samples meet the edge, sample by sample; all others are vectors.
    for t in range(begin, min(begin + TAPS_TOGETHER, total.size)):
        for j in range(TAPS_TOGETHER):
            if first + t - j >= 0:
                total[t] += weights[j] * source[first + t - j]
    begin += TAPS_TOGETHER
    if begin >= total.size:
        return
    piece = source[first + begin - TAPS_TOGETHER + 1 : first + total.size]
    out = total[begin:]
    for t in range(out.size):
        out[t] += (
            w0 * piece[t + 7]
            + w1 * piece[t + 6]
            + w2 * piece[t + 5]
            + w3 * piece[t + 4]
            + w4 * piece[t + 3]
            + w5 * piece[t + 2]
            + w6 * piece[t + 1]
            + w7 * piece[t]
        )


@compiled
def _add_tap(source: np.ndarray, first: int, weight: np.float32, total: np.ndarray) -> None:
    """``total[t] += weight source[first + t]``; ``source`` is zero before 0."""
    begin = max(0, -first)
    if begin < total.size:
        piece, out = source[first + begin : first + total.size], total[begin:]
        for t in range(out.size):
            out[t] += weight * piece[t]


@compiled
def add_echoes_in_place(audio: np.ndarray, starts: np.ndarray, counts: np.ndarray, weights: np.ndarray, wet: float):
    """``(1 - wet) x[t] + wet sum_k sum_j weights[k, j] x[t - starts[k] - j]`` for ``float32 [2, T]``.

    Args:
        audio: changed in place, from its end to its beginning, so that no echo hears an echo.
        starts: ``int64 [K]``, samples, above 0.
        counts: ``int64 [K]``, taps of each echo: 1 or a multiple of ``TAPS_TOGETHER``.
        weights: ``float32 [K, J]``.
        wet: 0-1.
    """
    sums = np.empty(_BLOCK, np.float32)
    length = audio.shape[1]
    for channel in range(audio.shape[0]):
        row = audio[channel]
        for start in range((length - 1) // _BLOCK * _BLOCK, -1, -_BLOCK):
            block = row[start : start + _BLOCK]
            total = sums[: block.size]
            total[:] = np.float32(0.0)
            for k in range(starts.size):
                first = start - starts[k]
                if first + block.size <= 0:
                    continue
                if counts[k] == 1:
                    _add_tap(row, first, weights[k, 0], total)
                else:
                    for j in range(0, counts[k], TAPS_TOGETHER):
                        _add_taps(row, first - j, weights[k, j : j + TAPS_TOGETHER], total)
            for t in range(block.size):
                block[t] = (1.0 - wet) * block[t] + wet * total[t]
