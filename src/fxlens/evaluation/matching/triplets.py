"""The triplets of parameter matching: a clean clip, its target under a chain, and references under the same chain.

The chain has seven effects in the paper's order, every one of them audible. ``clean`` and the reference's content are
excerpts of two songs, both brought to -18 LUFS before the chain, so that thresholds mean the same for both::

    target              = chain(clean)
    other-content       = chain(other)      the reference of the first protocol: the effects on other music
    same-content        = chain(clean)      the reference of the second: the target itself
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from fxlens.audio.loudness import normalize_loudness
from fxlens.data.excerpts import Excerpt, draw_excerpt, load_excerpt
from fxlens.data.manifest import Stem
from fxlens.data.style_block import CHAIN_INPUT_LUFS
from fxlens.effects.chain import EffectChain
from fxlens.effects.processor import Range
from fxlens.effects.sampling import draw_effect
from fxlens.errors import DataError, UsageError
from fxlens.evaluation.benchmark.instrument_stems import stems_of_instrument, usable_stems
from fxlens.evaluation.benchmark.recipe import word_number

SEVEN: tuple[str, ...] = (
    "equalizer",
    "multiband_compressor",
    "stereo_imager",
    "gain",
    "distortion",
    "delay",
    "limiter",
)
"""The effects, in the order of the paper."""

Content = Literal["other", "same"]
CONTENTS: tuple[Content, ...] = ("other", "same")


@dataclass(frozen=True)
class TripletSettings:
    """Which triplets there are.

    Args:
        instruments: canonical classes or names of stems; each needs stems of two songs.
        triplets: of each instrument.
        seconds: length of every clip.
        ranges: what the parameters are drawn from, and searched in.
        seed: of all that is drawn.
        sample_rate: Hz.
    """

    instruments: tuple[str, ...]
    triplets: int = 100
    seconds: float = 5.0
    ranges: Range = "default"
    seed: int = 0
    sample_rate: int = 44100

    def __post_init__(self) -> None:
        if not self.instruments or self.triplets < 1 or not self.seconds >= 0.5:
            raise UsageError("matching needs an instrument, a triplet, and clips of at least half a second")
        if len(set(self.instruments)) < len(self.instruments):
            raise UsageError(f"each instrument once, not {', '.join(self.instruments)}")


@dataclass(frozen=True)
class TripletPlan:
    """What was drawn for one triplet; rendering adds no randomness."""

    instrument: str
    index: int
    clean: Excerpt
    other: Excerpt
    chain: EffectChain

    @property
    def key(self) -> int:
        """A number to seed an optimisation by."""
        return word_number(f"{self.instrument} {self.index}")


@dataclass(frozen=True)
class Triplet:
    """A rendered triplet; clips are ``float32 [2, T]``.

    Attributes:
        plan: what was drawn.
        clean: at -18 LUFS, without effects.
        target: the chain on it.
        references: content -> the chain on that content.
    """

    plan: TripletPlan
    clean: np.ndarray
    target: np.ndarray
    references: Mapping[Content, np.ndarray]


@dataclass(frozen=True)
class TripletRecipe:
    """Settings and the stems they draw from; made by :func:`triplet_recipe`."""

    settings: TripletSettings
    stems: Mapping[str, tuple[Stem, ...]]

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits: same key, same triplets."""
        told = {**asdict(self.settings), "triplets": None}  # more of them are the same ones and some others
        stems = {name: [[s.song, s.name, s.sha256] for s in own] for name, own in self.stems.items()}
        return hashlib.sha256(json.dumps([told, stems], sort_keys=True).encode()).hexdigest()[:16]

    def songs(self) -> dict[str, list[str]]:
        """Songs of every instrument, sorted."""
        return {name: sorted({s.song for s in own}) for name, own in self.stems.items()}

    def told(self) -> dict[str, Any]:
        """The settings as plain JSON values, for results; the seed stands beside them there."""
        return {key: value for key, value in json.loads(json.dumps(asdict(self.settings))).items() if key != "seed"}


def triplet_recipe(stems: Sequence[Stem], settings: TripletSettings) -> TripletRecipe:
    """Choose the stems of every instrument.

    Raises:
        DataError: an instrument has usable stems of fewer than two songs.
    """
    usable = usable_stems(stems, settings.seconds)
    chosen = {}
    for name in settings.instruments:
        own = sorted(stems_of_instrument(usable, name), key=lambda s: (s.song, s.name))
        songs = sorted({s.song for s in own})
        if len(songs) < 2:
            raise DataError(
                f"{name}: {len(songs)} song(s) to match on; clean and reference must be of different songs: add a "
                "manifest that has more, or leave the instrument out"
            )
        chosen[name] = tuple(own)
    return TripletRecipe(settings, chosen)


def draw_seven(rng: np.random.Generator, ranges: Range = "default") -> EffectChain:
    """Draw all settings of the seven effects, each of them audible."""
    return EffectChain(tuple(draw_effect(rng, type, ranges) for type in SEVEN))


def draw_triplet(recipe: TripletRecipe, instrument: str, index: int) -> TripletPlan:
    """Draw songs, chain, and for each song a stem and an excerpt, in this order."""
    settings = recipe.settings
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 0x3A7C, word_number(instrument), index]))
    songs = recipe.songs()[instrument]
    chosen = [songs[int(i)] for i in rng.choice(len(songs), size=2, replace=False)]
    chain = draw_seven(rng, settings.ranges)
    excerpts = []
    for song in chosen:
        own = [s for s in recipe.stems[instrument] if s.song == song]
        excerpts.append(draw_excerpt(own[int(rng.integers(len(own)))], settings.seconds, rng))
    return TripletPlan(instrument, index, excerpts[0], excerpts[1], chain)


def render_triplet(plan: TripletPlan, sample_rate: int) -> Triplet:
    """Load the excerpts and apply the chain, exactly.

    Raises:
        AudioError: a stem cannot be read.
    """
    clean, other = (_calibrated(excerpt, sample_rate) for excerpt in (plan.clean, plan.other))
    target = plan.chain.apply(clean, sample_rate)
    return Triplet(plan, clean, target, {"other": plan.chain.apply(other, sample_rate), "same": target})


def _calibrated(excerpt: Excerpt, sample_rate: int) -> np.ndarray:
    audio, _ = normalize_loudness(load_excerpt(excerpt, sample_rate), sample_rate, CHAIN_INPUT_LUFS)
    return np.asarray(audio, dtype=np.float32)
