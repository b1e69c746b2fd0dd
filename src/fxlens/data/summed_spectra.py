"""Mixtures made by adding mel power spectra: a tenth of the work of mixing sound, for learning where instruments are.

Powers add where phases are random, which over the bins of a band and the samples of a frame they nearly are. And what
can be added can be varied: every track has a part of its own block, another pitch, another equaliser. That changes its
effects, so such a mixture teaches nothing about them; it teaches to know an instrument whatever was done to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fxlens.errors import ConfigError

_LOWEST_POWER = 1e-6
_KNOTS = 6


@dataclass(frozen=True)
class SummedSettings:
    """How tracks are varied.

    Args:
        batches: so many batches, from the first on, are made of summed spectra.
        mixtures: mixtures in each of them.
        counts: how likely 1, 2, 3 ... instruments are.
        level_db: lowest and highest level of a track.
        equalised: share of tracks whose spectrum is bent.
        equaliser_db: standard deviation of the bend at its knots.
        transposed: share of tracks that are moved up or down.
        bands: by how many bands at most.
        loudness_db: standard deviation of the mixture's level.
    """

    batches: int = 0
    mixtures: int = 56
    counts: tuple[float, ...] = (0.05, 0.3, 0.35, 0.2, 0.1)
    level_db: tuple[float, float] = (-22.0, -13.0)
    equalised: float = 0.6
    equaliser_db: float = 4.0
    transposed: float = 0.5
    bands: int = 3
    loudness_db: float = 1.5

    def __post_init__(self) -> None:
        if self.batches and (not self.counts or abs(sum(self.counts) - 1.0) > 1e-6 or min(self.counts) < 0.0):
            raise ConfigError(f"listening.summed.counts must be probabilities that sum to 1, not {self.counts}")


def vary(rng: np.random.Generator, decibels: np.ndarray, settings: SummedSettings) -> np.ndarray:
    """One track: transpose, bend, set the level; ``[C, mel, frame]`` decibels at -18 LUFS to power."""
    power = np.power(10.0, decibels * np.float32(0.1))
    bands = power.shape[1]
    if rng.random() < settings.transposed:
        shift = int(rng.integers(-settings.bands, settings.bands + 1))
        power = np.roll(power, shift, axis=1)
        if shift:  # nothing comes in from the other end
            power[:, slice(0, shift) if shift > 0 else slice(shift, None)] = 0.0
    gain_db = np.full(bands, rng.uniform(*settings.level_db) + 18.0)
    if rng.random() < settings.equalised:
        bend = rng.normal(0.0, settings.equaliser_db, size=_KNOTS)
        gain_db += np.interp(np.linspace(0.0, 1.0, bands), np.linspace(0.0, 1.0, _KNOTS), bend)
    return power * np.power(10.0, gain_db / 10.0).astype(np.float32)[None, :, None]


def sum_up(
    rng: np.random.Generator, tracks: Sequence[np.ndarray], level_db: float, settings: SummedSettings
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The mixture in decibels, near ``level_db``, and the mid channel of every track inside it, likewise.

    Args:
        rng: draws the mixture's level.
        tracks: from :func:`vary`.
        level_db: mean power of left and right, summed over bands, that music of -18 LUFS has.
        settings: see :class:`SummedSettings`.
    """
    total = np.sum(tracks, axis=0)
    if rng.random() < 0.5:
        total = total[[1, 0, *range(2, len(total))]]
    now = 10.0 * np.log10(float(total[:2].sum(axis=1).mean()) + _LOWEST_POWER)
    gain = np.float32(10.0 ** ((level_db - now + rng.normal(0.0, settings.loudness_db)) / 10.0))

    def in_decibels(power: np.ndarray) -> np.ndarray:
        return 10.0 * np.log10(np.maximum(power * gain, _LOWEST_POWER))

    mids = [in_decibels(t[2] if len(t) > 2 else t.mean(axis=0)) for t in tracks]
    return in_decibels(total), mids
