"""Contrastive batches made of pooled style blocks. Batch ``i`` is a pure function of (seed, i) and the pool.

Two parts, because two things have to be learnt:

* **mixtures**: all instruments' chains are shared by the two views of a pair (requirement 10). A composition, the
  set of 1-4 instruments, is the same for the whole batch (requirement 9).
* **extraction**: the two mixtures of a pair share the chain of the *target* instrument only; all others have other
  songs, other chains and other levels. Only a model that listens to the queried instrument can pair them. With
  ``controlled=False`` the mixtures of a pair share all chains, as the paper has it.

Within a group of ``chains`` neighbouring samples the music is the same and only chains differ: hard negatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fxlens.data.augmentation import AugmentSettings, augment
from fxlens.data.mixture import draw_track_levels, mix
from fxlens.data.style_labels import Track, labels_of
from fxlens.data.style_pool import StoredBlock, StylePool, by_instrument
from fxlens.errors import ConfigError, DataError

Band = tuple[StoredBlock, ...]
"""Blocks that are mixed together, the one that may be asked for first."""

REMAINDER = "other"
"""The rest of a band: may be mixed in, is never asked for."""


@dataclass(frozen=True)
class BatchSettings:
    """What a batch is made of.

    Args:
        mixture_groups: groups of the mixture part; each gives ``chains`` pairs.
        extraction_groups: groups of the extraction part; 0 leaves it out.
        stems_only: of the extraction part, make the isolated stems and not the mixtures around them.
        chains: chains taken of each block.
        hard_from_batch: before this batch a block gives one chain only, to as many more groups. Telling near twins
            apart teaches nothing to a network that does not yet hear effects at all.
        instruments: fewest and most instruments in a mixture.
        controlled: see the module's text.
        same_mixtures: ask for the target in the mixtures of the mixture part, as the paper does, and make no others.
        wet_queries: with ``same_mixtures``, ask with the very stem that is in the mixture, effects and all, and not
            with other music of the dry instrument. It tells the answer: here to measure how much.
        one_composition: all pairs of the mixture part have the same instruments; otherwise each group has its own, and
            what plays tells pairs apart.
        initial_blocks: blocks that batch 0 may use.
        blocks_per_batch: how many more each further batch may use.
        total_blocks: the pool never grows beyond this.
        window_blocks: only the newest so many are used (what fits in memory).
        company_db: by how much the target's company is quieter at batch 0. Finding one instrument among equals is
            learnt slowly; finding it in front of the others is a short way from hearing it alone.
        company_batches: batch at which the company has come up, linearly in decibels, to its full level.
        crop_seconds: length of the piece of a block that a view shows, placed at random; None shows all of it.
    """

    mixture_groups: int = 8
    extraction_groups: int = 6
    stems_only: bool = False
    chains: int = 4
    hard_from_batch: int = 0
    instruments: tuple[int, int] = (1, 4)
    controlled: bool = True
    same_mixtures: bool = False
    wet_queries: bool = False
    one_composition: bool = True
    initial_blocks: int = 400
    blocks_per_batch: float = 0.5
    total_blocks: int = 4000
    window_blocks: int = 2000
    company_db: float = 0.0
    company_batches: int = 0
    crop_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.wet_queries and not self.same_mixtures:
            raise ConfigError("batch.wet_queries asks in the mixtures of the mixture part: set batch.same_mixtures")
        if not self.one_composition and self.same_mixtures:
            raise ConfigError("batch.same_mixtures asks for one instrument a batch: it needs batch.one_composition")

    def company_gain_db(self, index: int) -> float:
        """Gain of the target's company at batch ``index``."""
        left = 1.0 - index / self.company_batches if self.company_batches else 0.0
        return -self.company_db * max(0.0, left)

    def at(self, index: int) -> BatchSettings:
        """The settings in force at batch ``index``."""
        if index >= self.hard_from_batch or self.chains == 1:
            return self
        return replace(
            self,
            mixture_groups=self.mixture_groups * self.chains,
            extraction_groups=self.extraction_groups * self.chains,
            chains=1,
        )

    def limit(self, index: int) -> int:
        """How many blocks batch ``index`` may use."""
        return min(self.total_blocks, self.initial_blocks + int(index * self.blocks_per_batch))


class StyleBatches(Dataset[dict[str, Any]]):
    """Map-style data set whose items are whole batches.

    An item holds ``mixture`` ``[N, 2, 2, T]`` (pair, view, channel, sample), and, where there is an extraction part,
    ``extraction`` ``[M, 2, 2, T]``, ``stem`` ``[M, 2, 2, T]`` (the target alone, wet), ``dry`` ``[groups, 2, T]``
    (query excerpts, one a group) and ``target`` (the instrument's name); with ``stems_only`` just ``stem`` and
    ``target``; with ``same_mixtures`` just ``dry`` and ``target``, and with ``wet_queries`` also ``own`` float16
    ``[N, 2, T]`` (pair, view, sample), what the target plays in each mixture.

    With ``labels`` there are, for ``mixture`` and for ``stem``, also ``mixture_effects`` ``[N, E]``,
    ``mixture_parameters`` ``[N, P]``, ``mixture_order`` ``[N, O]`` (see :mod:`fxlens.data.chain_labels`) and
    ``mixture_style`` int64 ``[N]``, a number that equal chains of the same blocks have in all batches.

    Every view is augmented by itself, after the mix (:mod:`fxlens.data.augmentation`).

    With ``transform`` every view passes through it before it is stacked, in the loader's process: a spectrogram made
    where the clip still lies in the cache is a third of the work, and a quarter of what travels to the network.
    """

    def __init__(
        self,
        folder: Path,
        settings: BatchSettings,
        seed: int,
        batches: int,
        sample_rate: int = 44100,
        transform: Callable[[Tensor], Tensor] | None = None,
        augmentation: AugmentSettings | None = None,
        labels: bool = False,
    ) -> None:
        self.settings, self.seed, self.batches, self.sample_rate = settings, seed, batches, sample_rate
        self._pool = StylePool(folder, settings.window_blocks)
        self._transform = transform
        self._augmentation = augmentation or AugmentSettings()
        self._labels = labels
        if settings.chains < 1:
            raise DataError("a batch needs at least one chain of each block")
        self._crop_samples = round((settings.crop_seconds or 0.0) * sample_rate)

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < self.batches:
            raise IndexError(index)
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, index, 0xBA7C]))
        groups = by_instrument(self._pool.upto(self.settings.limit(index)))
        settings = self.settings.at(index)
        if settings.one_composition:
            names = self._composition(rng, groups, settings.instruments[0])
            picked = [self._pick(rng, groups[name], settings.mixture_groups) for name in names]
            bands = list(zip(*picked, strict=True))
        else:
            bands = [self._band(rng, groups, settings.instruments[0]) for _ in range(settings.mixture_groups)]
        item = self._mixtures(rng, bands, settings)
        if settings.same_mixtures:
            item |= {"dry": _dry([band[0] for band in bands]), "target": bands[0][0].instrument}
        elif settings.extraction_groups:
            item.update(self._extraction(rng, groups, settings, self.settings.company_gain_db(index)))
        return item

    def _composition(self, rng: np.random.Generator, groups: dict[str, list[StoredBlock]], fewest: int) -> list[str]:
        """Draw the instruments of this batch: at least one of them can be asked for, and it comes first."""
        targets = [n for n in sorted(groups) if n != REMAINDER]
        if not targets:
            raise DataError("the pool has no instrument that can be asked for")
        # Instruments weigh by the square root of their blocks: rare ones are heard, common ones lead.
        weight = np.sqrt([len(groups[n]) for n in targets])
        first = targets[int(rng.choice(len(targets), p=weight / weight.sum()))]
        rest = [n for n in sorted(groups) if n != first]
        count = int(rng.integers(fewest, self.settings.instruments[1] + 1))
        weight = np.sqrt([len(groups[n]) for n in rest])
        size = min(count - 1, len(rest))
        if size == 0:
            return [first]
        others = rng.choice(len(rest), size=size, replace=False, p=weight / weight.sum())
        return [first, *(rest[int(i)] for i in others)]

    def _pick(self, rng: np.random.Generator, blocks: list[StoredBlock], count: int) -> list[StoredBlock]:
        order = rng.permutation(len(blocks))
        return [blocks[int(order[i % len(blocks)])] for i in range(count)]

    def _band(self, rng: np.random.Generator, groups: dict[str, list[StoredBlock]], fewest: int) -> Band:
        """Draw instruments for one group, and a block of each."""
        return tuple(self._pick(rng, groups[name], 1)[0] for name in self._composition(rng, groups, fewest))

    def _mixtures(self, rng: np.random.Generator, bands: Sequence[Band], s: BatchSettings) -> dict[str, Any]:
        pairs, styles, own = [], [], []
        for band in bands:
            orders = [rng.permutation(block.chains) for block in band]
            for c in range(s.chains):
                tracks = [(block, int(o[c])) for block, o in zip(band, orders, strict=True)]
                pairs.append(torch.stack([self._view(rng, tracks, view) for view in (0, 1)]))
                styles.append(tracks)
                if s.wet_queries:
                    own.append(torch.stack([_own(*tracks[0], view) for view in (0, 1)]))
        item: dict[str, Any] = {"mixture": torch.stack(pairs), **self._labelled("mixture", styles)}
        return item | ({"own": torch.stack(own)} if own else {})

    def _labelled(self, name: str, styles: Sequence[Sequence[Track]]) -> dict[str, Tensor]:
        """Labels of the pairs of one part, where they are wanted."""
        return labels_of(name, styles) if self._labels else {}

    def _extraction(
        self, rng: np.random.Generator, groups: dict[str, list[StoredBlock]], s: BatchSettings, company_db: float
    ) -> dict[str, Any]:
        names = self._composition(rng, groups, max(2, s.instruments[0]))
        target = self._pick(rng, groups[names[0]], s.extraction_groups)
        others = [self._pick(rng, groups[n], 2 * s.extraction_groups) for n in names[1:]]
        mixtures, stems, styles = [], [], []
        for g in range(s.extraction_groups):
            # The company of the target is fixed for a group and view, so that within it only the target's effects
            # tell the samples apart; the two views have different company.
            views = (g, g) if not s.controlled else (g, g + s.extraction_groups)
            chains = rng.random((2, len(others)))
            if not s.controlled:
                chains[1] = chains[0]
            order = rng.permutation(target[g].chains)
            for c in range(s.chains):
                alone = (target[g], int(order[c]))
                stems.append(torch.stack([self._view(rng, [alone], view) for view in (0, 1)]))
                styles.append([alone])
                if s.stems_only:
                    continue
                pair = []
                for view in (0, 1):
                    playing = [o[views[view]] for o in others]
                    company = [(b, int(u * b.chains)) for b, u in zip(playing, chains[view], strict=True)]
                    pair.append(self._view(rng, [alone, *company], view, company_db))
                mixtures.append(torch.stack(pair))
        if s.stems_only:
            return {"stem": torch.stack(stems), "target": names[0], **self._labelled("stem", styles)}
        return {
            "extraction": torch.stack(mixtures),
            "stem": torch.stack(stems),
            "dry": _dry(target),
            "target": names[0],
            **self._labelled("stem", styles),
        }

    def _view(self, rng: np.random.Generator, tracks: Sequence[Track], view: int, company_db: float = 0.0) -> Tensor:
        levels = draw_track_levels(rng, len(tracks))
        levels[1:] += company_db
        audio = [block.wet(chain, view) for block, chain in tracks]
        lufs = [float(block.lufs[chain, view]) for block, chain in tracks]
        mixture = mix(audio, lufs, levels, self.sample_rate)
        length = mixture.shape[1] if self.settings.crop_seconds is None else self._crop_samples
        start = int(rng.integers(mixture.shape[1] - length + 1))
        # Polarity and the naming of left and right are no effects: an embedding must not see them.
        sign = np.float32(rng.choice((-1.0, 1.0)))
        flipped = mixture[::-1] if rng.random() < 0.5 else mixture
        mono_safe = not any(block.moves_the_image(chain, view) for block, chain in tracks)
        heard = flipped[:, start : start + length] * sign
        clip = torch.from_numpy(augment(heard, self.sample_rate, rng, self._augmentation, mono_safe))
        return clip if self._transform is None else self._transform(clip)


def _own(block: StoredBlock, chain: int, view: int) -> Tensor:
    """What an instrument plays in a mixture, effects and all: ``float16 [T]``, both channels together."""
    return torch.from_numpy(block.wet(chain, view).mean(axis=0).astype(np.float16))


def _dry(blocks: Sequence[StoredBlock]) -> Tensor:
    """Query excerpts of some blocks, ``[B, 2, T]``."""
    return torch.from_numpy(np.stack([block.dry() for block in blocks]))
