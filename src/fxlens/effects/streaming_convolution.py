"""Delay and reverb in blocks: convolution by parts of equal length.

The response is cut into parts as long as a chunk of the audio; each part has a spectrum, computed once, and
so has every chunk. An output chunk is the sum of the products of part p with the chunk p chunks ago, one
inverse transform for all of them (overlap-save, twice the chunk's length, so that nothing wraps around).
T. G. Stockham, "High-speed convolution and correlation", AFIPS 1966; the division into parts: J.-S. Soo and
K. K. Pang, "Multidelay block frequency domain adaptive filter", IEEE Trans. ASSP 38(2), 1990.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from scipy.fft import irfft, rfft

from fxlens.effects.convolution_reverb import ConvolutionReverb
from fxlens.effects.delay import echo_taps
from fxlens.effects.streaming_stage import Stage, nothing

_SHORTEST_CHUNK, _LONGEST_CHUNK = 4_096, 65_536
_ANY_LENGTH = 1 << 40  # no echo is left out because the clip would end before it


def delay_response(sample_rate: int, values: Mapping[str, float]) -> np.ndarray:
    """Return what a delay makes of a click, dry sound and echoes: ``float64 [1, N]``, for both channels."""
    echoes = echo_taps(values["time_ms"] * 1e-3 * sample_rate, values["feedback"], _ANY_LENGTH)
    heard = [(at, values["wet"] * weight) for at, weight in echoes if weight.any()]
    response = np.zeros((1, max((int(at[-1]) + 1 for at, _ in heard), default=1)))
    response[0, 0] = 1.0 - values["wet"]
    for at, weight in heard:
        response[0, at] += weight
    return response


def reverb_response(sample_rate: int, processor: ConvolutionReverb, values: Mapping[str, float]) -> np.ndarray:
    """Return what a reverb makes of a click in both channels, dry sound and room: ``float64 [2, N]``."""
    response = values["wet"] * processor.room(values).response(sample_rate)
    response[:, 0] += 1.0 - values["wet"]
    return response


class ConvolutionStage(Stage):
    """Convolution with a response, cut to the length of the audio.

    Args:
        response: ``float64 [2, N]``, or ``[1, N]`` for both channels.
    """

    def __init__(self, response: np.ndarray) -> None:
        length = response.shape[1]
        self._size = min(max(1 << (length - 1).bit_length(), _SHORTEST_CHUNK), _LONGEST_CHUNK)
        parts = [response[:, start : start + self._size] for start in range(0, length, self._size)]
        # Between far echoes there is nothing, and so is nothing to multiply.
        self._spectra = [rfft(part, 2 * self._size) if part.any() else None for part in parts]
        self._heard: deque[np.ndarray] = deque(maxlen=len(parts))  # spectra of chunks, the newest first
        self._buffer = np.zeros((2, 2 * self._size))  # the chunk before, and the one that is filled
        self._filled = 0

    def process(self, block: np.ndarray) -> np.ndarray:
        ready = []
        taken = 0
        while taken < block.shape[1]:
            piece = block[:, taken : taken + self._size - self._filled]
            start = self._size + self._filled
            self._buffer[:, start : start + piece.shape[1]] = piece
            self._filled += piece.shape[1]
            taken += piece.shape[1]
            if self._filled == self._size:
                ready.append(self._convolve())
                self._buffer[:, : self._size] = self._buffer[:, self._size :]
                self._filled = 0
        return np.concatenate(ready, axis=1) if ready else nothing()

    def finish(self) -> np.ndarray:
        if not self._filled:
            return nothing()
        self._buffer[:, self._size + self._filled :] = 0.0
        return self._convolve()[:, : self._filled]

    def _convolve(self) -> np.ndarray:
        self._heard.appendleft(rfft(self._buffer))
        total = np.zeros((2, self._size + 1), np.complex128)
        product = np.empty_like(total)
        for response, chunk in zip(self._spectra, self._heard, strict=False):
            if response is not None:
                np.multiply(response, chunk, out=product)
                total += product
        return np.asarray(irfft(total, 2 * self._size)[:, self._size :])
