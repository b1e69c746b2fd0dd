"""The distortion in blocks: its two levels are those of the whole clip, so they must be known beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from fxlens.effects.distortion import CALIBRATION_RMS, RMS_FLOOR, coupling_pole
from fxlens.effects.streaming_stage import Run


@dataclass(frozen=True)
class DistortionLevel:
    """What :class:`fxlens.effects.distortion.Distortion` has to know of the whole clip.

    Args:
        before: mean square of its input, both channels together.
        bent: mean square behind the curve, at the calibrated level.
    """

    before: float
    bent: float


def _scale(before: float) -> float:
    return CALIBRATION_RMS / math.sqrt(before + RMS_FLOOR**2)


def bend(sample_rate: int, values: Mapping[str, float], before: float) -> Run:
    """Make the first half of the effect, for blocks: calibration and curve.

    Args:
        sample_rate: Hz.
        values: its parameters, with a drive above 0.
        before: see :class:`DistortionLevel`.
    """
    bias, hardness = values["bias"], values["hardness"]
    gain = 10.0 ** (values["drive_db"] / 20.0)
    k = math.sqrt(gain**2 - 1.0)
    a = bias * k**2 / gain
    scale = _scale(before)
    pole = coupling_pole(sample_rate)
    half = 0.5 * (1.0 + pole)
    state = np.zeros((2, 1))

    def run(block: np.ndarray) -> np.ndarray:
        nonlocal state
        u = (k * scale) * block
        s = ((1.0 - hardness) * np.tanh(u) + hardness * np.clip(u, -1.0, 1.0)) / k
        if bias == 0.0 or not block.size:
            return s
        even, state = lfilter([half, -half], [1.0, -pole], -a * s**2 / (1.0 + a * s), axis=-1, zi=state)
        return s + even

    return run


def distortion(sample_rate: int, values: Mapping[str, float], level: DistortionLevel) -> Run:
    """Make :class:`fxlens.effects.distortion.Distortion` for blocks."""
    curve = bend(sample_rate, values, level.before)
    scale = _scale(level.before)
    match = math.sqrt((scale**2 * level.before + RMS_FLOOR**2) / (level.bent + RMS_FLOOR**2)) / scale
    return lambda block: curve(block) * match
