"""The dry track: its level, and the excerpts on which the settings are searched. A file is never held as a whole."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from fxlens.audio import io
from fxlens.audio.loudness import LOWEST_SAMPLE_RATE
from fxlens.audio.waveform import MonoWarning, as_stereo, resample, to_waveform
from fxlens.effects.streaming_file import BLOCK_FRAMES
from fxlens.errors import AudioDecodeError, AudioSilentError, UsageError
from fxlens.matching.loudness_meter import LoudnessMeter

WORKING_LUFS = -18.0
"""Loudness at which a chain works, so that its thresholds mean the same for every track."""

_QUIETEST_LUFS = -60.0


@dataclass(frozen=True)
class DryTrack:
    """A track to be processed.

    Attributes:
        source: the file, or ``float32 [2, T]``.
        sample_rate: Hz.
        meter: has heard all of it.
        name: what to call it.
    """

    source: Path | np.ndarray
    sample_rate: int
    meter: LoudnessMeter
    name: str

    @property
    def lufs(self) -> float:
        """Integrated loudness of all of it."""
        return self.meter.lufs()

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.meter.frames / self.sample_rate

    @property
    def gain_db(self) -> float:
        """What brings it to the level at which the chain works."""
        return WORKING_LUFS - self.lufs

    def blocks(self) -> Iterator[np.ndarray]:
        """Read it from the start: ``float32 [2, t]``."""
        return blocks_of(self.source, self.sample_rate)

    def part(self, start_seconds: float, seconds: float) -> np.ndarray:
        """``float32 [2, t]`` of it."""
        if isinstance(self.source, Path):
            audio, _ = io.read(self.source, start_seconds, seconds)
            return np.repeat(audio, 2, axis=0) if audio.shape[0] == 1 else audio
        start = round(start_seconds * self.sample_rate)
        return self.source[:, start : start + round(seconds * self.sample_rate)]

    def excerpts(self, seconds: float, count: int, rate: int) -> np.ndarray:
        """The most typical places, at the working level: those whose loudness is nearest to that of the whole.

        Args:
            seconds: length of each; a shorter track is one excerpt of its own length.
            count: how many at most; they do not overlap.
            rate: Hz of the result.

        Returns:
            ``float32 [W, 2, T]``, in the order of time.
        """
        gain = np.float32(10.0 ** (self.gain_db / 20.0))
        starts = self._typical(seconds, count) if seconds < self.seconds else [0.0]
        cut = [resample(self.part(start, seconds) * gain, self.sample_rate, rate) for start in starts]
        shortest = min(clip.shape[1] for clip in cut)  # a sample more or less: times are rounded to samples
        return np.stack([clip[:, :shortest] for clip in cut]).astype(np.float32)

    def _typical(self, seconds: float, count: int) -> list[float]:
        step = max(round(5.0 * seconds) / 10.0, 0.1)  # half an excerpt, on the meter's grid
        starts = np.arange(0.0, self.seconds - seconds + 1e-6, step)
        whole = self.lufs
        away = [abs(self.meter.lufs_of(start, seconds) - whole) for start in starts]
        chosen: list[float] = []
        for index in np.argsort(away, kind="stable"):
            start = float(starts[index])
            apart = all(abs(start - other) >= seconds for other in chosen)
            if apart and len(chosen) < count and (not chosen or np.isfinite(away[index])):
                chosen.append(start)
        return sorted(chosen)


def dry_track(source: str | Path | np.ndarray | Tensor, sample_rate: int | None) -> DryTrack:
    """Listen to a track once; mono is duplicated with a warning.

    Args:
        source: a path, or samples ``[T]``, ``[1, T]`` or ``[2, T]``.
        sample_rate: Hz of samples; a file knows its own.

    Raises:
        AudioError: it cannot be used; AudioSilentError: all of it is below -60 LUFS.
        UsageError: samples without a rate, or a rate at which loudness cannot be measured.
    """
    track = heard_track(source, sample_rate, "dry audio")
    if not track.lufs >= _QUIETEST_LUFS:
        raise AudioSilentError(
            track.name, f"at {track.lufs:.0f} LUFS there is nothing to process; raise its level first"
        )
    return track


def heard_track(source: str | Path | np.ndarray | Tensor, sample_rate: int | None, name: str) -> DryTrack:
    """:func:`dry_track` without a limit to how quiet it may be.

    Args:
        source: see there.
        sample_rate: see there.
        name: what to call samples in messages.
    """
    if isinstance(source, str | os.PathLike):
        place = Path(source)
        info = io.probe(place, exact=False)
        if info.sample_rate < LOWEST_SAMPLE_RATE:
            raise AudioDecodeError(
                place, f"its loudness cannot be measured at {info.sample_rate} Hz; resample it first"
            )
        # A few samples stand in for all: one warning for mono, one error for surround.
        as_stereo(np.zeros((info.channels, 8), np.float32), place)
        track = DryTrack(place, info.sample_rate, LoudnessMeter(info.sample_rate), os.fspath(source))
    else:
        if sample_rate is None:
            raise UsageError("samples need their sample_rate; only a file knows its own")
        audio = to_waveform(source, sample_rate, sample_rate, name)
        track = DryTrack(audio, sample_rate, LoudnessMeter(sample_rate), name)
    for block in track.blocks():
        track.meter.add(block)
    return track


def blocks_of(source: Path | np.ndarray, sample_rate: int) -> Iterator[np.ndarray]:
    """Read a file or an array in stereo blocks: ``float32 [2, t]``."""
    if isinstance(source, Path):
        for block in io.blocks(source, BLOCK_FRAMES / sample_rate):
            yield np.repeat(block, 2, axis=0) if block.shape[0] == 1 else block
        return
    for start in range(0, source.shape[1], BLOCK_FRAMES):
        yield source[:, start : start + BLOCK_FRAMES]


@contextmanager
def mono_was_said() -> Iterator[None]:
    """Read a file once more without warning of its one channel once more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MonoWarning)
        yield
