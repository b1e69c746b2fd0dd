"""The peaks of a stem, and the mildest compressor that brings them down to those of its class.

Feature: with the highest peak of the stem at -10 dBFS, the highest sample between every onset and the next, in dB; of
those at or above their 75th percentile, mean and standard deviation.

Compressor: nothing where the mean lies at or under the class's mean plus its standard deviation. Else the lowest
ratio, from the class's own up, that reaches it with a threshold from -10 to -40 dBFS, and of those thresholds the
highest, found by bisection: the peaks fall steadily with the threshold, so eight runs find what a scan of 61 would.
Both channels get one gain (:class:`fxlens.effects.dynamics.Compressor`), so the image stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxlens.effects.dynamics import Compressor
from fxlens.fxnorm.instrument_settings import InstrumentSettings
from fxlens.fxnorm.short_time import SAMPLE_RATE

PEAK_DBFS = -10.0
"""Highest peak of a stem while its peaks are measured and compressed."""
LOWEST_THRESHOLD_DBFS = -40.0
HIGHEST_RATIO = 20.0

_STEP_DB = 0.125
_RATIO_STEP = 1.25
_PERCENTILE = 75.0
_FLOOR = 1e-6


@dataclass(frozen=True)
class Peaks:
    """Mean and standard deviation of the upper quarter of a stem's peaks, dBFS and dB."""

    mean_db: float
    std_db: float


@dataclass(frozen=True)
class Compression:
    """What the compressor was set to, and the mean of the peaks behind it; a ratio of 1 is no compressor."""

    threshold_db: float
    ratio: float
    peaks_mean_db: float


def envelope(audio: np.ndarray) -> np.ndarray:
    """The larger of both channels' absolute samples: ``float32 [2, T]`` to ``float32 [T]``."""
    return np.maximum(np.abs(audio[0]), np.abs(audio[1]))


def measure_peaks(levels: np.ndarray, onsets: np.ndarray) -> Peaks:
    """Measure the upper quarter of the peaks between onsets.

    Args:
        levels: ``float32 [T]``, not negative, the highest at -10 dBFS.
        onsets: samples, ascending.
    """
    inside = onsets[(onsets > 0) & (onsets < levels.size)]
    highest = np.maximum.reduceat(levels, np.concatenate([[0], inside]))
    peaks_db = 20.0 * np.log10(np.maximum(highest.astype(np.float64), _FLOOR))
    upper = peaks_db[peaks_db >= np.percentile(peaks_db, _PERCENTILE) - 1e-9]
    return Peaks(float(upper.mean()), float(upper.std()))


def find_compression(
    audio: np.ndarray, onsets: np.ndarray, own: Peaks, highest_mean_db: float, settings: InstrumentSettings
) -> Compression:
    """Find the mildest compressor after which the peaks' mean is at most ``highest_mean_db``.

    Args:
        audio: ``float32 [2, T]`` at 44.1 kHz, peak at -10 dBFS.
        onsets: samples, ascending.
        own: the peaks of ``audio``.
        highest_mean_db: dBFS.
        settings: of the instrument.

    Returns:
        Its settings; the hardest there are where none reaches the mean.
    """
    if own.mean_db <= highest_mean_db:
        return Compression(PEAK_DBFS, 1.0, own.mean_db)
    # The gain depends on the larger channel alone, so its envelope is all that need be compressed.
    levels, trial = envelope(audio), np.zeros_like(audio)

    def mean_after(threshold_db: float, ratio: float) -> float:
        trial[0] = levels
        _compress(trial, threshold_db, ratio, settings)
        return measure_peaks(trial[0], onsets).mean_db

    ratio = settings.mildest_ratio
    while (lowest_mean := mean_after(LOWEST_THRESHOLD_DBFS, ratio)) > highest_mean_db:
        if ratio >= HIGHEST_RATIO:
            return Compression(LOWEST_THRESHOLD_DBFS, ratio, lowest_mean)
        ratio = min(ratio * _RATIO_STEP, HIGHEST_RATIO)
    enough, too_high, mean_db = LOWEST_THRESHOLD_DBFS, PEAK_DBFS, lowest_mean
    while too_high - enough > _STEP_DB:
        middle = 0.5 * (enough + too_high)
        mean = mean_after(middle, ratio)
        if mean <= highest_mean_db:
            enough, mean_db = middle, mean
        else:
            too_high = middle
    return Compression(enough, ratio, mean_db)


def compress(audio: np.ndarray, compression: Compression, settings: InstrumentSettings) -> None:
    """Compress ``float32 [2, T]`` at 44.1 kHz in place."""
    if compression.ratio > 1.0:
        _compress(audio, compression.threshold_db, compression.ratio, settings)


def _compress(audio: np.ndarray, threshold_db: float, ratio: float, settings: InstrumentSettings) -> None:
    Compressor().fast_clip(
        audio, SAMPLE_RATE, threshold_db=threshold_db, ratio=ratio, knee_db=0.0,
        attack_ms=settings.attack_ms, release_ms=settings.release_ms, makeup_db=0.0,
    )  # fmt: skip
