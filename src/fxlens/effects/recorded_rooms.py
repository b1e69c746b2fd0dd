"""Folders of recorded rooms: impulse responses as people have them, mono or stereo, of any rate, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from fxlens.audio import io
from fxlens.effects.fractional_pulse import delayed
from fxlens.effects.impulse_responses import prepare_response
from fxlens.errors import DataError

RECORDED_SUFFIXES = frozenset({".wav", ".flac", ".aif", ".aiff", ".ogg"})


class RecordedRooms:
    """The recorded responses of a folder, read when they are first asked for.

    Args:
        folder: where they are.
        names: paths below it, with ``/``, e.g. ``"halls/stage left.wav"``.
    """

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self.folder, self.names = folder, names

    def __len__(self) -> int:
        return len(self.names)

    def path(self, name: str) -> Path:
        """Return the file of a room.

        Args:
            name: one of ``names``, with or without its suffix, or only its file name: ``"halls/stage left.wav"``,
                ``"halls/stage left"``, ``"stage left"``.

        Raises:
            DataError: there is no such room, or there are several.
        """
        if name in self.names:
            return self.folder / name
        ways: tuple[Callable[[PurePosixPath], str], ...] = (
            lambda path: path.with_suffix("").as_posix(),
            lambda path: path.name,
            lambda path: path.stem,
        )
        for way in ways:
            found = [known for known in self.names if way(PurePosixPath(known)) == name]
            if len(found) > 1:
                raise DataError(f"{self.folder}: {name!r} may be {', '.join(found)}; give the whole name")
            if found:
                return self.folder / found[0]
        raise DataError(
            f"{self.folder}: no impulse response {name!r}; there are {len(self.names)}, "
            f"e.g. {', '.join(self.names[:3])}"
        )

    def response(self, name: str, sample_rate: int) -> np.ndarray:
        """Return one response, ready for :func:`fxlens.effects.impulse_responses.convolve`.

        It begins with the direct sound, lasts 6 s at most and has unit energy for pink noise, on average
        over its channels, so that a balance between them stays. A mono recording serves both channels.

        Args:
            name: as for :meth:`path`.
            sample_rate: Hz, whatever that of the recording.

        Returns:
            ``float64 [2, N]``, read-only (the last few are cached).

        Raises:
            DataError: there is no response of that name.
            AudioError: the file cannot be used; the message says why.
        """
        return recorded_response(self.path(name), 0.0, int(sample_rate))


def load_folder(path: str | Path) -> RecordedRooms:
    """Find the impulse responses in a folder and those below it: mono or stereo, any rate.

    Raises:
        DataError: the folder is not there or has none.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"{folder}: not a folder; give the folder that has the impulse responses")
    files = (f for f in folder.rglob("*") if f.is_file() and f.suffix.lower() in RECORDED_SUFFIXES)
    names = tuple(sorted(f.relative_to(folder).as_posix() for f in files if not f.name.startswith(".")))
    if not names:
        endings = ", ".join(sorted(RECORDED_SUFFIXES))
        raise DataError(f"{folder}: no impulse responses; add files ending in {endings}")
    return RecordedRooms(folder, names)


def recorded_response(path: Path, predelay_ms: float, sample_rate: int) -> np.ndarray:
    """Read a response as :meth:`RecordedRooms.response` returns it, after a pre-delay.

    Args:
        path: the recording.
        predelay_ms: silence before its direct sound, 0 or more, in fractions of a sample if need be.
        sample_rate: Hz.

    Raises:
        AudioError: the file cannot be used; the message says why.
    """
    return _later(path, predelay_ms, sample_rate) if predelay_ms else _read(path, sample_rate)


@lru_cache(maxsize=64)
def _read(path: Path, sample_rate: int) -> np.ndarray:
    samples, rate = io.read(path)
    response = prepare_response(np.asarray(samples, dtype=np.float64), int(rate), sample_rate, str(path))
    response.flags.writeable = False
    return response


@lru_cache(maxsize=8)
def _later(path: Path, predelay_ms: float, sample_rate: int) -> np.ndarray:
    response = delayed(_read(path, sample_rate), predelay_ms * 1e-3 * sample_rate)
    response.flags.writeable = False
    return response
