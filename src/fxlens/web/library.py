"""The sound of what a search has found: files that the server itself has named, and no others."""

from __future__ import annotations

import base64
import hmac
import secrets
import tempfile
from pathlib import Path

import numpy as np

from fxlens.audio import io
from fxlens.web.refusals import UnknownError

_PLAYED_BY_BROWSERS = frozenset({".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".mp4", ".webm"})
LONGEST_EXCERPT_SECONDS = 60.0


class Library:
    """Addresses of files. An address holds the path, sealed with a key of this server alone."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def address(self, path: str) -> str:
        """The address under which a file can be heard."""
        return f"/v1/recordings/{self._sealed(path)}"

    def path(self, token: str) -> Path:
        """The file of an address.

        Raises:
            UnknownError: this server has given out no such address, or the file is there no more.
        """
        text, _, _ = token.partition(".")
        try:
            path = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "surrogateescape")
        except ValueError:
            path = ""
        if not hmac.compare_digest(token.encode(), self._sealed(path).encode()):
            raise UnknownError("there is no such recording; search again")
        if not Path(path).is_file():
            raise UnknownError(f"{path}: the file is there no more; add the library to the index again")
        return Path(path)

    def _sealed(self, path: str) -> str:
        data = path.encode("utf-8", "surrogateescape")
        seal = hmac.new(self._key, data, "sha256").hexdigest()[:32]
        return f"{base64.urlsafe_b64encode(data).decode().rstrip('=')}.{seal}"


def played_by_browsers(path: str) -> bool:
    """Whether a browser can play the file as it is, going by its name."""
    return Path(path).suffix.lower() in _PLAYED_BY_BROWSERS


def excerpt(path: Path, start_seconds: float, seconds: float, folder: Path) -> bytes:
    """A part of a file as 16-bit wav.

    Args:
        path: any file that fxlens reads.
        start_seconds: where it begins.
        seconds: how much, 60 at most.
        folder: where it may be written meanwhile.

    Raises:
        AudioError, UsageError: as :func:`fxlens.audio.io.read`.
        OutputError: the disk is full.
    """
    audio, rate = io.read(path, start_seconds, min(seconds, LONGEST_EXCERPT_SECONDS))
    with tempfile.TemporaryDirectory(dir=folder) as own:
        written = Path(own) / "excerpt.wav"
        io.write(written, np.clip(audio, -1.0, 1.0), rate, "PCM_16")
        return written.read_bytes()
