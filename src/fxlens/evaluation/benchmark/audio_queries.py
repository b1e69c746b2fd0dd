"""Recordings to ask with: the instrument alone, playing other music.

A song outside the evaluation serves where there is one, dry stems before others. Where there is none, songs of the
evaluation ask for each other's clips: a third song where there are three, otherwise the other one of the two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fxlens.audio.loudness import normalize_loudness
from fxlens.data.excerpts import Excerpt, draw_excerpt, load_excerpt
from fxlens.data.manifest import Stem
from fxlens.data.mixture import MIXTURE_LUFS
from fxlens.evaluation.benchmark.instrument_stems import stems_of_instrument, usable_stems
from fxlens.evaluation.benchmark.recipe import Recipe, generator


@dataclass(frozen=True)
class AudioQueries:
    """Excerpts to ask with, for every instrument of a benchmark."""

    excerpts: Mapping[str, tuple[Excerpt, ...]]
    sample_rate: int

    @property
    def key(self) -> str:
        """Eight hexadecimal digits, different for other excerpts."""
        told = {name: [[e.stem.sha256, e.start_seconds, e.seconds] for e in own] for name, own in self.excerpts.items()}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]

    def place(self, instrument: str, song: str, partner: str) -> int:
        """Which excerpt asks in a clip of ``song`` whose partner is of another: one of neither, if there is one."""
        songs = [excerpt.stem.song for excerpt in self.excerpts[instrument]]
        third = [i for i, own in enumerate(songs) if own not in (song, partner)]
        return third[0] if third else next(i for i, own in enumerate(songs) if own != song)

    def statement(self, instrument: str) -> str:
        """Where the excerpts come from."""
        told = [
            f"{e.stem.song}/{e.stem.name}{'' if e.stem.dry else ' (as recorded)'}" for e in self.excerpts[instrument]
        ]
        return ", ".join(told)


def draw_audio_queries(recipe: Recipe, other_stems: Sequence[Stem]) -> AudioQueries:
    """Choose the excerpts.

    Args:
        recipe: the benchmark.
        other_stems: of songs that are not in it.
    """
    settings, chosen = recipe.settings, {}
    for name in settings.instruments:
        songs = set(recipe.songs()[name])
        usable = stems_of_instrument(usable_stems(other_stems, settings.seconds), name)
        others = [s for s in usable if s.song not in songs]
        rng = generator(recipe, "audio query", name)
        if others:
            others.sort(key=lambda s: (not s.dry, s.song, s.name))
            best = [s for s in others if s.dry == others[0].dry]
            stems = [best[int(rng.integers(len(best)))]]
        else:
            by_song = {s.song: s for s in sorted(recipe.stems[name], key=lambda s: (s.song, s.dry, s.name))}
            order = [sorted(by_song)[int(i)] for i in rng.permutation(len(by_song))]
            stems = [by_song[song] for song in order[:3]]  # three: one of them is of neither song
        chosen[name] = tuple(draw_excerpt(stem, settings.seconds, rng) for stem in stems)
    return AudioQueries(chosen, settings.sample_rate)


@lru_cache(maxsize=64)
def load_query(excerpt: Excerpt, sample_rate: int) -> np.ndarray:
    """An excerpt at -18 LUFS, ``float32 [2, T]``."""
    audio, _ = normalize_loudness(load_excerpt(excerpt, sample_rate), sample_rate, MIXTURE_LUFS)
    return np.asarray(audio, dtype=np.float32)
