"""Uploads as recordings: checked from the first sample to the last, and called by their senders' names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fxlens.audio import io
from fxlens.audio.checks import check_rate
from fxlens.errors import AudioChannelsError, AudioDecodeError, AudioError, FxLensError, UsageError
from fxlens.web.forms import Upload
from fxlens.web.refusals import TooLongError

_BLOCK_SECONDS = 30.0


@dataclass(frozen=True)
class Recording:
    """A file that can be listened to.

    Args:
        path: where it lies.
        name: what the sender calls it.
        seconds: its length.
        sample_rate: Hz.
        channels: one or two.
    """

    path: Path
    name: str
    seconds: float
    sample_rate: int
    channels: int

    @property
    def notes(self) -> list[str]:
        """What limits what can be said about it."""
        notes = []
        if self.channels == 1:
            notes.append("mono: nothing can be heard of its stereo image")
        if self.sample_rate < 32_000:
            notes.append(f"at {self.sample_rate} Hz nothing can be heard above {self.sample_rate / 2000:g} kHz")
        return notes

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "seconds": round(self.seconds, 3),
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "notes": self.notes,
        }


def recording(upload: Upload, max_seconds: float) -> Recording:
    """Look at a file, then decode it once: a header that lies cannot get past the limit.

    Raises:
        TooLongError: it lasts longer than ``max_seconds``.
        AudioError: it cannot be used: not audio, broken off, empty, NaN, more than two channels.
    """
    with called_by_name([upload]):
        info = io.probe(upload.path, exact=False)
        if info.channels > 2:
            raise AudioChannelsError(upload.path, f"it has {info.channels} channels; mix it down to stereo first")
        try:
            check_rate(info.sample_rate, "the sample rate")
        except UsageError as error:
            raise AudioDecodeError(upload.path, f"{error}; resample it first") from None
        if info.duration_seconds > max_seconds:
            raise _too_long(upload, info.duration_seconds, max_seconds)
        blocks = io.blocks(upload.path, _BLOCK_SECONDS, 0.0, max_seconds + 1.0)
        seconds = sum(block.shape[1] for block in blocks) / info.sample_rate
        if seconds > max_seconds:
            raise _too_long(upload, None, max_seconds)
    return Recording(upload.path, upload.name, seconds, info.sample_rate, info.channels)


def _too_long(upload: Upload, seconds: float | None, limit: float) -> TooLongError:
    length = "" if seconds is None else f"{seconds / 60.0:.1f} minutes, "
    return TooLongError(
        f"{upload.name}: the recording lasts {length}longer than the {limit / 60.0:g} minutes that are taken; "
        "cut it, or raise --max-minutes"
    )


@contextmanager
def called_by_name(uploads: Iterable[Upload | Recording]) -> Iterator[None]:
    """Let errors name a file as its sender does, and never tell where it lies here."""
    names = {str(upload.path): upload.name for upload in uploads}
    try:
        yield
    except FxLensError as error:
        message = str(error)
        for path, name in names.items():
            message = message.replace(path, name)
            if isinstance(error, AudioError) and error.source == path:
                error.source = name
        error.args = (message,)
        raise
