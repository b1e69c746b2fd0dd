"""Multiband compressors of another make: other crossovers, and compressors of other character in their bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fxlens.data.dialects.companding import Character, Curve, draw_character
from fxlens.data.dialects.crossing import causal_bands, smooth_bands
from fxlens.effects.multiband import BANDS, SMALLEST_EXPANDER_RATIO


@dataclass(frozen=True)
class OtherMultiband:
    """A compressor and expander in three bands, mixed with what it left out.

    Args:
        character: of the compressor in every band.
        order: of the crossover's filters, see :func:`causal_bands`; 0 takes smooth bands of linear phase.
        octaves: width of these.
    """

    character: Character
    order: int
    octaves: float

    def __call__(self, clip: np.ndarray, sample_rate: int, values: Mapping[str, float]) -> None:
        """Process ``float32 [2, T]`` in place; values as of :class:`fxlens.effects.multiband.MultibandCompressor`.

        Where no band takes anything, causal bands leave the clip's phase turned, its magnitude as it was.
        """
        mix = np.float32(values["mix"])
        if mix == 0.0:
            return
        cutoffs = values["low_crossover_hz"], values["high_crossover_hz"], sample_rate
        bands = causal_bands(clip, *cutoffs, self.order) if self.order else smooth_bands(clip, *cutoffs, self.octaves)
        clip[:] = 0.0
        for name, band in zip(BANDS, bands, strict=True):
            ratio = min(max(values[f"{name}_expander_ratio"], SMALLEST_EXPANDER_RATIO), 1.0)
            curve = Curve(
                values[f"{name}_threshold_db"],
                1.0 - 1.0 / values[f"{name}_ratio"],
                values[f"{name}_attack_ms"],
                values[f"{name}_release_ms"],
                values[f"{name}_expander_threshold_db"],
                1.0 / ratio - 1.0,
            )
            gains = self.character.gains(band, sample_rate, curve)
            gains -= np.float32(1.0)
            gains *= mix
            gains += np.float32(1.0)
            band *= gains
            clip += band


def draw_multiband(rng: np.random.Generator) -> OtherMultiband:
    """Draw a multiband compressor."""
    return OtherMultiband(draw_character(rng), int(rng.choice([0, 1, 2, 2, 4])), float(rng.uniform(0.5, 2.0)))
