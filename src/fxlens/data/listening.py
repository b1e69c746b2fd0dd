"""Batches for learning to listen: mixtures of pooled wet stems, each with what is to be found in it.

Unlike a contrastive batch, every mixture has a composition of its own, and is asked for all of its instruments: only
who attends to the query can answer differently. Batch ``i`` is a pure function of (seed, i) and the pool.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fxlens.data.dataset import REMAINDER
from fxlens.data.mixture import mix
from fxlens.data.stem_targets import StemTargets, read_targets
from fxlens.data.style_pool import StoredBlock, StylePool, by_instrument
from fxlens.data.summed_spectra import SummedSettings, sum_up, vary
from fxlens.errors import ConfigError, DataError


@dataclass(frozen=True)
class ListeningSettings:
    """What a batch is made of.

    Args:
        mixtures: mixtures in a batch.
        counts: how likely 1, 2, 3 ... instruments are.
        level_lufs: lowest and highest level of a track.
        seconds: length of a mixture; a random part of the blocks.
        blocks: blocks of the pool that are used.
        summed: the first batches, made of spectra instead of sound.
    """

    mixtures: int = 32
    counts: tuple[float, ...] = (0.1, 0.3, 0.4, 0.2)
    level_lufs: tuple[float, float] = (-20.0, -14.0)
    seconds: float = 4.0
    blocks: int = 2000
    summed: SummedSettings = field(default_factory=SummedSettings)

    def __post_init__(self) -> None:
        if self.mixtures < 1 or self.blocks < 1:
            raise ConfigError("listening.mixtures and listening.blocks must be at least 1")
        if not self.counts or min(self.counts) < 0.0 or abs(sum(self.counts) - 1.0) > 1e-6:
            raise ConfigError(f"listening.counts must be probabilities that sum to 1, not {self.counts}")


@dataclass(frozen=True)
class SpectrogramScale:
    """What the numbers of a spectrogram mean.

    Args:
        hop_length: samples from frame to frame.
        floor_db: of -1.
        ceiling_db: of 1.
        level_db: mean power of left and right, summed over bands, that music at -18 LUFS has.
    """

    hop_length: int
    floor_db: float
    ceiling_db: float
    level_db: float

    def from_decibels(self, decibels: np.ndarray) -> np.ndarray:
        clipped = np.clip(decibels, self.floor_db, self.ceiling_db)
        return (clipped - self.floor_db) * (2.0 / (self.ceiling_db - self.floor_db)) - 1.0


@dataclass(frozen=True)
class _Part:
    """One instrument in a mixture."""

    block: StoredBlock
    chain: int
    content: int


class ListeningBatches(Dataset[dict[str, Any]]):
    """Map-style data set whose items are whole batches.

    An item holds ``mixture`` ``[M, C, mel, frame]`` and for every instrument that can be asked for, N in all:
    ``owner`` ``[N]`` (which mixture), ``block`` and ``chain`` ``[N]``, and ``target_db`` float16 ``[N, mel, frame]``,
    the power in decibels that its mid channel has inside the mixture.

    Args:
        pool: folder of the blocks.
        targets: folder of :mod:`fxlens.data.stem_targets`.
        settings: see :class:`ListeningSettings`.
        seed: of the draws.
        batches: how many there are.
        sample_rate: Hz.
        scale: of the spectrograms.
        spectrogram: turns a clip ``[2, T]`` into one.
    """

    def __init__(
        self,
        pool: Path,
        targets: Path,
        settings: ListeningSettings,
        seed: int,
        batches: int,
        sample_rate: int,
        scale: SpectrogramScale,
        spectrogram: Callable[[Tensor], Tensor],
    ) -> None:
        self.settings, self.seed, self.batches = settings, seed, batches
        self.sample_rate, self.scale = sample_rate, scale
        self._pool, self._folder, self._spectrogram = StylePool(pool, settings.blocks), targets, spectrogram
        self._targets: dict[int, StemTargets] = {}
        self._groups: dict[str, list[StoredBlock]] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_targets": {}, "_groups": {}}  # a loader process reads them itself

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < self.batches:
            raise IndexError(index)
        if not self._groups:
            blocks = self._pool.upto(self.settings.blocks)
            self._targets = {b.number: read_targets(self._folder, b.number) for b in blocks}
            self._groups = by_instrument(blocks)
            if not set(self._groups) - {REMAINDER}:
                raise DataError("the pool has no instrument that can be asked for")
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, index, 0x115E]))
        summed = index < self.settings.summed.batches
        mixtures: list[Tensor] = []
        asked: list[tuple[int, int, int]] = []
        spectra: list[np.ndarray] = []
        while len(mixtures) < (self.settings.summed.mixtures if summed else self.settings.mixtures):
            parts = self._parts(rng, self.settings.summed.counts if summed else self.settings.counts)
            if all(part.block.instrument == REMAINDER for part in parts):
                continue  # nothing to ask for, or all silent
            mixture, inside = self._summed(rng, parts) if summed else self._mixed(rng, parts)
            for part, spectrum in zip(parts, inside, strict=True):
                if part.block.instrument != REMAINDER:
                    asked.append((len(mixtures), part.block.number, part.chain))
                    spectra.append(spectrum)
            mixtures.append(mixture)
        owner, number, chain = torch.tensor(asked).unbind(dim=1)
        return {
            "mixture": torch.stack(mixtures),
            "owner": owner,
            "block": number,
            "chain": chain,
            "target_db": torch.from_numpy(np.stack(spectra).astype(np.float16)),
        }

    def _parts(self, rng: np.random.Generator, counts: tuple[float, ...]) -> list[_Part]:
        """Draw who plays; clips without loudness are left out."""
        names = sorted(self._groups)
        weight = np.sqrt([len(self._groups[n]) for n in names])  # rare instruments are heard, common ones lead
        count = min(1 + int(rng.choice(len(counts), p=counts)), len(names))
        parts = []
        for i in rng.choice(len(names), size=count, replace=False, p=weight / weight.sum()):
            group = self._groups[names[int(i)]]
            block = group[int(rng.integers(len(group)))]
            part = _Part(block, int(rng.integers(block.chains)), int(rng.integers(2)))
            if self._targets[block.number].audible[part.chain, part.content]:
                parts.append(part)
        return parts

    def _frames(self, samples: int) -> int:
        """Whole hops in a clip."""
        return min(round(self.settings.seconds * self.sample_rate), samples) // self.scale.hop_length

    def _spectrum(self, part: _Part, frames: slice) -> np.ndarray:
        return self._targets[part.block.number].spectrum_db(part.chain, part.content, frames)

    def _mixed(self, rng: np.random.Generator, parts: list[_Part]) -> tuple[Tensor, list[np.ndarray]]:
        """A mixture of sound, all parts from the same place of their blocks."""
        hop, samples = self.scale.hop_length, parts[0].block.samples
        levels = rng.uniform(*self.settings.level_lufs, size=len(parts))
        frames = self._frames(samples)
        start = int(rng.integers((samples - frames * hop) // hop + 1))
        tracks = [p.block.wet(p.chain, p.content)[:, start * hop : (start + frames) * hop] for p in parts]
        lufs = [float(p.block.lufs[p.chain, p.content]) for p in parts]
        mixture = mix(tracks, lufs, levels, self.sample_rate)
        gain_db = _gain_db(tracks, lufs, levels, mixture)
        inside = [
            _mid(self._spectrum(part, slice(start, start + frames + 1))) + np.float32(level + 18.0 + gain_db)
            for part, level in zip(parts, levels, strict=True)
        ]
        # Polarity and the naming of left and right are no effects: an embedding must not see them.
        sign = np.float32(rng.choice((-1.0, 1.0)))
        flipped = mixture[::-1] if rng.random() < 0.5 else mixture
        return self._spectrogram(torch.from_numpy(flipped * sign)), inside

    def _summed(self, rng: np.random.Generator, parts: list[_Part]) -> tuple[Tensor, list[np.ndarray]]:
        """A mixture of spectra, every part from a place of its own."""
        tracks = []
        for part in parts:
            frames = self._frames(part.block.samples) + 1
            latest = part.block.samples // self.scale.hop_length + 1 - frames
            start = int(rng.integers(latest + 1))
            tracks.append(vary(rng, self._spectrum(part, slice(start, start + frames)), self.settings.summed))
        mixture, inside = sum_up(rng, tracks, self.scale.level_db, self.settings.summed)
        return torch.from_numpy(self.scale.from_decibels(mixture).astype(np.float32)), inside


def _mid(decibels: np.ndarray) -> np.ndarray:
    """Mid channel of ``[channel, mel, frame]``: the third of four; of two, their mean power."""
    if len(decibels) > 2:
        return decibels[2]
    return 10.0 * np.log10(np.mean(np.power(10.0, decibels / 10.0), axis=0))


def _gain_db(tracks: list[np.ndarray], lufs: list[float], levels: np.ndarray, mixture: np.ndarray) -> float:
    """What the normalisation of the sum did to all of its tracks."""
    total = np.zeros_like(tracks[0])
    for track, measured, level in zip(tracks, lufs, levels, strict=True):
        total += track * np.float32(10.0 ** ((level - measured) / 20.0))
    before, after = float(np.mean(total**2)), float(np.mean(mixture**2))
    return 10.0 * math.log10(max(after, 1e-20) / max(before, 1e-20))
