"""Sensitivity: does the distance between embeddings follow the setting of a single parameter?

A *base* is a dry excerpt and drawn settings of one effect. One of its parameters is set to five values, equal steps of
the unit range; everything else stays, the music too. Of the ten pairs of values, the rank correlation (Spearman's rho)
of distance in the parameter and cosine distance of the embeddings is 1 if larger changes always lie further apart, and
0 for a system that does not hear the parameter, or hears it without order. A gain is heard through a limiter after it:
alone, loudness normalisation takes it back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fxlens.audio.loudness import normalize_loudness
from fxlens.data.excerpts import draw_excerpt, load_excerpt
from fxlens.data.manifest import Stem
from fxlens.data.mixture import MIXTURE_LUFS
from fxlens.data.style_block import CHAIN_INPUT_LUFS
from fxlens.effects.chain import EffectChain
from fxlens.effects.processor import Range
from fxlens.effects.rendering import render_chains
from fxlens.effects.sampling import TRAINING_TYPES, draw_effect
from fxlens.evaluation.benchmark.recipe import word_number

UNIT_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class SensitivitySettings:
    """What is tried.

    Args:
        instruments: of the excerpts, taken in turn.
        bases: excerpts with settings, for every effect.
        seconds: length of an excerpt.
        ranges: what the unit range stands for.
        types: effects.
        seed: of all that is drawn.
    """

    instruments: tuple[str, ...]
    bases: int = 24
    seconds: float = 5.0
    ranges: Range = "default"
    types: tuple[str, ...] = TRAINING_TYPES
    seed: int = 0
    sample_rate: int = 44100

    def told(self) -> dict[str, object]:
        """As plain JSON values, for results."""
        told = json.loads(json.dumps(asdict(self)))
        return {**{k: v for k, v in told.items() if k != "seed"}, "unit_steps": list(UNIT_STEPS)}


@dataclass(frozen=True)
class SensitivityRecipe:
    """Settings and the stems they draw from."""

    settings: SensitivitySettings
    stems: Mapping[str, tuple[Stem, ...]]

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits: same key, same clips."""
        stems = {name: [[s.song, s.name, s.sha256] for s in own] for name, own in self.stems.items()}
        told = [asdict(self.settings), list(UNIT_STEPS), stems]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def instrument(self, base: int) -> str:
        """Whose excerpt a base has."""
        return self.settings.instruments[base % len(self.settings.instruments)]


@dataclass(frozen=True)
class Base:
    """A dry excerpt ``[2, T]`` and a chain whose effect at ``place`` is looked at."""

    dry: np.ndarray
    chain: EffectChain
    place: int

    def parameters(self, ranges: Range) -> list[str]:
        """Names of the parameters that can be moved."""
        return EffectChain((self.chain.effects[self.place],)).parameter_names(ranges)

    def moved(self, parameter: int, unit: float, ranges: Range) -> EffectChain:
        """The chain with one parameter set."""
        effect = EffectChain((self.chain.effects[self.place],))
        values = effect.unit(ranges).double()
        values[parameter] = unit
        # Settings that stay are not taken through the unit range and back: they stay to the last bit.
        moved = effect.with_unit(torch.as_tensor(values), ranges).effects[0].parameters
        name = self.parameters(ranges)[parameter].rpartition(".")[2]
        own = self.chain.effects[self.place]
        changed = replace(own, parameters={**own.parameters, name: moved[name]})
        return EffectChain((*self.chain.effects[: self.place], changed, *self.chain.effects[self.place + 1 :]))


def draw_base(recipe: SensitivityRecipe, type: str, number: int) -> Base:
    """Draw settings, stem and excerpt of a base, and read the excerpt.

    Raises:
        AudioError: the stem cannot be read.
    """
    settings = recipe.settings
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 0x5E45, word_number(type), number]))
    effects = [draw_effect(rng, type, settings.ranges)]
    if type == "gain":
        effects.append(draw_effect(rng, "limiter", settings.ranges))
    own = recipe.stems[recipe.instrument(number)]
    songs = sorted({s.song for s in own})
    song = songs[int(rng.integers(len(songs)))]
    of_song = [s for s in own if s.song == song]
    excerpt = draw_excerpt(of_song[int(rng.integers(len(of_song)))], settings.seconds, rng)
    dry, _ = normalize_loudness(load_excerpt(excerpt, settings.sample_rate), settings.sample_rate, CHAIN_INPUT_LUFS)
    return Base(np.asarray(dry, dtype=np.float32), EffectChain(tuple(effects)), 0)


def embed_base(
    recipe: SensitivityRecipe, type: str, number: int, embed: Callable[[np.ndarray, int], np.ndarray]
) -> np.ndarray:
    """Embeddings of one base, ``[parameters, steps, D]``."""
    settings, base = recipe.settings, draw_base(recipe, type, number)
    rows = []
    for parameter in range(len(base.parameters(settings.ranges))):
        chains = [base.moved(parameter, unit, settings.ranges) for unit in UNIT_STEPS]
        clips = np.repeat(base.dry[None], len(chains), axis=0)
        rows.append(
            embed(render_chains(chains, clips, settings.sample_rate, target_lufs=MIXTURE_LUFS), settings.sample_rate)
        )
    return np.stack(rows)


def parameter_names(type: str, ranges: Range) -> list[str]:
    """Names of an effect's parameters, in the order of :func:`embed_base`."""
    effect = draw_effect(np.random.default_rng(0), type, ranges)
    return [name.rpartition(".")[2] for name in EffectChain((effect,)).parameter_names(ranges)]


def embeddings_file(cache: Path, recipe: SensitivityRecipe, identity: str, type: str, number: int) -> Path:
    """Where the embeddings of one base are kept."""
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return cache / recipe.key / "embeddings" / name / type / f"{number:04d}.npz"
