"""Audio files in and out: the only place that touches them.

libsndfile reads wav, flac, ogg, opus, mp3, aiff and their relatives; m4a, aac, mp4, stem.mp4 and webm need
PyAV from the extra ``[media]``. Samples keep the rate and the channels of the file;
:mod:`fxlens.audio.waveform` changes them.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxlens.audio import media, sndfile
from fxlens.audio.block_writer import BlockWriter, ClippingWarning
from fxlens.audio.decoder import Decoder, Description
from fxlens.audio.formats import can_write
from fxlens.audio.output import write
from fxlens.audio.tags import read_tags
from fxlens.errors import AudioDecodeError, AudioEmptyError, AudioMissingError, AudioNotFiniteError, UsageError

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioInfo",
    "BlockWriter",
    "ClippingWarning",
    "blocks",
    "can_write",
    "probe",
    "read",
    "read_streams",
    "read_tags",
    "write",
]

AUDIO_SUFFIXES: frozenset[str] = sndfile.SUFFIXES | media.SUFFIXES
"""Lower-case suffixes of files that are tried as audio when a folder is searched."""

_READ_BLOCK_SECONDS = 30.0


@dataclass(frozen=True)
class AudioInfo:
    """What is known of a file without keeping its samples.

    Args:
        path: the file.
        sample_rate: Hz.
        channels: number of channels.
        frames: samples per channel.
        duration_seconds: ``frames / sample_rate``.
        format: container, e.g. ``"WAV"``.
        subtype: codec or sample format, e.g. ``"PCM_16"``.
        streams: audio streams in the file; more than one only in containers such as stem.mp4.
    """

    path: Path
    sample_rate: int
    channels: int
    frames: int
    duration_seconds: float
    format: str
    subtype: str
    streams: int = 1


def probe(path: str | os.PathLike[str], *, stream: int = 0, exact: bool = True) -> AudioInfo:
    """Describe a file.

    Args:
        path: the file.
        stream: which audio stream, for containers with several.
        exact: count by decoding where the header does not tell the length (mp3 without a Xing frame, aac,
            webm, flac written into a pipe); otherwise ``frames`` is an estimate there, 0 if there is none.

    Raises:
        AudioMissingError: no such file, a folder, or it cannot be opened.
        AudioEmptyError: no bytes or no samples.
        AudioDecodeError: not audio that can be decoded here, or the header shows that it is cut short.
    """
    path = Path(path)
    decoder = _decoder(path)
    description = decoder.describe(path, stream)
    frames = description.frames
    if frames is None:
        frames = description.estimated_frames
        if exact:
            blocks = decoder.decode(path, description, stream, 0, None, _frames(60.0, description))
            frames = sum(block.shape[1] for block in blocks)
            if frames == 0:
                raise AudioEmptyError(path, "it has no samples")
    return AudioInfo(
        path=path,
        sample_rate=description.sample_rate,
        channels=description.channels,
        frames=frames,
        duration_seconds=frames / description.sample_rate,
        format=description.format,
        subtype=description.subtype,
        streams=description.streams,
    )


def read(
    path: str | os.PathLike[str],
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
    *,
    stream: int = 0,
) -> tuple[np.ndarray, int]:
    """Read a file, or a part of it.

    Args:
        path: the file.
        start_seconds: where to begin, rounded to the nearest sample.
        duration_seconds: how much; to the end if not given. The end of the file may come earlier.
        stream: which audio stream, for containers with several.

    Returns:
        The samples, ``float32 [C, T]``, and the sample rate in Hz.

    Raises:
        AudioMissingError: no such file, a folder, or it cannot be opened.
        AudioEmptyError: no bytes, no samples, or it ends before ``start_seconds``.
        AudioDecodeError: not audio that can be decoded here, or it breaks off.
        AudioNotFiniteError: NaN or infinite samples.
        UsageError: a negative time.
    """
    path = Path(path)
    decoder, description, start, wanted = _prepare(path, start_seconds, duration_seconds, stream)
    block = _frames(_READ_BLOCK_SECONDS, description)
    pieces = _checked_blocks(path, decoder, description, stream, start, wanted, block)
    if description.frames is None or (wanted is not None and wanted <= block):
        collected = list(pieces)
        audio = collected[0] if len(collected) == 1 else np.concatenate(collected, axis=1)
        return audio, description.sample_rate
    # The length is known: a long file is not held twice.
    total = description.frames - start if wanted is None else min(wanted, description.frames - start)
    audio = np.empty((description.channels, max(total, 0)), np.float32)
    filled = 0
    for piece in pieces:
        piece = piece[:, : total - filled]
        audio[:, filled : filled + piece.shape[1]] = piece
        filled += piece.shape[1]
    return audio if filled == total else audio[:, :filled].copy(), description.sample_rate


def read_streams(path: str | os.PathLike[str], streams: Sequence[int]) -> tuple[list[np.ndarray], int]:
    """Read several audio streams of one file, such as the stems in a ``.stem.mp4``, in one pass.

    Args:
        path: the file.
        streams: which, each once.

    Returns:
        The samples of each, ``float32 [C, T]`` (lengths may differ by what the encoder padded), and their sample
        rate in Hz.

    Raises:
        As :func:`read`; AudioDecodeError also for streams of different rates.
    """
    path = Path(path)
    decoder = _decoder(path)
    descriptions = {stream: decoder.describe(path, stream) for stream in streams}
    rates = {description.sample_rate for description in descriptions.values()}
    if len(rates) != 1:
        raise AudioDecodeError(path, f"its streams have different rates ({sorted(rates)} Hz); export them at one")
    if decoder is sndfile or any(description.frames is None for description in descriptions.values()):
        return [read(path, stream=stream)[0] for stream in streams], rates.pop()
    audio = {number: np.empty((d.channels, d.frames or 0), np.float32) for number, d in descriptions.items()}
    filled = dict.fromkeys(audio, 0)
    for number, piece in media.decode_streams(path, descriptions):
        audio[number][:, filled[number] : filled[number] + piece.shape[1]] = piece
        filled[number] += piece.shape[1]
    for number, description in descriptions.items():
        if filled[number] < audio[number].shape[1]:
            audio[number] = audio[number][:, : filled[number]].copy()
        _refuse_not_finite(path, audio[number], 0, description)
    return list(audio.values()), rates.pop()


def blocks(
    path: str | os.PathLike[str],
    block_seconds: float = 10.0,
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
    *,
    stream: int = 0,
) -> Iterator[np.ndarray]:
    """Read a file block by block, in constant memory.

    The header is read at the call; the samples while iterating.

    Args:
        path: the file.
        block_seconds: length of a block; the last one may be shorter.
        start_seconds: where to begin, rounded to the nearest sample.
        duration_seconds: how much; to the end if not given.
        stream: which audio stream, for containers with several.

    Returns:
        An iterator over ``float32 [C, t]``.

    Raises:
        As :func:`read`; a file that breaks off raises when the break is reached, unless its header shows it.
    """
    path = Path(path)
    if not math.isfinite(block_seconds) or block_seconds <= 0.0:
        raise UsageError(f"block_seconds must be a positive time, not {block_seconds!r}")
    decoder, description, start, wanted = _prepare(path, start_seconds, duration_seconds, stream)
    block = _frames(block_seconds, description)
    return _checked_blocks(path, decoder, description, stream, start, wanted, block)


def _frames(seconds: float, description: Description) -> int:
    return max(1, round(seconds * description.sample_rate))


def _prepare(
    path: Path, start_seconds: float, duration_seconds: float | None, stream: int
) -> tuple[Decoder, Description, int, int | None]:
    if not math.isfinite(start_seconds) or start_seconds < 0.0:
        raise UsageError(f"start_seconds must be zero or more, not {start_seconds!r}")
    if duration_seconds is not None and (not math.isfinite(duration_seconds) or duration_seconds <= 0.0):
        raise UsageError(f"duration_seconds must be a positive time, not {duration_seconds!r}")
    decoder = _decoder(path)
    description = decoder.describe(path, stream)
    start = round(start_seconds * description.sample_rate)
    if description.frames is not None and start >= description.frames:
        _raise_nothing(path, start, description, description.frames)
    wanted = None if duration_seconds is None else _frames(duration_seconds, description)
    if wanted is not None and description.frames is not None:
        wanted = min(wanted, description.frames - start)
    return decoder, description, start, wanted


def _checked_blocks(
    path: Path,
    decoder: Decoder,
    description: Description,
    stream: int,
    start: int,
    wanted: int | None,
    block: int,
) -> Iterator[np.ndarray]:
    """Decode, and refuse NaN and an empty result."""
    position = start
    for piece in decoder.decode(path, description, stream, start, wanted, block):
        _refuse_not_finite(path, piece, position, description)
        position += piece.shape[1]
        yield piece
    if position == start:
        _raise_nothing(path, start, description, None)


def _refuse_not_finite(path: Path, piece: np.ndarray, position: int, description: Description) -> None:
    finite = np.isfinite(piece)
    if not finite.all():
        seconds = (position + int(np.argmin(finite.all(axis=0)))) / description.sample_rate
        raise AudioNotFiniteError(
            path, f"it has NaN or infinite samples, the first at {seconds:.3f} seconds; export it again"
        )


def _raise_nothing(path: Path, start: int, description: Description, frames: int | None) -> None:
    if start == 0:
        raise AudioEmptyError(path, "it has no samples; export it again")
    rate = description.sample_rate
    length = "" if frames is None else f" (it is {frames / rate:.3f} seconds long)"
    raise AudioEmptyError(path, f"there is nothing from {start / rate:.3f} seconds on{length}")


def _decoder(path: Path) -> Decoder:
    """Check that there is a file with something in it, and choose who decodes it.

    libsndfile calls a missing file a "System error" and an empty one "not recognised", so this comes first.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioMissingError(path, "it is a folder, not an audio file")
        if not stat.S_ISREG(status.st_mode):
            raise AudioMissingError(path, "it is not a regular file; copy it to one first")
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise AudioMissingError(path, "there is no such file; check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        reason = getattr(error, "strerror", None) or error
        raise AudioMissingError(path, f"it cannot be opened ({reason}); check path and permissions") from None
    if not head:
        raise AudioEmptyError(path, "the file is empty (0 bytes); copy or export it again")
    return media if media.recognises(head) or path.suffix.lower() in media.SUFFIXES else sndfile
