"""Writing audio files: whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile

from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioNotFiniteError, OutputError, UsageError

_FORMATS: dict[str, tuple[str, str]] = {
    ".wav": ("WAV", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aiff": ("AIFF", "FLOAT"),
    ".aif": ("AIFF", "FLOAT"),
    ".w64": ("W64", "FLOAT"),
}
_BYTES_PER_SAMPLE = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
_LARGEST_WAV = 2**32 - 2**16
_BLOCK_FRAMES = 65_536  # libsndfile's Vorbis encoder overflows its stack when it is given minutes at once


class ClippingWarning(UserWarning):
    """Samples above full scale were limited because the file format cannot hold them."""


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
    kind, subtype = _format(path, subtype)
    audio = _checked(np.atleast_2d(np.asarray(audio)), path)
    if subtype.startswith("PCM_"):
        peak = float(np.abs(audio).max())
        if peak > 1.0:
            warnings.warn(
                f"{path}: peaks of {20.0 * np.log10(peak):+.1f} dBFS were limited, {subtype} ends at 0 dBFS; "
                "lower the level, or write 32-bit float wav",
                ClippingWarning,
                stacklevel=2,
            )
            audio = np.clip(audio, -1.0, 1.0)
    size = audio.size * _BYTES_PER_SAMPLE.get(subtype, 1)
    if kind == "WAV" and size > _LARGEST_WAV:
        kind = "RF64"

    folder = path.parent
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist; create it first"
        raise OutputError(f"{path}: cannot be written, the folder {folder} {problem}")
    if path.is_dir():
        raise OutputError(f"{path}: cannot be written, there is a folder of that name; choose another name")
    beside = folder / f".fxlens-{secrets.token_hex(6)}{path.suffix}"
    try:
        # Made by Python first: it says why it cannot, where libsndfile says "System error".
        os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        _encode(beside, audio, sample_rate, kind, subtype)
        os.replace(beside, path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); {_next_step(folder, size)}"
        ) from None
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        if shutil.disk_usage(folder).free < size:
            raise OutputError(f"{path}: cannot be written; {_next_step(folder, size)}") from None
        raise OutputError(
            f"{path}: cannot be written as {kind} {subtype}, {audio.shape[0]} channels, {sample_rate} Hz "
            f"({str(getattr(error, 'error_string', error)).strip()}); try .wav"
        ) from None
    finally:
        with suppress(OSError):
            beside.unlink()


def _format(path: Path, subtype: str | None) -> tuple[str, str]:
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{path}: cannot write {path.suffix or 'a file without suffix'}; use {', '.join(_FORMATS)}")
    kind, default = _FORMATS[path.suffix.lower()]
    subtype = (subtype or default).upper()
    if not soundfile.check_format(kind, subtype):
        known = ", ".join(soundfile.available_subtypes(kind))
        raise UsageError(f"{path}: {kind} has no subtype {subtype}; it has {known}")
    return kind, subtype


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
    if not np.isfinite(audio).all():
        raise AudioNotFiniteError(path, "there are NaN or infinite samples in what should be written")
    return audio if audio.dtype == np.float64 else audio.astype(np.float32, copy=False)


def _encode(beside: Path, audio: np.ndarray, sample_rate: int, kind: str, subtype: str) -> None:
    frames = audio.shape[1]
    with soundfile.SoundFile(
        beside, "w", samplerate=int(sample_rate), channels=audio.shape[0], subtype=subtype, format=kind
    ) as file:
        for start in range(0, frames, _BLOCK_FRAMES):
            try:
                file.write(np.ascontiguousarray(audio[:, start : start + _BLOCK_FRAMES].T))
            except AssertionError:  # soundfile asserts that libsndfile wrote all it was given
                raise OSError(0, "not all samples could be written") from None
    # Under `python -O` the assertion is gone, and what a full disk refuses at closing time is told by nobody.
    written = soundfile.info(beside).frames
    if (kind != "MP3" and written < frames) or written == 0:
        raise OSError(0, f"only {written} of {frames} samples could be written")


def _next_step(folder: Path, size: int) -> str:
    if not os.access(folder, os.W_OK):
        return f"the folder {folder} is read-only: choose another one"
    free = shutil.disk_usage(folder).free
    if free < size:
        return f"the disk is full: {size / 1e6:.1f} MB are needed in {folder} and {free / 1e6:.1f} MB are free"
    return f"check permissions and free space of {folder}"
