"""Writing audio files: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from fxlens.audio.block_writer import BlockWriter
from fxlens.audio.formats import format_of
from fxlens.errors import AudioChannelsError, AudioEmptyError, UsageError


def write(path: str | os.PathLike[str], audio: np.ndarray, sample_rate: int, subtype: str | None = None) -> None:
    """Write a file: beside its place first, then renamed, so that no half a file is ever left.

    Args:
        path: where to; the suffix decides the format (wav, flac, ogg, opus, mp3, aiff, w64).
        audio: ``[C, T]`` or ``[T]``, float, full scale 1.0.
        sample_rate: Hz.
        subtype: sample format, e.g. ``"PCM_16"`` or ``"PCM_24"``. Wav and aiff hold 32-bit float if it is not
            given, which keeps peaks above 1.0; flac holds 24 bit. A wav above 4 GiB is written as RF64.

    Raises:
        OutputError: the folder is missing or read-only, the disk is full, or the encoder refuses.
        UsageError: an unknown suffix, or a subtype that the format does not have.
        AudioChannelsError: the shape is not ``[C, T]``.
        AudioEmptyError: no samples.
        AudioNotFiniteError: NaN or infinite samples.

    Warns:
        ClippingWarning: an integer format cannot hold peaks above 1.0; they were limited.
    """
    path = Path(path)
    format_of(path, subtype)  # a suffix that cannot be written comes before anything that is wrong with the samples
    audio = _checked(np.atleast_2d(np.asarray(audio)), path)
    with BlockWriter(path, sample_rate, audio.shape[0], subtype, frames=audio.shape[1], stacklevel=2) as file:
        file.write(audio)


def _checked(audio: np.ndarray, path: Path) -> np.ndarray:
    if audio.ndim != 2:
        raise AudioChannelsError(path, f"cannot write shape {audio.shape}; pass [channel, time]")
    if audio.size == 0:
        raise AudioEmptyError(path, "there are no samples to write")
    if audio.shape[0] > audio.shape[1] and audio.shape[0] > 64:
        raise AudioChannelsError(
            path, f"cannot write shape {audio.shape}, which looks like [time, channel]; pass array.T"
        )
    if not np.issubdtype(audio.dtype, np.floating):
        raise UsageError(f"{path}: cannot write samples of type {audio.dtype}; pass float with full scale 1.0")
    return audio if audio.dtype == np.float64 else audio.astype(np.float32, copy=False)
