"""Fx-normalisation of arrays: make stems of one instrument alike in tone, dynamics, image and loudness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fxlens.audio.waveform import check, check_rate, resample
from fxlens.fxnorm.fitting import Member, fit
from fxlens.fxnorm.instrument_settings import settings_of
from fxlens.fxnorm.short_time import SAMPLE_RATE
from fxlens.fxnorm.statistics import ClassStatistics, Statistics
from fxlens.fxnorm.steps import Measurement, Step, hear, walk


def prepare(audio: np.ndarray, sample_rate: float, source: str | Path = "array") -> np.ndarray:
    """Bring a stem to what the steps take; mono, on purpose without a warning, is put into both channels.

    Args:
        audio: ``[T]``, ``[1, T]`` or ``[2, T]``, float.
        sample_rate: Hz.
        source: what to call it in messages.

    Returns:
        ``float32 [2, T']`` at 44.1 kHz, the caller's own memory never; T' is 0 for what is shorter than a sample.

    Raises:
        AudioError: wrong shape, no samples, or samples that are not finite.
        UsageError: an impossible sample rate.
    """
    check_rate(sample_rate)
    check(audio, source)
    rows = np.atleast_2d(np.asarray(audio)).astype(np.float32)
    rows = resample(rows, sample_rate, SAMPLE_RATE)
    return np.repeat(rows, 2, axis=0) if rows.shape[0] == 1 else rows


def fx_normalize(
    audio: np.ndarray, sample_rate: float, instrument: str, statistics: Statistics | ClassStatistics
) -> np.ndarray:
    """Fx-normalise a stem: equaliser, compressor, panning and loudness are moved to the average of its class.

    After M. A. Martinez-Ramirez et al., "Automatic music mixing with deep learning and out-of-domain data", ISMIR
    2022, without its reverberation step. It evens out level, tone and width; it does not remove compression or
    reverberation that a recording already carries. Silence, and what peaks under -50 dBFS, is returned as it is, in
    stereo. The steps run at 44.1 kHz: audio of another rate is resampled there and back, so of higher rates nothing
    above 20 kHz is left.

    Args:
        audio: ``[T]``, ``[1, T]`` or ``[2, T]``, float, full scale 1.0.
        sample_rate: Hz.
        instrument: class or free name; of an instrument the statistics lack, their fallback is used.
        statistics: see :func:`fxlens.fxnorm.statistics.load_statistics`.

    Returns:
        ``float32 [2, T]`` at ``sample_rate``.

    Raises:
        AudioError: wrong shape, no samples, or samples that are not finite.
        UsageError: an impossible sample rate.
    """
    ready = prepare(audio, sample_rate)
    length = np.atleast_2d(np.asarray(audio)).shape[1]
    found = Measurement()
    if not hear(ready, found):
        same = np.atleast_2d(np.asarray(audio)).astype(np.float32)
        return np.repeat(same, 2, axis=0) if same.shape[0] == 1 else same
    reference = statistics.of(instrument) if isinstance(statistics, Statistics) else statistics
    result = walk(ready, found, reference, settings_of(_class_of(instrument)))
    result = resample(result, SAMPLE_RATE, sample_rate)[:, :length]
    return np.pad(result, ((0, 0), (0, length - result.shape[1])))


def fit_statistics(stems: Sequence[tuple[str, str, np.ndarray, float]]) -> Statistics:
    """Fit statistics to stems in memory; ``fxlens normalize`` does the same for manifests of any size.

    Args:
        stems: (song, instrument class, audio as for :func:`fx_normalize`, sample rate in Hz), training songs only.

    Raises:
        AudioError: as :func:`fx_normalize`.
        DataError: all of them are silent.
    """
    ready = [prepare(audio, rate, song) for song, _, audio, rate in stems]
    members = [Member(song, instrument) for song, instrument, _, _ in stems]
    found = [Measurement() for _ in stems]

    def measure(step: Step, averages: Mapping[str, ClassStatistics], todo: Sequence[int]) -> dict[int, Measurement]:
        for i in todo:
            if hear(ready[i], found[i]):
                average = averages.get(members[i].instrument, ClassStatistics(0, 0))
                walk(ready[i].copy(), found[i], average, settings_of(members[i].instrument), step)
        return {i: found[i] for i in todo if found[i].spectrum is not None}

    return fit(members, measure)


def _class_of(instrument: str) -> str:
    from fxlens.instruments import BY_NAME, resolve

    meant = BY_NAME.get(instrument) or resolve(instrument)
    return meant.name if meant is not None else instrument
