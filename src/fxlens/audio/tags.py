"""The texts that a file carries beside its samples: title, artist and their like."""

from __future__ import annotations

import os
from pathlib import Path

import soundfile

from fxlens.audio import media
from fxlens.audio.quiet import without_decoder_notes


def read_tags(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the tags that libsndfile knows.

    Args:
        path: an audio file.

    Returns:
        Those of title, artist, album, tracknumber, date, genre, comment, copyright, license and software that
        the file has. None of containers that libsndfile does not read (m4a, webm), nor of files that are not
        audio.
    """
    path = Path(path)
    if path.suffix.lower() in media.SUFFIXES:
        return {}
    try:
        # libmpg123 has its say of damaged files here as well.
        with without_decoder_notes(), soundfile.SoundFile(path) as file:
            tags = file.copy_metadata()
    except (OSError, TypeError, soundfile.SoundFileError):
        return {}
    return {name: text for name, text in tags.items() if text.strip()}
