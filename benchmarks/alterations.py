"""What happens to a recording on its way, as a wrapper of systems: they hear the altered clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from fxlens.audio.waveform import resample
from fxlens.data.codecs import through_codec
from fxlens.evaluation.systems.registry import open_system
from fxlens.evaluation.systems.system import FittedSystem, System

Alter = Callable[[np.ndarray, int], tuple[np.ndarray, int]]
"""``float32 [2, T]`` and its rate in Hz, to another clip at perhaps another rate."""

SEPARATOR = "|"


@dataclass(frozen=True)
class Alteration:
    """One thing that happens.

    Args:
        told: for tables.
        alter: does it.
    """

    told: str
    alter: Alter


def _codec(name: str, clip: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
    return through_codec(clip, sample_rate, name), sample_rate


def _level(gain_db: float, clip: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
    return clip * np.float32(10.0 ** (gain_db / 20.0)), sample_rate


def _clipped(gain_db: float, clip: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
    return np.clip(_level(gain_db, clip, sample_rate)[0], -1.0, 1.0), sample_rate


def _at_rate(rate: int, clip: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
    return np.ascontiguousarray(resample(clip, sample_rate, rate), dtype=np.float32), rate


def _mono(clip: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
    return np.repeat(clip.mean(axis=0, keepdims=True), 2, axis=0), sample_rate


def _middle(seconds: float, clip: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
    length = min(round(seconds * sample_rate), clip.shape[1])
    start = (clip.shape[1] - length) // 2
    return np.ascontiguousarray(clip[:, start : start + length]), sample_rate


ALTERATIONS: Mapping[str, Alteration] = {
    "mp3-128": Alteration("mp3 at 128 kbit/s", partial(_codec, "mp3-128")),
    "ogg-q3": Alteration("Ogg Vorbis, quality 3", partial(_codec, "ogg-112")),
    "quieter": Alteration("12 dB quieter", partial(_level, -12.0)),
    "clipped": Alteration("10 dB louder, clipped at full scale", partial(_clipped, 10.0)),
    "48k": Alteration("sample rate of 48 kHz", partial(_at_rate, 48_000)),
    "22k": Alteration("sample rate of 22.05 kHz", partial(_at_rate, 22_050)),
    "mono": Alteration("mono", _mono),
    "3s": Alteration("its middle 3 seconds", partial(_middle, 3.0)),
}


class AlteredSystem(System):
    """A system that hears every clip altered.

    Args:
        inner: the system.
        name: one of ``ALTERATIONS``.
    """

    def __init__(self, inner: System, name: str) -> None:
        self.inner, self.alteration = inner, name
        self.name, self.licence = inner.name, inner.licence
        self.identity = f"{inner.identity} after {name}"

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        alter = ALTERATIONS[self.alteration].alter
        heard = [alter(clip, sample_rate) for clip in clips]
        return self.inner.embed(np.stack([clip for clip, _ in heard]).astype(np.float32), heard[0][1])


class AlteredFittedSystem(AlteredSystem, FittedSystem):
    """The same of a system that learns from pairs first: from unaltered ones."""

    def fit(self, first: np.ndarray, second: np.ndarray, sample_rate: int) -> None:
        assert isinstance(self.inner, FittedSystem)
        self.inner.fit(first, second, sample_rate)
        self.identity = f"{self.inner.identity} after {self.alteration}"


def altered(spec: str, name: str) -> str:
    """Spec of a system behind an alteration, for :func:`open_altered`."""
    return f"{name}{SEPARATOR}{spec}"


def open_altered(spec: str, device: str) -> System:
    """Open ``ALTERATION|SPEC``, or a plain spec."""
    name, bar, rest = spec.partition(SEPARATOR)
    if not bar:
        return open_system(spec, device)
    inner = open_system(rest, device)
    return AlteredFittedSystem(inner, name) if isinstance(inner, FittedSystem) else AlteredSystem(inner, name)
