"""Writing the reverb's impulse response, for programs that can convolve but do not have our rooms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fxlens.audio import io
from fxlens.effects.convolution_reverb import ConvolutionReverb
from fxlens.effects.effect import Effect
from fxlens.errors import OutputError, UsageError


def room_response(effect: Effect, sample_rate: int) -> np.ndarray:
    """Return the response ``float32 [2, N]`` that a reverb convolves with, pre-delay included.

    Raises:
        UsageError: the effect is no reverb.
        PresetError: its recorded room is not there, or no rooms were given.
        AudioError: the recording cannot be used.
    """
    processor = effect.processor
    if not isinstance(processor, ConvolutionReverb):
        raise UsageError(f"{effect.type} has no room to write; only a reverb has one")
    return np.asarray(processor.room(effect.parameters).response(sample_rate), dtype=np.float32)


def write_room(effect: Effect, position: int, folder: Path, sample_rate: int) -> Path:
    """Write :func:`room_response` as a float WAV.

    Args:
        effect: a reverb.
        position: of the effect in its chain, from 1; part of the name.
        folder: made if it is not there.
        sample_rate: Hz.

    Returns:
        The path of the file.

    Raises:
        OutputError: it cannot be written.
        PresetError, AudioError: as :func:`room_response`.
    """
    response = room_response(effect, sample_rate)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made: {error.strerror or error}") from error
    path = folder / f"room-{position}-{sample_rate}hz.wav"
    io.write(path, response, sample_rate, "FLOAT")
    return path
