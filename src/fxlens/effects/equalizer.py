"""Parametric equaliser: a low shelf, four peaks and a high shelf, one after the other.

Each is a second-order section after R. Bristow-Johnson's audio EQ cookbook (see :mod:`fxlens.dsp.filters`).
The sections commute up to rounding, and the effect is linear, so it does not matter how loud the input is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.signal import sosfilt
from torch import Tensor

from fxlens.dsp.fast.cascade import cascade_coefficients, cascade_in_place
from fxlens.dsp.filters import (
    Kind,
    Section,
    biquad,
    decay_samples,
    filter_differentiable,
    section,
)
from fxlens.effects.processor import Parameter, Processor, Run

HIGHEST_HZ = 21_050.0
"""1 kHz below the Nyquist frequency of 44.1 kHz; at lower rates the filters hold cutoffs below Nyquist."""

HIGHEST_Q = 5.0
_TINY = 1e-30

BANDS: tuple[tuple[str, Kind, float, float, float], ...] = (
    ("low_shelf", "low_shelf", 20.0, 2_000.0, 0.7),
    ("band0", "peak", 80.0, 2_000.0, 1.0),
    ("band1", "peak", 2_000.0, 8_000.0, 1.0),
    ("band2", "peak", 8_000.0, 12_000.0, 1.0),
    ("band3", "peak", 12_000.0, HIGHEST_HZ, 1.0),
    ("high_shelf", "high_shelf", 4_000.0, HIGHEST_HZ, 0.7),
)
"""Name, kind, lowest and highest cutoff in Hz, and the Q a preset gets that does not say one."""


def _declare() -> tuple[Parameter, ...]:
    declared: list[Parameter] = []
    for name, _, low, high, q in BANDS:
        declared += [
            Parameter(f"{name}_gain_db", -12.0, 12.0, 0.0),
            Parameter(f"{name}_cutoff_hz", low, high, round((low * high) ** 0.5, 1), log=True),
            Parameter(f"{name}_q", 0.5, HIGHEST_Q, q, log=True),
        ]
    return tuple(declared)


def _sections(sample_rate: int, values: Mapping[str, Any]) -> list[Section]:
    return [
        section(kind, values[f"{name}_gain_db"], values[f"{name}_cutoff_hz"], values[f"{name}_q"], sample_rate)
        for name, kind, *_ in BANDS
    ]


@lru_cache(maxsize=16)
def _longest_tail(sample_rate: int) -> int:
    """Samples that the slowest setting in the declared ranges rings: the lowest cutoff with the highest Q."""
    _, kind, low, *_ = BANDS[0]
    slowest = [section(kind, gain_db, low, HIGHEST_Q, sample_rate) for gain_db in (-12.0, 12.0)]
    return decay_samples(np.stack([biquad(part) for part in slowest]))


class Equalizer(Processor):
    """Raise or lower six regions of the spectrum, both channels alike."""

    type = "equalizer"
    parameters = _declare()

    def onwards(self, sample_rate: int, **values: float) -> Run:
        """Make :meth:`reference` for a clip that comes in blocks."""
        rows = np.stack([biquad(part) for part in _sections(sample_rate, values)])
        state = np.zeros((len(rows), 2, 2))

        def run(block: np.ndarray) -> np.ndarray:
            nonlocal state
            if not block.size:
                return block
            filtered, state = sosfilt(rows, block, axis=-1, zi=state)
            # A filter that has heard nothing for long would end in denormal numbers, which are slow.
            state[np.abs(state) < _TINY] = 0.0
            return np.asarray(filtered)

        return run

    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        return self.onwards(sample_rate, **values)(audio)

    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        heard = [
            biquad(part)
            for part, (name, *_) in zip(_sections(sample_rate, values), BANDS, strict=True)
            if values[f"{name}_gain_db"] != 0.0
        ]
        if heard:
            cascade_in_place(clip, *cascade_coefficients(np.stack(heard)))

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        # [B] numbers in float64 cost nothing, and low cutoffs are better off.
        exact = {name: value.to(device=audio.device).double() for name, value in values.items()}
        return filter_differentiable(audio, _sections(sample_rate, exact), _longest_tail(sample_rate))
