"""Writing the reverb's impulse response, for programs that can convolve but do not have our rooms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fxlens.audio import io
from fxlens.effects.effect import Effect
from fxlens.effects.reverb import round_seed
from fxlens.effects.room_bank import impulse_response
from fxlens.errors import OutputError


def room_response(effect: Effect, sample_rate: int) -> np.ndarray:
    """The response ``float32 [2, N]`` that a reverb convolves with, pre-delay included."""
    values = effect.parameters
    response = impulse_response(
        round_seed(values["seed"]), values["decay_seconds"], values["predelay_ms"], values["damping"], sample_rate
    )
    return np.asarray(response, dtype=np.float32)


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
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made: {error.strerror or error}") from error
    path = folder / f"room-{position}-{sample_rate}hz.wav"
    io.write(path, room_response(effect, sample_rate), sample_rate, "FLOAT")
    return path
