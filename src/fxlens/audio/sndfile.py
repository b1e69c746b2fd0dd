"""Decoding with libsndfile: wav, flac, ogg, opus, mp3, aiff and their relatives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import soundfile

from fxlens.audio import mp3, ogg
from fxlens.audio.decoder import TOLERATED_SECONDS, Description, broken_off, undecodable
from fxlens.audio.quiet import without_decoder_notes
from fxlens.errors import AudioDecodeError, AudioEmptyError

SUFFIXES = frozenset(
    {
        ".wav",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aiff",
        ".aif",
        ".aifc",
        ".w64",
        ".rf64",
        ".caf",
        ".au",
    }
)

_UNKNOWN_FRAMES = 1 << 62  # libsndfile reports the largest count there is for a FLAC without a length
_UNKNOWN_BYTES = 0x7FFF_0000  # what writers into a pipe leave in a RIFF header: 2 or 4 GiB, give or take
_LARGEST_VORBIS_BLOCK = 8192  # samples (Vorbis I, 4.2.2)
# libsndfile shortens a cut file silently, but its log of the header keeps both numbers.
_LOGGED_SIZE = re.compile(r"^\s*(?:data|SSND|riff|Riff size)\s*:\s*(\w+) \(should be (\d+)\)", re.MULTILINE)


def describe(path: Path, stream: int) -> Description:
    """Read the header (see :class:`fxlens.audio.decoder.Decoder`)."""
    if stream != 0:
        raise AudioDecodeError(path, f"it has one audio stream, there is no stream {stream}")
    with _opened(path) as file:
        rate, frames = file.samplerate, file.frames
        if file.format in ("WAV", "WAVEX", "AIFF", "RF64", "W64"):
            _check_promised_bytes(path, file)
        if file.format == "OGG" and ogg.read_end(path).is_cut:
            raise broken_off(path, frames / rate, None, "the last Ogg page is cut")
        unknown = frames >= _UNKNOWN_FRAMES or (file.format == "MP3" and not mp3.tells_length(path))
        if frames == 0:
            raise AudioEmptyError(path, "its header says that there are no samples; export it again")
        return Description(
            sample_rate=rate,
            channels=file.channels,
            frames=None if unknown else frames,
            estimated_frames=0 if frames >= _UNKNOWN_FRAMES else frames,
            format=file.format,
            subtype=file.subtype,
        )


def decode(
    path: Path, description: Description, stream: int, start: int, frames: int | None, block: int
) -> Iterator[np.ndarray]:
    """Yield blocks (see :class:`fxlens.audio.decoder.Decoder`)."""
    rate, promised = description.sample_rate, description.frames
    position = start
    end = None if frames is None else start + frames
    of_seconds = None if promised is None else promised / rate
    mpeg = description.format == "MP3"
    reason = ""
    with _opened(path) as file:
        sought = _seek(path, file, start, mpeg)
        while sought and (end is None or position < end):
            wanted = block if end is None else min(block, end - position)
            samples, reason = _read(file, wanted, mpeg)
            if samples.shape[1]:
                position += samples.shape[1]
                yield samples
            if samples.shape[1] < wanted or reason:
                break
        else:
            if sought:
                return
    if promised is None:
        # Without a length in the header, FLAC ends in an error of libsndfile's after the last sample.
        if reason and description.format != "FLAC":
            raise broken_off(path, position / rate, None, reason)
        return
    if promised - position > TOLERATED_SECONDS * rate:
        if position == start > 0:  # the break is somewhere before: find it on the way there
            for _ in decode(path, description, stream, 0, start, block):
                pass
        raise broken_off(path, position / rate, of_seconds, reason)


def _seek(path: Path, file: soundfile.SoundFile, start: int, mpeg: bool) -> bool:
    """Go to a frame; False if the file ends before it."""
    if start == 0:
        return True
    landing = start
    if file.format == "OGG" and file.subtype == "VORBIS":
        # libsndfile counts back from the end of the last page as if its padding were there, and lands behind
        # the frame that was asked for by as much. From the page before it reads on correctly.
        safe = ogg.read_end(path).last_page_frame - _LARGEST_VORBIS_BLOCK
        landing = min(start, max(0, safe))
    try:
        with without_decoder_notes(mpeg):
            if file.seek(landing) != landing:
                return False
    except soundfile.SoundFileError:
        return False
    while landing < start:
        samples, reason = _read(file, min(start - landing, 65_536), mpeg)
        if reason or not samples.shape[1]:
            return False
        landing += samples.shape[1]
    return True


def _read(file: soundfile.SoundFile, wanted: int, mpeg: bool) -> tuple[np.ndarray, str]:
    """Read up to ``wanted`` frames as ``[C, t]``, and say why there are fewer where that is known."""
    buffer = np.empty((wanted, file.channels), np.float32)
    flac = file.format == "FLAC"
    if flac:  # it cannot hold NaN: after an error they mark where the decoded samples end
        buffer[:, 0] = np.nan
    reason = ""
    try:
        with without_decoder_notes(mpeg):
            got = len(file.read(out=buffer, dtype="float32", always_2d=True))
    except soundfile.SoundFileError as error:
        reason = _text(error) or "decoder error"
        missing = np.isnan(buffer[:, 0]) if flac else np.ones(wanted, bool)
        got = int(missing.argmax()) if missing.any() else wanted
    return np.ascontiguousarray(buffer[:got].T), reason


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    with ExitStack() as stack:
        source: Path | mp3.FileWithLength = path
        mpeg = _may_be_mpeg(path)
        if mpeg and not mp3.tells_length(path):
            first, count = mp3.count_frames(path)
            if count:
                source = stack.enter_context(closing(mp3.FileWithLength(path, first, count)))
        try:
            with without_decoder_notes(mpeg):
                file = soundfile.SoundFile(source)
        except (soundfile.SoundFileError, TypeError) as error:  # TypeError: a .raw file has no header
            raise undecodable(path, _text(error)) from None
        yield stack.enter_context(file)


def _text(error: Exception) -> str:
    """What went wrong, without the path that soundfile puts in front of it."""
    text = str(getattr(error, "error_string", error)).strip().rstrip(".").removeprefix("Error : ")
    # What libsndfile says when libmpg123 finds no frame; the file is there, that was checked.
    return "" if text.startswith("File does not exist") else text


def _may_be_mpeg(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(3)
    return path.suffix.lower() == ".mp3" or head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


def _check_promised_bytes(path: Path, file: soundfile.SoundFile) -> None:
    for promised_text, present_text in _LOGGED_SIZE.findall(file.extra_info):
        promised, present = int(promised_text, 0), int(present_text)
        if not 0 < present < promised or (promised >= _UNKNOWN_BYTES and file.format in ("WAV", "WAVEX", "AIFF")):
            continue
        seconds = file.frames / file.samplerate
        of_seconds = seconds * promised / present
        if of_seconds - seconds > TOLERATED_SECONDS:
            raise broken_off(path, seconds, of_seconds)
