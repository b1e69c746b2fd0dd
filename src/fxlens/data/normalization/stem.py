"""Fx-normalisation of one stem of a manifest: read, walk through the steps, write, and say what changed."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fxlens.audio import io
from fxlens.audio.loudness import integrated_loudness
from fxlens.data import stem_audio
from fxlens.data.manifest import Stem
from fxlens.data.stem_analysis import active_regions
from fxlens.errors import AudioDecodeError, AudioEmptyError, AudioMissingError, OutputError
from fxlens.fxnorm.instrument_settings import settings_of
from fxlens.fxnorm.normalize import prepare
from fxlens.fxnorm.panning import MOMENTS, panning_moments, width
from fxlens.fxnorm.short_time import SAMPLE_RATE
from fxlens.fxnorm.spectrum import LEVEL_LUFS, distance_db, mean_spectrum
from fxlens.fxnorm.statistics import ClassStatistics
from fxlens.fxnorm.steps import Measurement, hear, walk

HIGHEST_PEAK_DBFS = -0.1
"""Integer formats end at 0 dBFS: a stem that would pass this is written that much quieter."""


@dataclass(frozen=True)
class StemReport:
    """What Fx-normalisation did to one stem; numbers that do not apply are NaN.

    Args:
        song, stem, instrument, split: of the manifest.
        treatment: ``class``, ``fallback`` (the statistics lack its class), or ``left alone`` (silent).
        spectrum_before_db, spectrum_after_db: distance of the mean spectrum from the reference, see
            :func:`fxlens.fxnorm.spectrum.distance_db`.
        peaks_before_db, peaks_after_db: mean of the upper quarter of the peaks around the compressor, dBFS.
        peaks_allowed_db: up to where they are let be.
        compressor_ratio, compressor_threshold_db: its settings; 1 is none.
        width_before, width_after, width_reference: 0 mono to 1, see :func:`fxlens.fxnorm.panning.width`; the first
            behind equaliser and compressor, which do not move it.
        lufs_before, lufs_after: integrated loudness.
        held_back_db: by how much it is quieter than it should be, so that no peak passes full scale.
    """

    song: str
    stem: str
    instrument: str
    split: str
    treatment: str
    spectrum_before_db: float = math.nan
    spectrum_after_db: float = math.nan
    peaks_before_db: float = math.nan
    peaks_after_db: float = math.nan
    peaks_allowed_db: float = math.nan
    compressor_ratio: float = math.nan
    compressor_threshold_db: float = math.nan
    width_before: float = math.nan
    width_after: float = math.nan
    width_reference: float = math.nan
    lufs_before: float = math.nan
    lufs_after: float = math.nan
    held_back_db: float = math.nan


def identity(stem: Stem) -> str:
    """Name a stem by what is in its files; a file that was changed since is another.

    Raises:
        AudioMissingError: there is no such file.
    """
    parts = [stem.sha256, str(stem.silence_seconds)]
    for path in stem.recording.paths:
        try:
            status = path.stat()
        except OSError as problem:
            raise AudioMissingError(path, f"it cannot be opened ({problem.strerror or problem})") from None
        parts.append(f"{status.st_size}/{status.st_mtime_ns}")
    return "|".join(parts)


def read_stem(stem: Stem) -> np.ndarray:
    """Read a whole stem.

    Returns:
        ``float32 [2, T]`` at 44.1 kHz; mono in both channels.

    Raises:
        AudioError: a file is missing, damaged, empty, or shorter than the manifest says.
    """
    audio, rate = stem_audio.read_stem(stem)
    seconds = audio.shape[1] / rate
    if seconds < stem.duration_seconds - 0.05:
        raise AudioDecodeError(
            stem.path,
            f"it has only {seconds:.2f} of {stem.duration_seconds:.2f} s; it changed since the manifest was "
            "written: prepare the folder again",
        )
    return prepare(audio, rate, stem.path)


def render_stem(
    stem: Stem, target: Path, found: Measurement, reference: ClassStatistics, treatment: str, bits: int
) -> tuple[Stem, StemReport]:
    """Normalise a stem and write it.

    Args:
        stem: what to read.
        target: flac file to write.
        found: what fitting has measured of it already, or nothing.
        reference: the average of its class.
        treatment: for the report: whose average that is.
        bits: of a sample, 16 or 24.

    Returns:
        The stem as the new manifest holds it, and the report.

    Raises:
        AudioError: it cannot be read.
        OutputError: it cannot be written.
    """
    audio = read_stem(stem)
    if audio.shape[1] == 0:
        raise AudioEmptyError(stem.path, "nothing is left of it at 44100 Hz: it is too short")
    report = StemReport(stem.song, stem.name, stem.instrument, stem.split, "left alone")
    held_back_db = 0.0
    if hear(audio, found):
        settings = settings_of(stem.instrument)
        audio = walk(audio, found, reference, settings)
    peak_dbfs = 20.0 * math.log10(max(float(np.abs(audio).max()), 1e-9))
    if peak_dbfs > HIGHEST_PEAK_DBFS:
        held_back_db = peak_dbfs - HIGHEST_PEAK_DBFS
        audio *= np.float32(10.0 ** (-held_back_db / 20.0))
    lufs = float(integrated_loudness(audio, SAMPLE_RATE))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(
            f"{target.parent}: cannot be made ({problem.strerror or problem}); choose another folder"
        ) from None
    io.write(target, audio, SAMPLE_RATE, f"PCM_{bits}")
    written = replace(
        stem, path=target, duration_seconds=audio.shape[1] / SAMPLE_RATE, sample_rate=SAMPLE_RATE,
        loudness_lufs=lufs, active=active_regions(audio, SAMPLE_RATE), sha256=_sha256(target),
        stream=0, added_paths=(), silence_seconds=0.0,
    )  # fmt: skip
    if found.spectrum is not None:
        report = _changes(report, audio, found, reference, treatment, lufs)
        report = replace(report, held_back_db=held_back_db)
    return written, report


def _changes(
    report: StemReport, audio: np.ndarray, found: Measurement, reference: ClassStatistics, treatment: str, lufs: float
) -> StemReport:
    """Measure the result as its source was measured; ``audio`` is used up."""
    assert found.spectrum is not None and found.peaks is not None and found.panning is not None
    assert found.compression is not None and found.source_lufs is not None
    assert reference.spectrum is not None and reference.peaks is not None and reference.panning is not None
    settings = settings_of(report.instrument)
    audio *= np.float32(10.0 ** ((LEVEL_LUFS - lufs) / 20.0)) if math.isfinite(lufs) else np.float32(1.0)
    return replace(
        report,
        treatment=treatment,
        spectrum_before_db=distance_db(found.spectrum, reference.spectrum),
        spectrum_after_db=distance_db(mean_spectrum(audio, settings.smoothing_bins), reference.spectrum),
        peaks_before_db=found.peaks.mean_db,
        peaks_after_db=found.compression.peaks_mean_db,
        peaks_allowed_db=reference.peaks.mean_db + reference.peaks.std_db,
        compressor_ratio=found.compression.ratio,
        compressor_threshold_db=found.compression.threshold_db,
        width_before=width(found.panning, settings.panning_highest_hz),
        width_after=width(panning_moments(audio), settings.panning_highest_hz),
        width_reference=width(np.tile(reference.panning, (len(MOMENTS), 1)), settings.panning_highest_hz),
        lufs_before=found.source_lufs,
        lufs_after=lufs,
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
