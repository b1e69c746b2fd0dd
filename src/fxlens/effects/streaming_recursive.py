"""Equaliser, compressor and limiter in blocks: recursions whose state is carried on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.signal import sosfilt

from fxlens.dsp.envelope import DETECTOR_FALL_MS, time_coefficient
from fxlens.dsp.filters import biquad, section
from fxlens.dsp.streaming_kernels import compander_gain_onwards, limiter_gain_onwards, rest
from fxlens.effects.dynamics import NARROWEST_KNEE_DB, SHORTEST_MS, require
from fxlens.effects.equalizer import BANDS
from fxlens.effects.streaming_stage import Run

# A filter that has heard nothing for long would end in denormal numbers, which are slow.
_TINY = 1e-30


def equalizer(sample_rate: int, values: Mapping[str, float]) -> Run:
    """Make :class:`fxlens.effects.equalizer.Equalizer` for blocks."""
    sections = np.stack(
        [
            biquad(section(kind, values[f"{n}_gain_db"], values[f"{n}_cutoff_hz"], values[f"{n}_q"], sample_rate))
            for n, kind, *_ in BANDS
        ]
    )
    state = np.zeros((len(sections), 2, 2))

    def run(block: np.ndarray) -> np.ndarray:
        nonlocal state
        if not block.size:
            return block
        filtered, state = sosfilt(sections, block, axis=-1, zi=state)
        state[np.abs(state) < _TINY] = 0.0
        return np.asarray(filtered)

    return run


def compressor(sample_rate: int, values: Mapping[str, float]) -> Run:
    """Make :class:`fxlens.effects.dynamics.Compressor` for blocks.

    Raises:
        PresetError: a setting for which the equations have no meaning.
    """
    require("compressor", "ratio", values["ratio"], 1.0)
    require("compressor", "knee_db", values["knee_db"], 0.0)
    for name in ("attack_ms", "release_ms"):
        require("compressor", name, values[name], SHORTEST_MS)
    fall = time_coefficient(DETECTOR_FALL_MS, sample_rate)
    attack, release = (time_coefficient(values[name], sample_rate) for name in ("attack_ms", "release_ms"))
    slope, knee_db = 1.0 - 1.0 / values["ratio"], max(values["knee_db"], NARROWEST_KNEE_DB)
    makeup = 10.0 ** (values["makeup_db"] / 20.0)
    state = rest()

    def run(block: np.ndarray) -> np.ndarray:
        gain = np.empty(block.shape[1])
        compander_gain_onwards(
            np.ascontiguousarray(block), values["threshold_db"], slope, knee_db, 0.0, 0.0,
            fall, attack, release, state, gain,
        )  # fmt: skip
        gain *= makeup
        return block * gain

    return run


def limiter(sample_rate: int, values: Mapping[str, float]) -> Run:
    """Make :class:`fxlens.effects.dynamics.Limiter` for blocks.

    Raises:
        PresetError: a setting for which the equations have no meaning.
    """
    for name in ("attack_ms", "release_ms"):
        require("limiter", name, values[name], SHORTEST_MS)
    attack, release = (time_coefficient(values[name], sample_rate) for name in ("attack_ms", "release_ms"))
    threshold = 10.0 ** (values["threshold_db"] / 20.0)
    state = rest()

    def run(block: np.ndarray) -> np.ndarray:
        gain = np.empty(block.shape[1])
        limiter_gain_onwards(np.ascontiguousarray(block), threshold, attack, release, state, gain)
        return block * gain

    return run
