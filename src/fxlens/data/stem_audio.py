"""The samples of a stem, as its manifest describes it. Whoever needs them reads them here."""

from __future__ import annotations

import numpy as np

from fxlens.audio import waveform
from fxlens.data.multitrack import Stem
from fxlens.errors import AudioEmptyError


def read_stem(stem: Stem, start_seconds: float = 0.0, duration_seconds: float | None = None) -> tuple[np.ndarray, int]:
    """Read a stem as its manifest describes it: a file, a stream, a sum, with the silence behind it.

    Args:
        stem: what to read.
        start_seconds: where to begin.
        duration_seconds: how much; to the end if not given. The end of the stem may come earlier.

    Returns:
        ``float32 [2, T]``, mono on both sides, and the sample rate in Hz.

    Raises:
        AudioError: a file is missing, damaged, empty, has more than two channels or samples that are not finite.
    """
    if not stem.silence_seconds:
        audio, rate = stem.recording.read(start_seconds, duration_seconds)
        return _both_sides(audio, stem), rate
    rate = stem.sample_rate
    start, whole = round(start_seconds * rate), round(stem.duration_seconds * rate)
    sounding = whole - round(stem.silence_seconds * rate)
    end = whole if duration_seconds is None else min(start + round(duration_seconds * rate), whole)
    if start >= whole:
        raise AudioEmptyError(stem.path, f"there is nothing from {start_seconds:.3f} seconds on")
    audio = np.zeros((2, 0), np.float32)
    if start < sounding:
        audio, rate = stem.recording.read(start_seconds, (min(end, sounding) - start) / rate)
        audio = _both_sides(audio, stem)
    return np.pad(audio, ((0, 0), (0, max(end - max(start, sounding), 0)))), rate


def _both_sides(audio: np.ndarray, stem: Stem) -> np.ndarray:
    waveform.check(audio, stem.path)
    # as_stereo warns, and a set of mono stems need not warn a thousand times
    return np.repeat(audio, 2, axis=0) if audio.shape[0] == 1 else audio
