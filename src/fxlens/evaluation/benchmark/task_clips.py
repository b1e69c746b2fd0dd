"""What a system hears in each task, made of a shard's single clips: stems, mixtures, one instrument in company.

* **stem**: the clip alone.
* **mixture**: style i of every instrument; all chains are shared by query and target, the levels are not. The paper's
  extraction task uses the same mixtures.
* **controlled**: style i of one instrument in company. Instruments, styles and levels of the company are drawn for
  query and target independently, and from styles that the other side never draws from: no companion of any query has
  the chain of a companion of any target. So nothing but the one instrument's effects links the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fxlens.data.mixture import MIXTURE_LUFS, draw_track_levels, mix
from fxlens.evaluation.benchmark.pools import Pool
from fxlens.evaluation.benchmark.recipe import Recipe, generator
from fxlens.evaluation.benchmark.shard_rendering import Shard


@dataclass(frozen=True)
class ShardClips:
    """One shard of all instruments."""

    recipe: Recipe
    pool: Pool
    number: int
    shards: Mapping[str, Shard]

    @property
    def styles(self) -> range:
        """Styles of this shard, numbered within the pool."""
        return self.recipe.shards()[self.number]

    def stem(self, instrument: str, side: int) -> Iterator[np.ndarray]:
        """Single clips, ``float32 [2, T]`` at -18 LUFS."""
        for row in range(len(self.styles)):
            yield self._mix([(instrument, row)], side, np.array([MIXTURE_LUFS]))

    def mixture(self, side: int) -> Iterator[np.ndarray]:
        """Mixtures of all instruments, ``float32 [2, T]`` at -18 LUFS."""
        names = self.recipe.settings.instruments
        for row, style in enumerate(self.styles):
            rng = generator(self.recipe, "mixture", self.pool.label, style, side)
            yield self._mix([(name, row) for name in names], side, draw_track_levels(rng, len(names)))

    def controlled(self, target: str, side: int) -> Iterator[np.ndarray]:
        """The target in company, ``float32 [2, T]`` at -18 LUFS."""
        for row, style in enumerate(self.styles):
            rng = generator(self.recipe, "controlled", target, self.pool.label, style, side)
            company = self.draw_company(target, side, rng)
            levels = draw_track_levels(rng, 1 + len(company))
            yield self._mix([(target, row), *company], side, levels)

    def draw_company(self, target: str, side: int, rng: np.random.Generator) -> list[tuple[str, int]]:
        """Draw other instruments, and for each a row of this shard: an even one for queries, an odd one for targets.

        Were they drawn from all rows, a query would share a companion's chain with its own target more often than with
        targets of other shards, and hearing the company alone would be rewarded. The target's own row is allowed:
        instruments of one row have nothing in common.
        """
        others = [n for n in self.recipe.settings.instruments if n != target]
        count = min(self.recipe.settings.company, len(others))
        chosen = rng.choice(len(others), size=count, replace=False)
        rows = rng.choice(np.arange(side, len(self.styles), 2), size=count)
        return [(others[int(o)], int(row)) for o, row in zip(chosen, rows, strict=True)]

    def _mix(self, tracks: list[tuple[str, int]], side: int, levels: np.ndarray) -> np.ndarray:
        clips = [self.shards[name].clip(row, side) for name, row in tracks]
        lufs = [float(self.shards[name].lufs[row, side]) for name, row in tracks]
        return mix(clips, lufs, levels, self.recipe.settings.sample_rate)
