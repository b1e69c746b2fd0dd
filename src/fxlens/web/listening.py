"""Recordings at one loudness, to be compared by ear: what is louder sounds better, whatever was done to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxlens.audio import io
from fxlens.audio.loudness import integrated_loudness

CEILING_DBFS = -1.0
LOUDEST_LUFS = -16.0
"""Above this nothing is raised: only level is at stake here, and ears are not to be strained."""


@dataclass(frozen=True)
class Listening:
    """Files to listen to.

    Args:
        lufs: integrated loudness of each of them.
        gains_db: what each was changed by.
        files: name -> 16-bit wav.
    """

    lufs: float
    gains_db: dict[str, float]
    files: dict[str, Path]


def equally_loud(sources: Mapping[str, Path], folder: Path) -> Listening:
    """Write copies at one loudness: the highest that none has to be limited for, -16 LUFS at most.

    Args:
        sources: name -> file with one or two channels; one after the other is held in memory.
        folder: where ``NAME.wav`` are written.

    Raises:
        AudioError: a file that cannot be read.
        OutputError: the disk is full.
    """
    levels = {name: _level(path) for name, path in sources.items()}
    target = min([LOUDEST_LUFS, *(lufs - peak_db + CEILING_DBFS for lufs, peak_db in levels.values())])
    files, gains = {}, {}
    for name, path in sources.items():
        audio, rate = io.read(path)
        gains[name] = target - levels[name][0] if math.isfinite(levels[name][0]) else 0.0
        files[name] = folder / f"{name}.wav"
        scaled = np.clip(_stereo(audio) * np.float32(10.0 ** (gains[name] / 20.0)), -1.0, 1.0)
        io.write(files[name], scaled, rate, "PCM_16")
    return Listening(target, gains, files)


def _level(path: Path) -> tuple[float, float]:
    """Integrated loudness and sample peak of what is heard: mono comes from both speakers."""
    audio, rate = io.read(path)
    lufs = float(integrated_loudness(_stereo(audio), rate))
    if not math.isfinite(lufs):  # silence: it can be as loud as anything
        return math.inf, 0.0
    return lufs, 20.0 * math.log10(max(float(np.abs(audio).max()), 1e-9))


def _stereo(audio: np.ndarray) -> np.ndarray:
    return np.repeat(audio, 2, axis=0) if audio.shape[0] == 1 else audio
