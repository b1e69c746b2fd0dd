"""Stems that were separated elsewhere, by any program, as a separator.

Every mixture has a key, a hash of its samples. :func:`write_mixtures` writes ``KEY.wav``; the other program
makes ``KEY/vocals.wav`` and so on of it, in the folder itself or one folder deeper, as Demucs does it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fxlens.audio import output
from fxlens.audio.waveform import to_waveform
from fxlens.errors import DataError, ModelUnavailableError, UsageError
from fxlens.evaluation.systems.clips import check_clips
from fxlens.evaluation.systems.system import InstrumentQuery, Separator
from fxlens.instruments import resolve


def mixture_key(mixture: np.ndarray, sample_rate: int) -> str:
    """16 hexadecimal digits, the same for the same samples ``[2, T]`` and rate."""
    digest = hashlib.sha256(f"{sample_rate} {list(mixture.shape)} ".encode())
    digest.update(np.ascontiguousarray(mixture, dtype="<f4").tobytes())
    return digest.hexdigest()[:16]


def write_mixtures(mixtures: Iterable[np.ndarray], sample_rate: int, folder: str | Path) -> list[Path]:
    """Write ``KEY.wav`` (32-bit float) for each mixture ``[2, T]``; those that are there already are left alone.

    Raises:
        OutputError: the folder cannot be written.
    """
    folder, paths = Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    for mixture in mixtures:
        path = folder / f"{mixture_key(mixture, sample_rate)}.wav"
        if not path.exists():
            output.write(path, np.asarray(mixture, np.float32), sample_rate)
        paths.append(path)
    return paths


class StemsFolder(Separator):
    """Reads stems by the key of the mixture.

    Args:
        folder: holds ``KEY/NAME.wav`` (or flac, ogg ...), or ``ANYTHING/KEY/NAME.wav``.
    """

    licence = "of the program that separated them"

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, f"stems of {folder.name}"
        self._stems = {path.name: path for path in sorted(folder.glob("*/*/")) if path.is_dir()}
        self._stems |= {path.name: path for path in sorted(folder.glob("*/")) if path.is_dir()}
        files = sorted((str(p.relative_to(folder)), p.stat().st_size) for p in folder.rglob("*") if p.is_file())
        self.identity = f"stems-{hashlib.sha256(repr(files).encode()).hexdigest()[:12]}"

    def separate(self, mixtures: np.ndarray, sample_rate: int, query: InstrumentQuery) -> np.ndarray:
        """See :meth:`Separator.separate`.

        Raises:
            DataError: a mixture has not been separated, or a stem has another length.
            UsageError: there are stems, but none of this instrument.
        """
        mixtures = check_clips(mixtures, sample_rate)
        keys = [mixture_key(mixture, sample_rate) for mixture in mixtures]
        missing = [key for key in keys if key not in self._stems]
        if missing:
            raise DataError(
                f"{self.folder}: {len(missing)} of {len(keys)} mixtures have no stems, e.g. {missing[0]}; write them "
                "with fxlens.evaluation.separators.stems_folder.write_mixtures and separate them into KEY/NAME.wav"
            )
        return np.stack([self._stem(key, query, sample_rate, mixtures.shape[-1]) for key in keys])

    def _stem(self, key: str, query: InstrumentQuery, sample_rate: int, length: int) -> np.ndarray:
        path = _file_of(self._stems[key], query.instrument)
        stem = to_waveform(path, None, sample_rate)
        if abs(stem.shape[-1] - length) > sample_rate // 10:
            seconds = stem.shape[-1] / sample_rate
            raise DataError(
                f"{path}: is {seconds:.2f} s long, its mixture {length / sample_rate:.2f} s; separate again"
            )
        return np.pad(stem, ((0, 0), (0, max(0, length - stem.shape[-1]))))[:, :length]


def _file_of(folder: Path, instrument: str) -> Path:
    """The file whose name is the instrument's, else the only one that means the same class."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    exact = [path for path in files if path.stem.lower() == instrument.strip().lower()]
    wanted = resolve(instrument)
    alike = [path for path in files if wanted is not None and resolve(path.stem) == wanted]
    chosen = exact or alike
    if len(chosen) != 1:
        found = ", ".join(path.stem for path in files) or "nothing"
        raise UsageError(f"{folder}: {len(chosen)} stems mean {instrument!r}, one is needed; there is {found}")
    return chosen[0]


def open_stems_folder(place: str, device: str) -> StemsFolder:
    """Stems in a folder; they are files, whatever the device.

    Raises:
        ModelUnavailableError: there is no such folder.
    """
    folder = Path(place)
    if not folder.is_dir():
        raise ModelUnavailableError(f"{folder}: no such folder; it should hold KEY/NAME.wav for every mixture")
    return StemsFolder(folder)
