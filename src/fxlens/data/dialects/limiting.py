"""Limiters of another make: a brickwall that looks ahead, steep compressors, compressors with a clipper behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from fxlens.data.dialects import detecting
from fxlens.data.dialects.companding import Character, Curve, draw_character
from fxlens.dsp.envelope import time_coefficient

Kind = Literal["brickwall", "steep", "clipped"]


@dataclass(frozen=True)
class OtherLimiter:
    """A limiter.

    Args:
        kind: ``brickwall`` sees the peak come, within the attack, and never lets it pass; ``steep`` is a compressor
            that takes all above the threshold; ``clipped`` cuts off what such a one lets pass.
        character: of the compressor.
        makeup_share: part of the threshold that is given back as gain, as maximisers do.
    """

    kind: Kind
    character: Character
    makeup_share: float

    def __call__(self, clip: np.ndarray, sample_rate: int, values: Mapping[str, float]) -> None:
        """Limit ``float32 [2, T]`` in place; values as of :class:`fxlens.effects.dynamics.Limiter`."""
        threshold = np.float32(10.0 ** (values["threshold_db"] / 20.0))
        attack_ms, release_ms = values["attack_ms"], values["release_ms"]
        if self.kind == "brickwall":
            clip *= _brickwall(clip, sample_rate, float(threshold), attack_ms, release_ms)
        else:
            curve = Curve(values["threshold_db"], 1.0, attack_ms, release_ms)
            clip *= self.character.gains(clip, sample_rate, curve)
            if self.kind == "clipped":
                np.clip(clip, -threshold, threshold, out=clip)
        clip *= np.float32(10.0 ** (-self.makeup_share * values["threshold_db"] / 20.0))


def draw_limiter(rng: np.random.Generator) -> OtherLimiter:
    """Draw a limiter."""
    kind: Kind = ("brickwall", "steep", "clipped")[int(rng.integers(3))]
    # A limiter answers peaks: power would let them pass, a wide knee would begin far below the threshold.
    character = replace(draw_character(rng), detector="peak", knee_db=float(rng.choice([0.0, 2.0])), lookahead_ms=0.0)
    if character.link == "power":
        character = replace(character, link="peak")
    return OtherLimiter(kind, character, float(rng.choice([0.0, 0.0, 0.5, 1.0])))


def _brickwall(clip: np.ndarray, sample_rate: int, threshold: float, attack_ms: float, release_ms: float) -> np.ndarray:
    """Gains ``float32 [T]`` under which no sample exceeds the threshold."""
    peak = np.abs(clip).max(axis=0)
    reach = max(1, round(attack_ms * 1e-3 * sample_rate))
    # The least gain of the samples within reach on both sides; its mean over as many can then not exceed any of them.
    depth = 1.0 - np.minimum(1.0, threshold / np.maximum(peak, 1e-9))
    depth = maximum_filter1d(depth, 2 * reach + 1, mode="nearest").astype(np.float32)
    detecting.branching(depth, 1.0, time_coefficient(release_ms, sample_rate))
    return 1.0 - uniform_filter1d(depth, 2 * reach + 1, mode="nearest")
