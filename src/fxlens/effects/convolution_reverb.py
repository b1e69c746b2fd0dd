"""What reverbs by convolution share: ``y = (1 - wet) x + wet (h * x)``, the room ``h`` named by the settings.

``h`` has unit energy for pink noise (see :mod:`fxlens.effects.impulse_responses`), so that the wet part is about as
loud as the dry one and ``wet`` 0.5 is about an even share. The output has the input's length: the tail ends with
the clip.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from scipy.fft import rfft
from torch import Tensor

from fxlens.dsp.fast.mixing import blend_in_place
from fxlens.dsp.fast.overlap_save import block_size, convolve_blocks
from fxlens.dsp.gradient.convolution import convolve
from fxlens.effects.impulse_responses import mix, response_spectrum
from fxlens.effects.processor import Parameter, Processor, Range

PREDELAY = Parameter("predelay_ms", 0.0, 80.0, 0.0)
WET = Parameter("wet", 0.0, 1.0, 0.0)
_DRAWN_WET = (0.1, 0.7)


class Room(Hashable, Protocol):
    """A room with its pre-delay. Equal rooms have equal responses, which are kept."""

    def response(self, sample_rate: int) -> np.ndarray:
        """Return its impulse response at a rate in Hz, ``float64 [2, N]``, read-only."""


class ConvolutionReverb(Processor):
    """A processor that puts clips into rooms; the parameters it has must include :data:`WET`."""

    type = "reverb"

    @abstractmethod
    def room(self, values: Mapping[str, float]) -> Room:
        """Return the room of these settings.

        Args:
            values: every parameter, in physical units.

        Raises:
            PresetError: it is not to be had.
        """

    @classmethod
    def draw(cls, rng: np.random.Generator, ranges: Range = "default") -> dict[str, float]:
        """Draw all parameters; in the default range a wet share of 0.1-0.7: what a mix uses."""
        values = super().draw(rng, ranges)
        if ranges == "default":
            low, high = _DRAWN_WET
            values["wet"] = low + (high - low) * values["wet"]
        return values

    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        room, wet = self.room(values), values["wet"]
        if wet == 0.0 or audio.shape[-1] == 0:
            return audio.copy()
        size, spectrum = _spectrum(room, int(sample_rate), audio.shape[-1])
        return mix(audio, spectrum, size, wet)

    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        room, wet = self.room(values), values["wet"]
        if wet == 0.0:
            return
        response = _block_spectrum(room, int(sample_rate), clip.shape[-1])
        blend_in_place(clip, convolve_blocks(clip, *response), wet)


def change_by_room(audio: Tensor, response: Tensor, wet: Tensor) -> Tensor:
    """Compute what a room adds to a clip, less the dry share it takes.

    Args:
        audio: ``[2, T]``.
        response: ``[2, N]``, same type.
        wet: scalar.

    Returns:
        ``[2, T]``; added to the audio it is the effect. Differentiable with respect to all three.
    """
    response = response[:, : audio.shape[-1]]
    at_once = torch.zeros_like(response)
    at_once[:, 0] = 1.0
    return convolve(audio.unsqueeze(0), (wet.to(audio) * (response - at_once)).unsqueeze(0))[0]


@lru_cache(maxsize=8)
def _block_spectrum(room: Room, sample_rate: int, length: int) -> tuple[np.ndarray, int, int]:
    """Spectrum of a room, its taps and the FFT size, for :func:`fxlens.dsp.fast.overlap_save.convolve_blocks`."""
    response = room.response(sample_rate)[:, :length]
    taps = response.shape[-1]
    n_fft = block_size(length, taps)
    return rfft(response.astype(np.float32), n_fft), taps, n_fft


@lru_cache(maxsize=8)
def _spectrum(room: Room, sample_rate: int, length: int) -> tuple[int, np.ndarray]:
    return response_spectrum(room.response(sample_rate), length)
