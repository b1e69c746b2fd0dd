"""Recordings that people give by mistake, and some that only look like one: what they are, and what must come of them.

Every door (command line, Python, HTTP) is tried with all of them; docs/bad-input.md is written from the same list.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from fxlens.errors import (
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
    AudioMissingError,
    AudioNotFiniteError,
    AudioSilentError,
)

sys.path.append(str(Path(__file__).parents[1] / "web"))  # tiny_serving: a model with heads, small enough for tests

RATE = 8000
"""Of the model that the tests use."""


def noise(seconds: float, rate: int = RATE, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Noise at a music-like level, ``[T, C]``."""
    return 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * rate), channels))


def write(path: Path, audio: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, audio, rate, subtype=subtype)
    return path


def _with_nan(folder: Path) -> Path:
    audio = noise(2.0)
    audio[RATE] = np.nan
    return write(folder / "nan.wav", audio, subtype="FLOAT")


def _text(folder: Path) -> Path:
    (folder / "text.wav").write_text("no sound, but words\n" * 40)
    return folder / "text.wav"


def _truncated(folder: Path) -> Path:
    path = write(folder / "truncated.wav", noise(2.0))
    path.write_bytes(path.read_bytes()[:20_000])
    return path


def _empty(folder: Path) -> Path:
    (folder / "empty.wav").touch()
    return folder / "empty.wav"


@dataclass(frozen=True)
class Case:
    """A file, and what becomes of it.

    Args:
        name: as the page calls it.
        make: writes it into a folder.
        error: what refuses it; ``None`` where it is taken.
        message: in the message, as a regular expression.
        silence: whether it is refused only by who has to hear something: effects can be applied to it.
        doubtful: whether a match to it may be refused: it is too short for its loudness to be measured.
        becomes: what is made of it where it is taken.
    """

    name: str
    make: Callable[[Path], Path]
    error: type[AudioError] | None = None
    message: str = ""
    silence: bool = False
    doubtful: bool = False
    becomes: str = ""

    @property
    def slug(self) -> str:
        """For the names of tests."""
        return re.sub(r"\W+", "-", self.name)


CASES: tuple[Case, ...] = (
    Case("no such file", lambda folder: folder / "missing.wav", AudioMissingError, "there is no such file"),
    Case("empty file (0 bytes)", _empty, AudioEmptyError, r"the file is empty \(0 bytes\)"),
    Case("wav without samples", lambda f: write(f / "none.wav", np.zeros((0, 2))), AudioEmptyError, "no samples"),
    Case(
        "silence", lambda f: write(f / "silent.wav", np.zeros((2 * RATE, 2))), AudioSilentError,
        "nothing in it is louder than|there is nothing to process", silence=True,
    ),
    Case("NaN samples", _with_nan, AudioNotFiniteError, r"NaN or infinite samples, the first at 1\.000 seconds"),
    Case("text named .wav", _text, AudioDecodeError, "it is not audio that can be decoded here"),
    Case("cut off in the middle", _truncated, AudioDecodeError, r"breaks off after 0\.6 of 2\.0 seconds"),
    Case(
        "mono", lambda f: write(f / "mono.wav", noise(2.0, channels=1)),
        becomes="both channels get the same; one warning says that nothing can be heard of a stereo image",
    ),
    Case(
        "8 kHz", lambda f: write(f / "8k.wav", noise(2.0)),
        becomes="resampled; above half its rate there is nothing to hear, which HTTP answers and the page note",
    ),
    Case("192 kHz", lambda f: write(f / "192k.wav", noise(2.0, 192_000), 192_000), becomes="resampled"),
    Case(
        "one sample", lambda f: write(f / "one.wav", np.full((1, 2), 0.5)), doubtful=True,
        becomes="embedded as one window that is otherwise silent; processed and matched like any other",
    ),
    Case(
        "name in any script", lambda f: write(f / "Stück №7 音楽 🎛.wav", noise(2.0, seed=1)),
        becomes="like any other; the name comes back as it was given",
    ),
)  # fmt: skip
BAD = tuple(case for case in CASES if case.error is not None)
GOOD = tuple(case for case in CASES if case.error is None)


def told(message: str, path: Path, case: Case) -> None:
    """A message names the file, says what is wrong, and what to do."""
    assert path.name in message, message
    assert re.search(case.message, message), message
    assert ";" in message or case.silence, f"no next step: {message}"


def left(folder: Path) -> list[str]:
    """Everything in a folder, at any depth."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
