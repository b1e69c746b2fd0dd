"""Short-time Fourier transform of long audio, some frames at a time: memory does not grow with the length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.fft import irfft, rfft

SAMPLE_RATE = 44_100
"""Hz. The rate of all Fx-normalisation: the lengths of its transforms are given in samples of it."""


def sqrt_hann(n_fft: int) -> np.ndarray:
    """Periodic square root of a Hann window, ``float32 [n_fft]``; its squares at half-overlap sum to 1."""
    return np.sin(np.pi * np.arange(n_fft) / n_fft).astype(np.float32)


def frame_count(frames: int, hop: int) -> int:
    """How many frames :func:`spectra` yields for ``frames`` samples: enough to cover each as often as any other."""
    return -(-frames // hop) + 1


def framed(audio: np.ndarray, n_fft: int, hop: int, together: int) -> Iterator[np.ndarray]:
    """Cut audio into frames; frame i is centred on sample ``i * hop``, and what lies outside the audio is 0.

    Args:
        audio: ``float32 [C, T]``.
        n_fft: samples in a frame, even.
        hop: samples from frame to frame.
        together: frames in one block.

    Yields:
        Views ``[C, F, n_fft]``, F up to ``together``, not to be written to.
    """
    channels, length = audio.shape
    for first in range(0, frame_count(length, hop), together):
        count = min(together, frame_count(length, hop) - first)
        begin = first * hop - n_fft // 2
        end = begin + (count - 1) * hop + n_fft
        piece = np.zeros((channels, end - begin), np.float32)
        inside = audio[:, max(begin, 0) : max(end, 0)]
        offset = max(-begin, 0)
        piece[:, offset : offset + inside.shape[1]] = inside
        yield np.lib.stride_tricks.sliding_window_view(piece, n_fft, axis=1)[:, ::hop]


def spectra(audio: np.ndarray, window: np.ndarray, hop: int, together: int) -> Iterator[np.ndarray]:
    """Short-time spectra, frames as :func:`framed` cuts them.

    Args:
        audio: ``float32 [C, T]``.
        window: ``float32 [n_fft]``.
        hop: samples from frame to frame.
        together: frames in one block.

    Yields:
        ``complex64 [C, F, n_fft // 2 + 1]``.
    """
    for frames in framed(audio, window.size, hop, together):
        yield rfft(frames * window, overwrite_x=True)


def overlap_added(blocks: Iterable[np.ndarray], window: np.ndarray, frames: int) -> np.ndarray:
    """Turn the spectra of :func:`spectra`, at half-overlap, back into audio.

    Args:
        blocks: ``complex64 [C, F, n_fft // 2 + 1]``; may be overwritten.
        window: ``float32 [n_fft]``, the same as at the analysis; its squares at half-overlap must sum to 1.
        frames: samples of the audio.

    Returns:
        ``float32 [C, frames]``.
    """
    n_fft, hop, first = window.size, window.size // 2, 0
    out: np.ndarray | None = None
    for block in blocks:
        pieces = irfft(block, n_fft, overwrite_x=True)
        pieces *= window
        channels, count = pieces.shape[:2]
        if out is None:
            # Half a frame before the first sample, and room for the last frame behind the last.
            out = np.zeros((channels, (frame_count(frames, hop) + 1) * hop), np.float32)
        for half in (0, 1):
            target = out[:, (first + half) * hop : (first + half + count) * hop].reshape(channels, count, hop)
            target += pieces[:, :, half * hop : (half + 1) * hop]
        first += count
    assert out is not None, "audio has at least one frame"
    return out[:, hop : hop + frames]
