"""Reverb: convolution with a recorded room, which a preset names and a folder holds.

The formula is that of :mod:`fxlens.effects.convolution_reverb`; ``h`` is the recording from its direct sound on, at
the rate of the audio, 6 s at most, behind the pre-delay (see :mod:`fxlens.effects.recorded_rooms`). A recording
brings its own decay and colour, so there are no parameters for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fxlens.dsp.gradient.convolution import convolve
from fxlens.effects.convolution_reverb import PREDELAY, WET, ConvolutionReverb, change_by_room
from fxlens.effects.fractional_pulse import HALF_WIDTH, pulse_tensors
from fxlens.effects.recorded_rooms import RecordedRooms, recorded_response
from fxlens.errors import DataError, PresetError


class RecordedRoom(NamedTuple):
    """A recording behind a pre-delay."""

    path: Path
    predelay_ms: float

    def response(self, sample_rate: int) -> np.ndarray:
        return recorded_response(self.path, self.predelay_ms, sample_rate)


class RecordedReverb(ConvolutionReverb):
    """Put the clip into a recorded room; ``wet`` is the share of the room.

    Args:
        ir: the room's name, see :meth:`fxlens.effects.recorded_rooms.RecordedRooms.path`.
        rooms: where it is looked for. Without them there are parameters, but nothing can be processed.
    """

    parameters = (PREDELAY, WET)

    def __init__(self, ir: str, rooms: RecordedRooms | None) -> None:
        self.ir, self.rooms = ir, rooms

    def room(self, values: Mapping[str, float]) -> RecordedRoom:
        return RecordedRoom(self.path(), values["predelay_ms"])

    def path(self) -> Path:
        """Return the file of the room.

        Raises:
            PresetError: no rooms were given, or they have none of that name.
        """
        if self.rooms is None:
            raise PresetError(
                f"the reverb needs the recorded room {self.ir!r}, and no folder of rooms was given: "
                "say --rooms FOLDER, or EffectChain.load(path, rooms=folder)"
            )
        try:
            return self.rooms.path(self.ir)
        except DataError as error:
            raise PresetError(
                f"the reverb needs the recorded room {self.ir!r}: {error}; another folder: --rooms FOLDER"
            ) from error

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        path = self.path()
        if audio.shape[-1] == 0:
            return audio
        recorded = torch.from_numpy(recorded_response(path, 0.0, int(sample_rate)).copy()).to(audio)
        # Item by item: an FFT size common to all would let one item's pre-delay change another's rounding.
        changes = [
            change_by_room(item, _later(recorded, predelay * (1e-3 * sample_rate), item.shape[-1]), wet)
            for item, predelay, wet in zip(audio, values["predelay_ms"], values["wet"], strict=True)
        ]
        return audio + torch.stack(changes)


def _later(response: Tensor, delay_samples: Tensor, longest: int) -> Tensor:
    """Do :func:`fxlens.effects.fractional_pulse.delayed` with a gradient for the delay; ``longest`` samples at most."""
    delay_samples = delay_samples.to(response.device).double()
    at, weights = pulse_tensors(delay_samples)
    size = math.ceil(float(delay_samples.detach())) + HALF_WIDTH + 1
    pulse = torch.zeros(size, dtype=torch.float64, device=response.device)
    pulse = pulse.scatter_add(0, at.clamp(0, size - 1), weights.masked_fill((at < 0) | (at >= size), 0.0))
    whole = torch.nn.functional.pad(response, (0, size - 1))[:, :longest]
    return convolve(whole.unsqueeze(0), pulse[:longest].to(response.dtype).expand(1, 1, -1))[0]
