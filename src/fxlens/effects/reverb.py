"""Reverb: convolution with a room of the seeded bank.

``y = (1 - wet) x + wet (h * x)``, with ``h`` of unit energy for pink noise (see
:mod:`fxlens.effects.impulse_responses`), so that the wet part is about as loud as the dry one and ``wet``
0.5 is about an even share. The output has the input's length: the tail ends with the clip.

The room is named by the chain (``seed``, ``decay_seconds``, ``predelay_ms``, ``damping``), never drawn while
processing: one chain, one room, in every excerpt and on every machine. For a recorded response use
:func:`fxlens.effects.impulse_responses.convolve`; a processor's parameters are numbers, a file is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from scipy.fft import rfft
from torch import Tensor

from fxlens.dsp.fast.mixing import blend_in_place
from fxlens.dsp.fast.overlap_save import block_size, convolve_blocks
from fxlens.dsp.gradient.convolution import convolve
from fxlens.effects import room_bank as bank
from fxlens.effects.impulse_responses import mix, response_spectrum
from fxlens.effects.processor import Parameter, Processor, Range

LAST_SEED = 65_535
_DRAWN_WET = (0.1, 0.7)


class Reverb(Processor):
    """Put the clip into room ``seed``; ``wet`` is the share of the room."""

    type = "reverb"
    parameters = (
        # A name, not a quantity: whole numbers (others are rounded), no gradient, neighbours are unrelated
        # rooms.
        Parameter("seed", 0.0, float(LAST_SEED), 0.0),
        Parameter("decay_seconds", 0.2, 4.0, 1.0, log=True),
        Parameter("predelay_ms", 0.0, 80.0, 0.0),
        Parameter("damping", 0.0, 1.0, 0.5),
        Parameter("wet", 0.0, 1.0, 0.0),
    )
    discrete: ClassVar[frozenset[str]] = frozenset({"seed"})
    """Parameters without a gradient."""

    @classmethod
    def draw(cls, rng: np.random.Generator, ranges: Range = "default") -> dict[str, float]:
        """Draw a whole seed and, in the default range, a wet share of 0.1-0.7: what a mix uses."""
        values = super().draw(rng, ranges)
        values["seed"] = float(round_seed(values["seed"]))
        if ranges == "default":
            low, high = _DRAWN_WET
            values["wet"] = low + (high - low) * values["wet"]
        return values

    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        wet = values["wet"]
        if wet == 0.0 or audio.shape[-1] == 0:
            return audio.copy()
        size, spectrum = _spectrum(*_room(values), int(sample_rate), audio.shape[-1])
        return mix(audio, spectrum, size, wet)

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        if audio.shape[-1] == 0:
            return audio
        # Item by item: lengths differ, and an FFT size common to all would let one item change another's
        # rounding.
        changes = [
            _change(
                item,
                int(sample_rate),
                round_seed(float(values["seed"][i].detach())),
                values["decay_seconds"][i],
                values["predelay_ms"][i],
                values["damping"][i],
                values["wet"][i],
            )
            for i, item in enumerate(audio)
        ]
        return audio + torch.stack(changes)

    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        if values["wet"] == 0.0:
            return
        response = _block_spectrum(*_room(values), int(sample_rate), clip.shape[-1])
        blend_in_place(clip, convolve_blocks(clip, *response), values["wet"])


def round_seed(seed: float) -> int:
    """Return the whole number nearest to ``seed``, not below 0: float32 unit values do not hit it exactly."""
    return max(0, math.floor(seed + 0.5))


def _room(values: Mapping[str, float]) -> tuple[int, float, float, float]:
    """Seed, decay, pre-delay and damping, as :func:`fxlens.effects.room_bank.impulse_response` takes them."""
    # Rounded to float32 like the differentiable form's parameters, or the two lengths could differ by a frame.
    decay, predelay, damping = (float(np.float32(values[name])) for name in ("decay_seconds", "predelay_ms", "damping"))
    return round_seed(values["seed"]), decay, predelay, damping


@lru_cache(maxsize=8)
def _block_spectrum(
    seed: int, decay: float, predelay: float, damping: float, sample_rate: int, length: int
) -> tuple[np.ndarray, int, int]:
    """Spectrum of a room, its taps and the FFT size, for :func:`fxlens.dsp.fast.overlap_save.convolve_blocks`."""
    response = bank.impulse_response(seed, decay, predelay, damping, sample_rate)[:, :length]
    taps = response.shape[-1]
    n_fft = block_size(length, taps)
    return rfft(response.astype(np.float32), n_fft), taps, n_fft


@lru_cache(maxsize=8)
def _spectrum(
    seed: int, decay: float, predelay: float, damping: float, sample_rate: int, length: int
) -> tuple[int, np.ndarray]:
    response = bank.impulse_response(seed, decay, predelay, damping, sample_rate)
    return response_spectrum(response, length)


def _change(
    audio: Tensor, sample_rate: int, seed: int, decay: Tensor, predelay: Tensor, damping: Tensor, wet: Tensor
) -> Tensor:
    """What the room of these parameters (scalars) adds to one clip ``[2, T]``, less the dry share it takes."""
    response = differentiable_response(seed, decay.to(audio), predelay.to(audio), damping.to(audio), sample_rate)
    response = response[:, : audio.shape[-1]]
    at_once = torch.zeros_like(response)
    at_once[:, 0] = 1.0
    return convolve(audio.unsqueeze(0), (wet.to(audio) * (response - at_once)).unsqueeze(0))[0]


def differentiable_response(
    seed: int, decay_seconds: Tensor, predelay_ms: Tensor, damping: Tensor, sample_rate: int
) -> Tensor:
    """Build :func:`fxlens.effects.room_bank.impulse_response` in torch.

    Args:
        seed: which room.
        decay_seconds: scalar tensor; its type and device are the result's.
        predelay_ms: scalar tensor.
        damping: scalar tensor.
        sample_rate: Hz.

    Returns:
        ``[2, N]``, with gradients for the three tensors. The noise is fixed by the seed, and the length is
        not
        differentiated: it changes where the response has fallen by 60 dB.
    """

    def constant(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(decay_seconds)

    segments = bank.segment_count(float(np.float32(decay_seconds.item())))
    log_factor, log_level = (constant(array) for array in bank.character(seed))
    t60 = decay_seconds * torch.exp2(log_factor) * 10.0 ** (-damping * constant(bank.damping_position()))
    hops_per_60_db = t60 * (bank.BANK_RATE / bank.HOP_SAMPLES)
    hop = torch.arange(segments + 1, device=t60.device).to(t60)[:, None]
    envelope = torch.exp(hop * (-3.0 * math.log(10.0) / hops_per_60_db) + math.log(2.0) * log_level)

    signs = constant(bank.noise(seed, segments + 1).copy())
    spectra = torch.complex(envelope[:, None] * signs[:, :, 0], envelope[:, None] * signs[:, :, 1])
    spectra = torch.nn.functional.pad(spectra, (1, 1))  # no DC, no Nyquist frequency
    frames = torch.fft.irfft(spectra, bank.FRAME_SAMPLES) * constant(bank.window())
    half = bank.HOP_SAMPLES
    samples = (frames[:-1, :, half:] + frames[1:, :, :half]).transpose(0, 1).reshape(2, -1)

    predelay = float(np.float32(predelay_ms.item()))
    size_bank, size, length = bank.transform_sizes(segments, predelay, sample_rate)
    spectrum = torch.fft.rfft(samples, size_bank)
    frequency = np.arange(spectrum.shape[-1]) * (bank.BANK_RATE / size_bank)
    power = spectrum.real.square() + spectrum.imag.square()
    spectrum = spectrum * (power @ constant(bank.pink_weights(frequency))).rsqrt()[:, None]
    shared = min(size_bank, size) // 2 + 1
    # Thousands of turns at the top of the band: float32 would lose the phase.
    angle = torch.from_numpy(frequency[:shared]).to(t60.device) * (predelay_ms.double() * (-2e-3 * math.pi))
    gain = torch.from_numpy(bank.band_limit(frequency[:shared], sample_rate)).to(t60.device)
    shifted = spectrum[:, :shared] * torch.polar(gain, angle).to(spectrum.dtype)
    return torch.fft.irfft(shifted, size)[:, :length]
