"""What stems of a class are like on average: the reference of Fx-normalisation, and the file that holds it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fxlens.errors import DataError
from fxlens.fxnorm.dynamics import Peaks
from fxlens.fxnorm.panning import BINS
from fxlens.fxnorm.short_time import SAMPLE_RATE
from fxlens.fxnorm.spectrum import POINTS
from fxlens.instruments import resolve

FORMAT = "fxlens Fx-normalisation statistics"
VERSION = 1
FALLBACK = "fallback"

_DIGITS = 6


@dataclass(frozen=True)
class ClassStatistics:
    """The average of one instrument class. What has not been measured yet is None; a finished one has all.

    Args:
        songs: how many it was averaged over.
        stems: how many stems these have of the class.
        spectrum: amplitudes ``float32 [2049]``, see :func:`fxlens.fxnorm.spectrum.mean_spectrum`.
        peaks: of stems whose highest peak is at -10 dBFS.
        panning: means of phi ``float32 [1025]``, see :mod:`fxlens.fxnorm.panning`.
        loudness_lufs: integrated, after all other steps.
    """

    songs: int
    stems: int
    spectrum: np.ndarray | None = None
    peaks: Peaks | None = None
    panning: np.ndarray | None = None
    loudness_lufs: float | None = None

    def rounded(self) -> ClassStatistics:
        """The values as the file holds them, so that what was just fitted and what was loaded are the same."""
        return replace(
            self,
            spectrum=None if self.spectrum is None else _rounded(self.spectrum),
            peaks=None if self.peaks is None else Peaks(_round(self.peaks.mean_db), _round(self.peaks.std_db)),
            panning=None if self.panning is None else _rounded(self.panning),
            loudness_lufs=None if self.loudness_lufs is None else _round(self.loudness_lufs),
        )

    def digest(self) -> str:
        """Name the values, not the counts: 64 hexadecimal digits."""
        values = (self.spectrum, self.panning)
        parts = [b"-" if v is None else np.ascontiguousarray(v, np.float32).tobytes() for v in values]
        return hashlib.sha256(b"|".join([*parts, repr((self.peaks, self.loudness_lufs)).encode()])).hexdigest()


@dataclass(frozen=True)
class Statistics:
    """The averages of all classes of a training set.

    Args:
        classes: canonical instrument -> its average, complete.
        fallback: for instruments that the training set does not have.
        songs: of the training set.
        manifest_sha256: :func:`fxlens.data.manifest.manifest_hash` of its songs; empty for arrays.
    """

    classes: Mapping[str, ClassStatistics]
    fallback: ClassStatistics
    songs: int
    manifest_sha256: str = ""

    def of(self, instrument: str) -> ClassStatistics:
        """The average for an instrument: by class, by what a free name means, or the fallback."""
        if instrument in self.classes:
            return self.classes[instrument]
        meant = resolve(instrument)
        return self.classes.get(meant.name, self.fallback) if meant is not None else self.fallback

    def to_json(self) -> str:
        """The file's text; equal statistics give equal text."""
        entry = {
            "format": FORMAT,
            "version": VERSION,
            "sample_rate": SAMPLE_RATE,
            "manifest_sha256": self.manifest_sha256,
            "songs": self.songs,
            "classes": {name: _to_json(self.classes[name]) for name in sorted(self.classes)},
            FALLBACK: _to_json(self.fallback),
        }
        return json.dumps(entry, indent=1).replace(",\n    ", ", ") + "\n"


def load_statistics(path: str | Path) -> Statistics:
    """Read a statistics file, as ``fxlens normalize`` writes it.

    Raises:
        DataError: it is missing, of another format, version or sample rate, or lacks a value.
    """
    path = Path(path)
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: there are no such statistics; fxlens normalize --fit-only writes them") from None
    except (OSError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read as statistics ({problem}); fit them again") from None
    if not isinstance(entry, dict) or entry.get("format") != FORMAT:
        raise DataError(f"{path}: holds no statistics of Fx-normalisation; fxlens normalize --fit-only writes them")
    if entry.get("version") != VERSION:
        raise DataError(f"{path}: version {entry.get('version')!r}, this fxlens reads {VERSION}; fit them again")
    if entry.get("sample_rate") != SAMPLE_RATE:
        raise DataError(f"{path}: made at {entry.get('sample_rate')!r} Hz instead of {SAMPLE_RATE}; fit them again")
    try:
        return Statistics(
            {str(name): _from_json(found) for name, found in entry["classes"].items()},
            _from_json(entry[FALLBACK]),
            int(entry["songs"]),
            str(entry["manifest_sha256"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise DataError(f"{path}: incomplete or damaged ({problem!r}); fit the statistics again") from None


def _to_json(found: ClassStatistics) -> dict[str, Any]:
    assert found.spectrum is not None and found.peaks is not None and found.panning is not None
    return {
        "songs": found.songs,
        "stems": found.stems,
        "peaks_mean_db": found.peaks.mean_db,
        "peaks_std_db": found.peaks.std_db,
        "loudness_lufs": found.loudness_lufs,
        "spectrum": [_round(x) for x in found.spectrum.tolist()],
        "panning": [_round(x) for x in found.panning.tolist()],
    }


def _from_json(entry: dict[str, Any]) -> ClassStatistics:
    return ClassStatistics(
        songs=int(entry["songs"]),
        stems=int(entry["stems"]),
        spectrum=_values(entry["spectrum"], POINTS, "spectrum"),
        peaks=Peaks(_finite(entry["peaks_mean_db"]), _finite(entry["peaks_std_db"])),
        panning=_values(entry["panning"], BINS, "panning"),
        loudness_lufs=_finite(entry["loudness_lufs"]),
    )


def _values(listed: Any, count: int, name: str) -> np.ndarray:
    values = np.asarray(listed, np.float32)
    if values.shape != (count,) or not np.isfinite(values).all() or values.min() < 0.0:
        raise ValueError(f"{name} must be {count} numbers of 0 or more")
    return values


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.asarray([_round(x) for x in values.tolist()], np.float32)
