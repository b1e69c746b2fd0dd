"""The four steps in their order, and what is measured of a stem before each of them.

Fitting and applying walk the same way: before a step, the stem is measured as the steps before have left it; then,
where the average of its class is known, it is moved there. Fitting stops where it is not known yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from fxlens.audio.loudness import integrated_loudness
from fxlens.fxnorm.dynamics import (
    PEAK_DBFS,
    Compression,
    Peaks,
    compress,
    envelope,
    find_compression,
    measure_peaks,
)
from fxlens.fxnorm.instrument_settings import InstrumentSettings
from fxlens.fxnorm.onsets import onsets
from fxlens.fxnorm.panning import find_powers, move, panning_moments
from fxlens.fxnorm.short_time import SAMPLE_RATE
from fxlens.fxnorm.spectrum import LEVEL_LUFS, filter_both_ways, matching_filter, matching_gain, mean_spectrum
from fxlens.fxnorm.statistics import ClassStatistics

QUIETEST_PEAK_DBFS = -50.0
"""Stems whose highest peak lies under it are left alone."""


class Step(IntEnum):
    """What is measured, in this order; each is changed before the next is measured."""

    SPECTRUM = 0
    PEAKS = 1
    PANNING = 2
    LOUDNESS = 3


@dataclass
class Measurement:
    """What is known of one stem; filled on the way, and not measured again where it is given.

    Args:
        source_lufs: integrated loudness as it came.
        spectrum: at -30 LUFS, ``float32 [2049]``.
        peaks: after the equaliser.
        panning: moments after the equaliser, and from :attr:`Step.PANNING` on after the compressor, ``[7, 1025]``.
        compression: what the compressor has to do.
        powers: what the panning step has to do, ``[1025]``.
        result_lufs: integrated loudness after all but the last step.
    """

    source_lufs: float | None = None
    spectrum: np.ndarray | None = None
    peaks: Peaks | None = None
    panning: np.ndarray | None = None
    compression: Compression | None = None
    powers: np.ndarray | None = None
    result_lufs: float | None = None


def hear(audio: np.ndarray, found: Measurement) -> bool:
    """Tell whether Fx-normalisation takes a stem, and note its loudness.

    It passes by silence, what peaks under -50 dBFS, and what never reaches -70 LUFS for 400 ms.

    Args:
        audio: ``float32 [2, T]`` at 44.1 kHz; T may be 0.
        found: what is known of the stem; a loudness that is there is believed.
    """
    if found.source_lufs is None:
        if audio.size == 0 or float(np.abs(audio).max()) < 10.0 ** (QUIETEST_PEAK_DBFS / 20.0):
            return False
        lufs = float(integrated_loudness(audio, SAMPLE_RATE))
        found.source_lufs = lufs if np.isfinite(lufs) else None
    return found.source_lufs is not None


def highest_mean_db(reference: ClassStatistics) -> float:
    """Up to where the mean of a stem's peaks is let be, dBFS."""
    assert reference.peaks is not None
    return reference.peaks.mean_db + reference.peaks.std_db


def walk(
    audio: np.ndarray,
    found: Measurement,
    reference: ClassStatistics,
    settings: InstrumentSettings,
    until: Step | None = None,
) -> np.ndarray:
    """Take a stem through the steps.

    Args:
        audio: ``float32 [2, T]`` at 44.1 kHz, of which :func:`hear` says yes; used up.
        found: what is known of the stem, its loudness at least; what is missing is measured and put there.
        reference: the average of its class; what comes before ``until`` must be there.
        settings: of its instrument.
        until: stop once this has been measured; None goes all the way.

    Returns:
        ``float32 [2, T]``: the normalised stem, or where it stopped.
    """
    in_middle = bool(np.array_equal(audio[0], audio[1]))
    assert found.source_lufs is not None, "hear() comes first"
    audio *= _linear(LEVEL_LUFS - found.source_lufs)
    if found.spectrum is None:
        found.spectrum = mean_spectrum(audio, settings.smoothing_bins)
    if until is Step.SPECTRUM:
        return audio

    audio = _equalized(audio, found, reference)
    began = None
    if found.peaks is None:
        began = onsets(audio)
        found.peaks = measure_peaks(envelope(audio), began)
    if until is Step.PEAKS:
        found.panning = panning_moments(audio)
        return audio

    _compress(audio, began, found, reference, settings)
    if found.panning is None or until is Step.PANNING:
        found.panning = panning_moments(audio)
    if until is Step.PANNING:
        return audio

    if not in_middle:
        audio = _moved(audio, found, reference, settings)
    if found.result_lufs is None:
        found.result_lufs = float(integrated_loudness(audio, SAMPLE_RATE))
    if until is Step.LOUDNESS:
        return audio

    assert reference.loudness_lufs is not None
    if np.isfinite(found.result_lufs):
        audio *= _linear(reference.loudness_lufs - found.result_lufs)
    if in_middle:
        audio[1] = audio[0]  # the two rows of one transform may differ in their last bit
    return audio


def _equalized(audio: np.ndarray, found: Measurement, reference: ClassStatistics) -> np.ndarray:
    """Filter towards the average spectrum, then bring the peak to where peaks are measured."""
    assert found.spectrum is not None and reference.spectrum is not None
    audio = filter_both_ways(audio, matching_filter(matching_gain(found.spectrum, reference.spectrum)))
    audio = np.ascontiguousarray(audio)
    audio *= np.float32(10.0 ** (PEAK_DBFS / 20.0) / max(float(np.abs(audio).max()), 1e-9))
    return audio


def _compress(
    audio: np.ndarray,
    began: np.ndarray | None,
    found: Measurement,
    reference: ClassStatistics,
    settings: InstrumentSettings,
) -> None:
    """Compress in place as far as the peaks ask for it; onsets are looked for where they are not known yet."""
    assert found.peaks is not None
    if found.compression is None:
        highest_db = highest_mean_db(reference)
        if began is None:
            began = onsets(audio) if found.peaks.mean_db > highest_db else np.zeros(0, np.int64)
        found.compression = find_compression(audio, began, found.peaks, highest_db, settings)
    compress(audio, found.compression, settings)


def _moved(
    audio: np.ndarray, found: Measurement, reference: ClassStatistics, settings: InstrumentSettings
) -> np.ndarray:
    """Move the image towards the average."""
    assert found.panning is not None and reference.panning is not None
    if found.powers is None:
        found.powers = find_powers(audio, found.panning, reference.panning, settings.panning_highest_hz)
    return move(audio, found.powers)


def _linear(gain_db: float) -> np.float32:
    return np.float32(10.0 ** (gain_db / 20.0))
