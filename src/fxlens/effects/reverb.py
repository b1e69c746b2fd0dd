"""Reverb: convolution with a room of the seeded bank.

The formula is that of :mod:`fxlens.effects.convolution_reverb`. The room is named by the chain (``seed``,
``decay_seconds``, ``predelay_ms``, ``damping``), never drawn while processing: one chain, one room, in every
excerpt and on every machine. Recorded rooms: :mod:`fxlens.effects.recorded_reverb`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fxlens.effects import room_bank as bank
from fxlens.effects.convolution_reverb import PREDELAY, WET, ConvolutionReverb, change_by_room
from fxlens.effects.processor import Parameter, Range

LAST_SEED = 65_535


class BankRoom(NamedTuple):
    """A room of the bank, see :func:`fxlens.effects.room_bank.impulse_response`."""

    seed: int
    decay_seconds: float
    predelay_ms: float
    damping: float

    def response(self, sample_rate: int) -> np.ndarray:
        return bank.impulse_response(*self, sample_rate)


class Reverb(ConvolutionReverb):
    """Put the clip into room ``seed``; ``wet`` is the share of the room."""

    parameters = (
        # A name, not a quantity: whole numbers (others are rounded), no gradient, neighbours are unrelated
        # rooms.
        Parameter("seed", 0.0, float(LAST_SEED), 0.0),
        Parameter("decay_seconds", 0.2, 4.0, 1.0, log=True),
        PREDELAY,
        Parameter("damping", 0.0, 1.0, 0.5),
        WET,
    )
    discrete: ClassVar[frozenset[str]] = frozenset({"seed"})
    """Parameters without a gradient."""

    @classmethod
    def draw(cls, rng: np.random.Generator, ranges: Range = "default") -> dict[str, float]:
        """Draw as all reverbs do, and round the seed."""
        values = super().draw(rng, ranges)
        return {**values, "seed": float(round_seed(values["seed"]))}

    def room(self, values: Mapping[str, float]) -> BankRoom:
        # Rounded to float32 like the differentiable form's parameters, or the two lengths could differ by a frame.
        names = ("decay_seconds", "predelay_ms", "damping")
        return BankRoom(round_seed(values["seed"]), *(float(np.float32(values[name])) for name in names))

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        if audio.shape[-1] == 0:
            return audio
        # Item by item: lengths differ, and an FFT size common to all would let one item change another's
        # rounding.
        changes = []
        for i, item in enumerate(audio):
            seed = round_seed(float(values["seed"][i].detach()))
            decay, predelay, damping = (
                values[name][i].to(item) for name in ("decay_seconds", "predelay_ms", "damping")
            )
            response = differentiable_response(seed, decay, predelay, damping, int(sample_rate))
            changes.append(change_by_room(item, response, values["wet"][i]))
        return audio + torch.stack(changes)


def round_seed(seed: float) -> int:
    """Return the whole number nearest to ``seed``, not below 0: float32 unit values do not hit it exactly."""
    return max(0, math.floor(seed + 0.5))


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
        ``[2, N]``, with gradients for the three tensors. The noise is fixed by the seed, and the length is not
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
