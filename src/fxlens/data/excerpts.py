"""Excerpts: which seconds of a stem to use, and their audio. Drawing is separate from loading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxlens.audio import waveform
from fxlens.data.multitrack import Stem
from fxlens.data.stem_audio import read_stem
from fxlens.errors import AudioDecodeError, UsageError

MINIMUM_ACTIVE_SHARE = 0.6
_STEP_SECONDS = 0.1  # excerpts start on this grid


@dataclass(frozen=True)
class Excerpt:
    """Some seconds of one stem."""

    stem: Stem
    start_seconds: float
    seconds: float

    @property
    def end_seconds(self) -> float:
        """Where it ends; beyond the stem's end for a stem that is shorter than its excerpt."""
        return self.start_seconds + self.seconds


def active_share(stem: Stem, start_seconds: float | np.ndarray, seconds: float) -> np.ndarray:
    """Share 0-1 of an excerpt in which the stem sounds; for one start or an array of starts."""
    start = np.asarray(start_seconds, dtype=np.float64)
    total = np.zeros_like(start)
    for begin, end in stem.active:
        total += np.clip(np.minimum(start + seconds, end) - np.maximum(start, begin), 0.0, None)
    return total / seconds


def overlap_seconds(first: Excerpt, second: Excerpt) -> float:
    """Seconds that two excerpts share; 0 for excerpts of different stems."""
    if first.stem.sha256 != second.stem.sha256:
        return 0.0
    shared = min(first.end_seconds, second.end_seconds) - max(first.start_seconds, second.start_seconds)
    return max(shared, 0.0)


def draw_excerpt(stem: Stem, seconds: float, rng: np.random.Generator, avoid: Excerpt | None = None) -> Excerpt:
    """Draw where an excerpt begins: uniform over the starts at which the stem sounds for most of it.

    Starts with at least 60 % of sound are preferred; where the stem has none, those within five points of the
    best it has. An excerpt does not overlap ``avoid`` when both are of one stem and it is long enough for
    two; otherwise it overlaps as little as it can (:func:`overlap_seconds` tells).

    Args:
        stem: to draw from.
        seconds: length of the excerpt.
        rng: one number is drawn from it, whatever the stem.
        avoid: an excerpt whose music must not be heard again.

    Raises:
        UsageError: ``seconds`` is not positive.
    """
    if not seconds > 0:
        raise UsageError(f"an excerpt must be longer than {seconds!r} seconds")
    choice = float(rng.random())
    room = stem.duration_seconds - seconds
    # The last possible start is taken too, so that a stem of just two excerpts has room for both.
    starts = np.append(np.arange(0.0, room, _STEP_SECONDS), room) if room > 0 else np.zeros(1)
    if avoid is not None and avoid.stem.sha256 == stem.sha256:
        shared = np.minimum(starts + seconds, avoid.end_seconds) - np.maximum(starts, avoid.start_seconds)
        shared = np.clip(shared, 0.0, None)
        starts = starts[shared <= shared.min() + 1e-6]
    share = active_share(stem, starts, seconds)
    enough = min(MINIMUM_ACTIVE_SHARE, float(share.max()) - 0.05)
    starts = starts[share >= enough - 1e-9]
    return Excerpt(stem, round(float(starts[int(choice * len(starts))]), 6), seconds)


def load_excerpt(excerpt: Excerpt, sample_rate: int = 44100) -> np.ndarray:
    """Read an excerpt's audio.

    A stem shorter than its excerpt is repeated from its beginning until the excerpt is full.

    Args:
        excerpt: what to read.
        sample_rate: Hz of the result.

    Returns:
        ``float32 [2, T]`` with T = seconds x sample_rate, rounded.

    Raises:
        AudioError: the file is missing, damaged, empty, or holds samples that are not finite.
    """
    stem, length = excerpt.stem, round(excerpt.seconds * sample_rate)
    there = min(excerpt.seconds, stem.duration_seconds - excerpt.start_seconds)
    audio, rate = read_stem(stem, excerpt.start_seconds, there)
    audio = waveform.resample(np.asarray(audio, dtype=np.float32), rate, sample_rate)
    if audio.shape[1] < round(there * sample_rate) - sample_rate // 20:
        raise AudioDecodeError(
            stem.path,
            f"it has only {audio.shape[1] / sample_rate:.2f} of {there:.2f} s from second "
            f"{excerpt.start_seconds:g}; it changed since the manifest was written: prepare the folder again",
        )
    missing = length - audio.shape[1]
    if missing > 0:  # rounding costs a sample or two, a short stem the rest
        audio = np.pad(audio, ((0, 0), (0, missing)), mode="wrap" if there < excerpt.seconds else "edge")
    return np.ascontiguousarray(audio[:, :length], dtype=np.float32)
