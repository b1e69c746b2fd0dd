"""What a mixture's listener shall find, kept beside the pool: for every wet stem where it sounds, and what it means.

A trained encoder hears every wet clip of the pool alone, once. Its embedding of a chain, the mean over both contents,
is the *key* that whoever hears the stem inside a mixture shall come to; the spectrogram says which places are the
stem's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxlens.errors import DataError
from fxlens.whole_files import whole_file

LOWEST_DB = -80.0
_STEP_DB = 0.5


@dataclass(frozen=True)
class StemTargets:
    """Targets of one block.

    Attributes:
        keys: float32 ``[C, D]``, unit length, one for every chain.
        spectra: uint8 ``[C, 2, channel, mel, frame]``, power of every clip at -18 LUFS, in steps of half a decibel
            from ``LOWEST_DB``; the front end's channels.
        query: float32 ``[Q]``, the block's dry excerpt as an audio query.
        audible: bool ``[C, 2]``; a clip without loudness cannot be listened for.
    """

    keys: np.ndarray
    spectra: np.ndarray
    query: np.ndarray
    audible: np.ndarray

    def spectrum_db(self, chain: int, content: int, frames: slice) -> np.ndarray:
        """Power of some frames in decibels, float32 ``[channel, mel, frame]``."""
        return self.spectra[chain, content][..., frames].astype(np.float32) * np.float32(_STEP_DB) + np.float32(
            LOWEST_DB
        )


def quantised(decibels: np.ndarray) -> np.ndarray:
    """Decibels to the steps in which spectra are kept, uint8."""
    return np.clip(np.round((decibels - LOWEST_DB) / _STEP_DB), 0, 255).astype(np.uint8)


def targets_path(folder: Path, number: int) -> Path:
    return folder / f"{number:07d}.npz"


def write_targets(folder: Path, number: int, targets: StemTargets) -> None:
    """Store the targets of block ``number``; a file is whole or not there.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(targets_path(folder, number)) as scratch, open(scratch, "wb") as file:
        np.savez(file, keys=targets.keys, spectra=targets.spectra, query=targets.query, audible=targets.audible)


def read_targets(folder: Path, number: int) -> StemTargets:
    """Read what :func:`write_targets` wrote.

    Raises:
        DataError: it is not there.
    """
    try:
        with np.load(targets_path(folder, number)) as stored:
            return StemTargets(stored["keys"], stored["spectra"], stored["query"], stored["audible"])
    except FileNotFoundError:
        raise DataError(f"{folder}: no targets of block {number}; training prepares them when it begins") from None
