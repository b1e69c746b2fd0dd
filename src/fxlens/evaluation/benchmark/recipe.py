"""A benchmark's recipe: stems, settings and a seed. Everything rendered or searched later follows from it.

A *style* is one chain of effects and two excerpts of different songs of one instrument: side 0, the query, and side 1,
the target. A *pool* is the set of styles that are searched together, each the candidate of one query. Styles are dealt
with in *shards*, which are the unit of work: rendered, stored, embedded and resumed as one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fxlens.data.excerpts import Excerpt, draw_excerpt
from fxlens.data.manifest import Stem
from fxlens.effects.chain import EffectChain
from fxlens.effects.processor import Range
from fxlens.effects.sampling import draw_chain
from fxlens.errors import DataError, UsageError
from fxlens.evaluation.benchmark.instrument_stems import stems_of_instrument, usable_stems
from fxlens.evaluation.benchmark.pools import Pool, balanced_pool, effect_count
from fxlens.evaluation.benchmark.renderer import Renderer

STYLES_PER_SHARD = 32


@dataclass(frozen=True)
class BenchmarkSettings:
    """A recipe apart from the stems.

    Args:
        instruments: canonical classes or names of stems; see :func:`stems_of_instrument`.
        pools: what is searched.
        styles: styles, and so candidates, of every pool.
        seconds: length of a clip.
        ranges: parameter ranges of the chains.
        company: other instruments in a controlled extraction mixture.
        seed: of all that is drawn.
        sample_rate: Hz.
    """

    instruments: tuple[str, ...]
    pools: tuple[Pool, ...] = balanced_pool(range(1, 9))
    styles: int = 500
    seconds: float = 10.0
    ranges: Range = "default"
    company: int = 2
    seed: int = 0
    sample_rate: int = 44100

    def __post_init__(self) -> None:
        if self.styles < 2 or not self.pools or not self.instruments or not self.seconds > 0:
            raise UsageError("a benchmark needs an instrument, a pool, two styles and clips longer than nothing")
        if len(set(self.instruments)) < len(self.instruments):
            raise UsageError(f"each instrument once, not {', '.join(self.instruments)}")

    def told(self) -> dict[str, Any]:
        """The settings as plain JSON values, for results; the seed stands beside them there."""
        return {key: value for key, value in json.loads(json.dumps(asdict(self))).items() if key != "seed"}


@dataclass(frozen=True)
class Recipe:
    """Settings, the stems they draw from, and who renders (``None``: fxlens); made by :func:`make_recipe`."""

    settings: BenchmarkSettings
    stems: Mapping[str, tuple[Stem, ...]]
    renderer: Renderer | None = None

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that name the benchmark: same key, same clips."""
        stems = {name: [[s.song, s.name, s.sha256] for s in own] for name, own in self.stems.items()}
        told: list[Any] = [asdict(self.settings), stems]
        if self.renderer is not None:  # our own has no name: keys are as old as the first benchmark
            told.append(self.renderer.identity)
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def songs(self) -> dict[str, list[str]]:
        """Songs of every instrument, sorted."""
        return {name: sorted({s.song for s in stems}) for name, stems in self.stems.items()}

    def shards(self) -> list[range]:
        """Styles of every shard of a pool; nearly equal in size, so that none has a single style."""
        count = -(-self.settings.styles // STYLES_PER_SHARD)
        edges = [round(i * self.settings.styles / count) for i in range(count + 1)]
        return [range(a, b) for a, b in pairwise(edges)]

    def clips(self) -> int:
        """How many clips of single instruments there are."""
        return 2 * self.settings.styles * len(self.settings.pools) * len(self.settings.instruments)

    def statement(self) -> str:
        """What a reader must know of its size."""
        s = self.settings
        songs = ", ".join(f"{name} {len(found)}" for name, found in self.songs().items())
        return (
            f"{len(s.pools)} pool(s) of {s.styles} styles, each the candidate of one query; "
            f"{self.clips()} clips of {s.seconds:g} s; songs: {songs}"
        )


@dataclass(frozen=True)
class StylePlan:
    """What was drawn for one style; rendering adds no randomness."""

    chain: EffectChain
    excerpts: tuple[Excerpt, Excerpt]


def make_recipe(stems: Sequence[Stem], settings: BenchmarkSettings, renderer: Renderer | None = None) -> Recipe:
    """Choose the stems of every instrument.

    Args:
        stems: of the songs to evaluate on, and of no others.
        settings: see :class:`BenchmarkSettings`.
        renderer: applies the chains instead of fxlens; what is drawn does not depend on it.

    Raises:
        DataError: an instrument has usable stems of fewer than two songs.
    """
    usable = usable_stems(stems, settings.seconds)
    chosen = {}
    for name in settings.instruments:
        own = sorted(stems_of_instrument(usable, name), key=lambda s: (s.song, s.name))
        songs = sorted({s.song for s in own})
        if len(songs) < 2:
            there = f" ({songs[0]})" if songs else ""
            raise DataError(
                f"{name}: {len(songs)} song(s){there} to evaluate on; query and target must be of different songs: "
                "add a manifest that has more, or leave the instrument out"
            )
        chosen[name] = tuple(own)
    return Recipe(settings, chosen, renderer)


def word_number(text: str) -> int:
    """A number for a name, to seed by."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def generator(recipe: Recipe, *key: int | str) -> np.random.Generator:
    """Random numbers for one purpose; the same for the same recipe's seed and key."""
    numbers = [word_number(k) if isinstance(k, str) else k for k in key]
    return np.random.default_rng(np.random.SeedSequence([recipe.settings.seed, 0xE7A1, *numbers]))


def draw_songs(recipe: Recipe, instrument: str, pool: Pool, style: int) -> tuple[str, str]:
    """Songs of query and target of a style; the first draw of :func:`draw_style`."""
    return _songs(recipe, instrument, generator(recipe, instrument, pool.label, style))


def _songs(recipe: Recipe, instrument: str, rng: np.random.Generator) -> tuple[str, str]:
    songs = sorted({s.song for s in recipe.stems[instrument]})
    first, second = rng.choice(len(songs), size=2, replace=False)
    return songs[int(first)], songs[int(second)]


def draw_style(recipe: Recipe, instrument: str, pool: Pool, style: int) -> StylePlan:
    """Draw songs, chain, and for each song a stem and an excerpt, in this order."""
    rng = generator(recipe, instrument, pool.label, style)
    songs = _songs(recipe, instrument, rng)
    settings = recipe.settings
    chain = draw_chain(rng, effect_count(pool, style), settings.ranges, types=pool.types)
    excerpts = []
    for song in songs:
        own = [s for s in recipe.stems[instrument] if s.song == song]
        excerpts.append(draw_excerpt(own[int(rng.integers(len(own)))], settings.seconds, rng))
    return StylePlan(chain, (excerpts[0], excerpts[1]))
