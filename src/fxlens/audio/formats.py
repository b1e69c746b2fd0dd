"""Which audio files can be written, and what to say when one cannot."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import soundfile

from fxlens.errors import UsageError

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
BYTES_PER_SAMPLE = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
LARGEST_WAV = 2**32 - 2**16
BLOCK_FRAMES = 65_536  # libsndfile's Vorbis encoder overflows its stack when it is given minutes at once


def format_of(path: Path, subtype: str | None) -> tuple[str, str]:
    """Format and sample format of a file, by its suffix.

    Raises:
        UsageError: an unknown suffix, or a sample format that the format does not have.
    """
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{path}: cannot write {path.suffix or 'a file without suffix'}; use {', '.join(_FORMATS)}")
    kind, default = _FORMATS[path.suffix.lower()]
    subtype = (subtype or default).upper()
    if not soundfile.check_format(kind, subtype):
        known = ", ".join(soundfile.available_subtypes(kind))
        raise UsageError(f"{path}: {kind} has no subtype {subtype}; it has {known}")
    return kind, subtype


def can_write(path: str | os.PathLike[str], subtype: str | None = None) -> bool:
    """Whether the suffix of a path is that of a format that can be written, with this sample format."""
    try:
        format_of(Path(path), subtype)
    except UsageError:
        return False
    return True


def next_step(folder: Path, size: int) -> str:
    """What to do when ``size`` bytes could not be written into a folder."""
    if not os.access(folder, os.W_OK):
        return f"the folder {folder} is read-only: choose another one"
    free = shutil.disk_usage(folder).free
    if free < size:
        return f"the disk is full: {size / 1e6:.1f} MB are needed in {folder} and {free / 1e6:.1f} MB are free"
    return f"check permissions and free space of {folder}"
