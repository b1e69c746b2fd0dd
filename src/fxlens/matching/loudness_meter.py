"""Loudness of a track that comes in blocks: of all of it, and of any part of it, in constant memory.

The measure is that of :mod:`fxlens.audio.loudness` (BS.1770-4): energies of the K-weighted signal in segments of
100 ms are all that is kept, 0.3 MB for an hour.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import sosfilt

from fxlens.audio.loudness import ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU, k_weighting

SEGMENTS_PER_SECOND = 10
_SEGMENTS_PER_BLOCK = 4
_OFFSET_LU = -0.691  # BS.1770-4 eq. 2


class LoudnessMeter:
    """Hears stereo blocks one after the other.

    Args:
        sample_rate: Hz, at least :data:`fxlens.audio.loudness.LOWEST_SAMPLE_RATE`.

    Attributes:
        frames: samples per channel heard so far.
        peak: largest absolute sample so far.

    Raises:
        UsageError: the rate is too low.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.frames = 0
        self.peak = 0.0
        self._sections = k_weighting(sample_rate)
        self._state = np.zeros((len(self._sections), 2, 2))
        self._segments: list[float] = []
        self._open = 0.0  # energy since the end of the last whole segment

    def add(self, block: np.ndarray) -> None:
        """Hear the next samples, ``[2, t]``."""
        if not block.shape[1]:
            return
        self.peak = max(self.peak, float(np.abs(block).max()))
        weighted, self._state = sosfilt(self._sections, block.astype(np.float64), axis=-1, zi=self._state)
        energy = np.square(weighted).sum(axis=0)
        start, self.frames = self.frames, self.frames + block.shape[1]
        first = len(self._segments) + 1
        last = first + 1 + block.shape[1] * SEGMENTS_PER_SECOND // self.sample_rate
        ends = self._bounds(np.arange(first, last + 1))
        ends = ends[ends <= self.frames] - start
        sums = [float(piece.sum()) for piece in np.split(energy, ends)]
        sums[0] += self._open
        self._open = sums.pop()
        self._segments += sums

    def lufs(self) -> float:
        """Integrated loudness of all that was heard; minus infinity for silence."""
        whole = self.frames * SEGMENTS_PER_SECOND // self.sample_rate  # a segment that rounding made whole is none
        if whole < _SEGMENTS_PER_BLOCK:  # one block of its own length, which passes no gate
            return _lufs((sum(self._segments) + self._open) / max(self.frames, 1))
        return self._gated(0, min(whole, len(self._segments)))

    def lufs_of(self, start_seconds: float, seconds: float) -> float:
        """Loudness of a part, both times to the nearest 100 ms; minus infinity where it is silent or too short."""
        first = round(start_seconds * SEGMENTS_PER_SECOND)
        stop = min(first + round(seconds * SEGMENTS_PER_SECOND), len(self._segments))
        return self._gated(first, stop) if stop - first >= _SEGMENTS_PER_BLOCK else -np.inf

    def _gated(self, first: int, stop: int) -> float:
        energies = np.array(self._segments[first:stop])
        bounds = self._bounds(np.arange(first, stop + 1))
        lengths = bounds[_SEGMENTS_PER_BLOCK:] - bounds[:-_SEGMENTS_PER_BLOCK]
        blocks = np.convolve(energies, np.ones(_SEGMENTS_PER_BLOCK), "valid") / lengths
        with np.errstate(divide="ignore"):
            loudness = _OFFSET_LU + 10.0 * np.log10(blocks)
        passed = loudness > ABSOLUTE_GATE_LUFS
        if not passed.any():
            return -np.inf
        passed &= loudness > _lufs(float(blocks[passed].mean())) + RELATIVE_GATE_LU
        return _lufs(float(blocks[passed].mean()))

    def _bounds(self, numbers: np.ndarray) -> np.ndarray:
        return np.round(numbers * (self.sample_rate / SEGMENTS_PER_SECOND)).astype(np.int64)


def _lufs(mean_square: float) -> float:
    with np.errstate(divide="ignore"):
        return float(_OFFSET_LU + 10.0 * np.log10(mean_square))
