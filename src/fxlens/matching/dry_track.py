"""The dry track: its level, and the excerpts on which the settings are searched."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from fxlens.audio import io
from fxlens.audio.loudness import integrated_loudness
from fxlens.audio.waveform import resample, to_waveform
from fxlens.errors import AudioSilentError, UsageError

WORKING_LUFS = -18.0
"""Loudness at which a chain works, so that its thresholds mean the same for every track."""

_QUIETEST_LUFS = -60.0


@dataclass(frozen=True)
class DryTrack:
    """A track to be processed.

    Attributes:
        audio: ``float32 [2, T]`` as it was given.
        sample_rate: Hz.
        lufs: integrated loudness of all of it.
        name: what to call it.
    """

    audio: np.ndarray
    sample_rate: int
    lufs: float
    name: str

    @property
    def gain_db(self) -> float:
        """What brings it to the level at which the chain works."""
        return WORKING_LUFS - self.lufs

    def excerpts(self, seconds: float, count: int, rate: int) -> np.ndarray:
        """The most typical places, at the working level: those whose loudness is nearest to that of the whole.

        Args:
            seconds: length of each; a shorter track is one excerpt of its own length.
            count: how many at most; they do not overlap.
            rate: Hz of the result.

        Returns:
            ``float32 [W, 2, T]``, in the order of time.
        """
        length = min(round(seconds * self.sample_rate), self.audio.shape[1])
        starts = list(range(0, self.audio.shape[1] - length + 1, max(length // 2, 1)))
        away = [abs(self._lufs(start, length) - self.lufs) for start in starts]
        chosen: list[int] = []
        for index in np.argsort(away, kind="stable"):
            apart = all(abs(starts[index] - start) >= length for start in chosen)
            if apart and len(chosen) < count and (not chosen or np.isfinite(away[index])):
                chosen.append(starts[index])
        gain = np.float32(10.0 ** (self.gain_db / 20.0))
        cut = [
            resample(self.audio[:, start : start + length] * gain, self.sample_rate, rate) for start in sorted(chosen)
        ]
        return np.stack(cut).astype(np.float32)

    def _lufs(self, start: int, length: int) -> float:
        return float(integrated_loudness(self.audio[:, start : start + length], self.sample_rate))


def dry_track(source: str | Path | np.ndarray | Tensor, sample_rate: int | None) -> DryTrack:
    """Read a track, or take it from memory; mono is duplicated with a warning.

    Args:
        source: a path, or samples ``[T]``, ``[1, T]`` or ``[2, T]``.
        sample_rate: Hz of samples; a file knows its own.

    Raises:
        AudioError: it cannot be used; AudioSilentError: all of it is below -60 LUFS.
        UsageError: samples without a rate.
    """
    name = "dry audio"
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        sample_rate = io.probe(source, exact=False).sample_rate
    if sample_rate is None:
        raise UsageError("samples need their sample_rate; only a file knows its own")
    audio = to_waveform(source, sample_rate, sample_rate, name)
    lufs = float(integrated_loudness(audio, sample_rate))
    if not lufs >= _QUIETEST_LUFS:
        raise AudioSilentError(name, f"at {lufs:.0f} LUFS there is nothing to process; raise its level first")
    return DryTrack(audio, sample_rate, lufs, name)
