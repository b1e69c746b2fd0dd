"""Stereo imagers of another make: the bass left alone, or the level held while the image opens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from fxlens.dsp.fast.mixing import widen_in_place


@dataclass(frozen=True)
class OtherImager:
    """An imager.

    Args:
        bass_hz: the side below it keeps its width (first order); None widens all of it.
        level_held: turn down by what uncorrelated channels of equal level would gain.
    """

    bass_hz: float | None
    level_held: bool

    def __call__(self, clip: np.ndarray, sample_rate: int, values: Mapping[str, float]) -> None:
        """Widen or narrow ``float32 [2, T]`` in place; values as of :class:`fxlens.effects.stereo.StereoImager`."""
        width = values["width"]
        if self.bass_hz is None:
            widen_in_place(clip, width)
        else:
            pole = math.exp(-2.0 * math.pi * min(self.bass_hz, 0.25 * sample_rate) / sample_rate)
            half = 0.5 + 0.5 * pole
            side = 0.5 * (clip[0].astype(np.float64) - clip[1])
            change = ((width - 1.0) * lfilter([half, -half], [1.0, -pole], side)).astype(np.float32)
            clip[0] += change
            clip[1] -= change
        if self.level_held and width != 1.0:
            clip *= np.float32(math.sqrt(2.0 / (1.0 + width * width)))


def draw_imager(rng: np.random.Generator) -> OtherImager:
    """Draw an imager."""
    bass_hz = float(np.exp(rng.uniform(math.log(60.0), math.log(250.0)))) if rng.random() < 0.5 else None
    return OtherImager(bass_hz, bool(rng.random() < 0.5))
