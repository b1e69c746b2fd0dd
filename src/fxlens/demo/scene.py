"""A mixture whose every instrument and effect is known, so that one of them can be changed alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from fxlens.audio.loudness import integrated_loudness
from fxlens.data.mixture import mix
from fxlens.data.synthesis.synthetic import MIX_GAINS_DB, STEM_INSTRUMENTS, synthesize_song
from fxlens.effects.chain import EffectChain, calibrate
from fxlens.effects.effect import Effect
from fxlens.effects.equalizer import BANDS
from fxlens.effects.sampling import draw_effect
from fxlens.errors import UsageError

SONG_SECONDS = 30.0
SONG_STEMS = ("vocals", "drums", "bass", "keys", "lead")
SONG_CHAINS: dict[str, EffectChain] = {
    "vocals": EffectChain(
        (
            Effect("compressor", parameters={"threshold_db": -30.0, "ratio": 4.0, "attack_ms": 5.0}),
            Effect("delay", parameters={"time_ms": 120.0, "feedback": 0.25, "wet": 0.3}),
        )
    ),
    "drums": EffectChain(),
    "bass": EffectChain(
        (Effect("equalizer", parameters={"low_shelf_gain_db": 6.0, "low_shelf_cutoff_hz": 90.0,
                                         "high_shelf_gain_db": -9.0, "high_shelf_cutoff_hz": 4000.0}),)
    ),
    "keys": EffectChain((Effect("stereo_imager", parameters={"width": 1.8}),)),
    "lead": EffectChain((Effect("reverb", parameters={"seed": 3.0, "decay_seconds": 1.8, "wet": 0.25}),)),
}  # fmt: skip
"""What is done to the stems of the song; the drums are dry."""

STRONG_TYPES = ("equalizer", "distortion", "delay", "reverb", "stereo_imager")
STRONG_EFFECTS = 3
LEAST_STRONG = 0.3
"""Smallest :meth:`Effect.amount` of an effect of a strong chain."""

_LEAST_SIDE_DB = -40.0  # a stem whose two channels differ less is mono, and its width cannot be changed
_TRIES = 1000


@dataclass(frozen=True)
class Part:
    """One instrument of a scene.

    Args:
        instrument: its class, which is also the query for it.
        dry: float32 ``[2, T]`` before its effects.
        chain: what is done to it.
        level_lufs: its integrated loudness in the mixture, whatever is done to it.
        sources: stems or files it comes from.
    """

    instrument: str
    dry: np.ndarray
    chain: EffectChain
    level_lufs: float
    sources: tuple[str, ...]

    def wet(self, sample_rate: int, chain: EffectChain | None = None) -> np.ndarray:
        """Its sound after its own chain or another one; the dry sound meets the chain at -18 LUFS."""
        return (self.chain if chain is None else chain).apply(calibrate(self.dry, sample_rate), sample_rate)

    @property
    def is_stereo(self) -> bool:
        """Whether its channels differ."""
        left, right = self.dry.astype(np.float64)
        side = float(np.mean(np.square(left - right)))
        return side > 10.0 ** (_LEAST_SIDE_DB / 10.0) * float(np.mean(np.square(left + right)))


@dataclass(frozen=True)
class Scene:
    """A mixture in its parts.

    Args:
        parts: instruments whose effects can be changed, one for each class.
        rest: what else is in the mixture and stays as it is, float32 ``[2, T]``.
        sample_rate: Hz.
        start_seconds: where it begins in the files it comes from.
        unchanged: what to call the chain of a part without effects.
    """

    parts: tuple[Part, ...]
    rest: np.ndarray | None
    sample_rate: int
    start_seconds: float = 0.0
    unchanged: str = "dry"

    def wet(self) -> dict[str, np.ndarray]:
        """Every part after its own chain, by instrument."""
        return {part.instrument: part.wet(self.sample_rate) for part in self.parts}

    def mixture(self, wet: dict[str, np.ndarray]) -> np.ndarray:
        """Sum wet parts at the scene's levels; the sum has -18 LUFS. Returns float32 ``[2, T]``."""
        tracks = [wet[part.instrument] for part in self.parts]
        levels = [part.level_lufs for part in self.parts]
        if self.rest is not None:
            tracks.append(self.rest)
            levels.append(float(integrated_loudness(self.rest, self.sample_rate)))
        measured = [float(integrated_loudness(track, self.sample_rate)) for track in tracks]
        return mix(tracks, measured, levels, self.sample_rate)


def song_scene(seed: int, sample_rate: int, seconds: float = SONG_SECONDS) -> Scene:
    """Compose and synthesise a song and give its stems the effects of :data:`SONG_CHAINS`.

    Args:
        seed: which song.
        sample_rate: Hz.
        seconds: length.
    """
    stems = synthesize_song(seed, seconds, sample_rate, SONG_STEMS)
    parts = []
    for name in SONG_STEMS:
        loudness = float(integrated_loudness(stems[name], sample_rate))
        parts.append(
            Part(STEM_INSTRUMENTS[name], stems[name], SONG_CHAINS[name], loudness + MIX_GAINS_DB[name], (name,))
        )
    return Scene(tuple(parts), None, sample_rate)


def draw_strong_chain(rng: np.random.Generator, stereo: bool, present: Collection[str] = ()) -> EffectChain:
    """Draw a chain that nobody misses: three different effects, each at least 0.3 of its range from neutral.

    Args:
        rng: drawn from it: which effects, in random order, then settings until they are strong.
        stereo: whether the sound has a stereo image that could be changed.
        present: types that the sound has now; the chain is of other ones.
    """
    usable = [n for n in STRONG_TYPES if n not in present and (stereo or n != "stereo_imager")]
    chosen = rng.choice(len(usable), size=min(STRONG_EFFECTS, len(usable)), replace=False)
    return EffectChain(tuple(_strong_effect(rng, usable[i]) for i in chosen))


def _strong_effect(rng: np.random.Generator, name: str) -> Effect:
    for _ in range(_TRIES):
        effect = draw_effect(rng, name)
        if effect.amount() >= LEAST_STRONG and (name != "equalizer" or _shapes_the_middle(effect)):
            return effect
    raise UsageError(f"no strong setting of {name} was found")


def _shapes_the_middle(equalizer: Effect) -> bool:
    """Whether two bands of 6 dB or more lie where instruments have their sound, 100 Hz to 8 kHz."""
    values = equalizer.parameters
    strong = [
        abs(values[f"{name}_gain_db"]) >= 6.0 and 100.0 <= values[f"{name}_cutoff_hz"] <= 8000.0 for name, *_ in BANDS
    ]
    return sum(strong) >= 2
