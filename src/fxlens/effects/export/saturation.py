"""The distortion's curve in the terms of other programs: a gain before tanh or a clip, and one after it."""

from __future__ import annotations

import math

import numpy as np

from fxlens.effects.distortion import CALIBRATION_DBFS


def steepness(drive_db: float) -> float:
    """Gain ``k`` before the curve, 0 or more: ``tanh(k u) / k`` has slope 1 at zero (see the distortion)."""
    return math.sqrt(10.0 ** (drive_db / 10.0) - 1.0)


def typical_makeup_db(drive_db: float, hardness: float) -> float:
    """How much level the curve takes from noise, dB: what the distortion gives back to it.

    The distortion measures its own output; other programs need a number beforehand. Normal noise at the
    calibration level is the assumption; for music it is right to a few dB.

    Args:
        drive_db: as in the preset.
        hardness: share of the hard clip, 0-1.
    """
    k = steepness(drive_db)
    if k == 0.0:
        return 0.0
    level = 10.0 ** (CALIBRATION_DBFS / 20.0)
    u = level * np.linspace(-6.0, 6.0, 4001)
    density = np.exp(-0.5 * (u / level) ** 2)
    bent = ((1.0 - hardness) * np.tanh(k * u) + hardness * np.clip(k * u, -1.0, 1.0)) / k
    return float(10.0 * np.log10(np.sum(density * u**2) / np.sum(density * bent**2)))
