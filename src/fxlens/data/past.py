"""What a stem has been through before it came here: the tape it ran from, and what its first engineer did.

Rendered parts are dry and spotless, recordings are not: a voice that we call dry has met a microphone, a desk, a room.
A model that learns effects on spotless stems alone reads a recording's past as part of the chain it is asked about, and
tells the same chain on two recordings apart. So in training a content may get a past of its own: played a little
faster or slower, then passed through a few effects at part of their strength. The chains of a block come after, all on
the same past; the two contents of a block have two. What is common to the two views is then the chain and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxlens.effects.amount import at_amount
from fxlens.effects.chain import EffectChain
from fxlens.effects.sampling import draw_chain
from fxlens.errors import ConfigError

TYPES = ("equalizer", "multiband_compressor", "compressor", "distortion", "stereo_imager", "reverb", "delay")
"""What a past is made of. No gain and no limiter: every content meets its chain at one loudness."""

LIKELIHOOD = {"distortion": 0.5, "delay": 0.3}
"""Of a type, against 1 for the others: few recordings echo, most have been equalised."""


@dataclass(frozen=True)
class PastSettings:
    """How contents are given a past.

    Args:
        share: of synthesised contents that get effects.
        recorded_share: of recordings that get effects, on top of what they have been through already.
        n_effects: fewest and most of them.
        amount: least and most strength, drawn alike, see :func:`fxlens.effects.amount.at_amount`.
        semitones: contents are played faster or slower by at most so much, as a tape would be; 0 leaves them.
    """

    share: float = 0.0
    recorded_share: float = 0.0
    n_effects: tuple[int, int] = (1, 4)
    amount: tuple[float, float] = (0.2, 0.7)
    semitones: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0 or not 0.0 <= self.recorded_share <= 1.0:
            raise ConfigError("block.past: shares lie between 0 and 1")
        if not 0.0 <= self.semitones <= 12.0:
            raise ConfigError(f"block.past.semitones must lie between 0 and 12, not {self.semitones:g}")
        if not 0.0 <= self.amount[0] <= self.amount[1] <= 1.0:
            raise ConfigError(f"block.past.amount must rise within 0 and 1, not {list(self.amount)}")
        if not 1 <= self.n_effects[0] <= self.n_effects[1] <= len(TYPES):
            raise ConfigError(f"block.past.n_effects must rise within 1 and {len(TYPES)}, not {list(self.n_effects)}")


@dataclass(frozen=True)
class Past:
    """One content's past.

    Attributes:
        speed: how much faster it is played; pitch and tempo change together.
        effects: what it passed through; None is nothing.
    """

    speed: float = 1.0
    effects: EffectChain | None = None


def draw_past(rng: np.random.Generator, settings: PastSettings, recorded: bool) -> Past:
    """Draw a past: the same number of draws whatever comes of it, but for the effects themselves."""
    semitones = settings.semitones * (2.0 * float(rng.random()) - 1.0)
    amount = settings.amount[0] + (settings.amount[1] - settings.amount[0]) * float(rng.random())
    chosen = rng.random() < (settings.recorded_share if recorded else settings.share)
    effects = None
    if chosen:
        effects = at_amount(draw_chain(rng, settings.n_effects, "default", LIKELIHOOD, TYPES), amount)
    return Past(2.0 ** (semitones / 12.0), effects)
