"""What is described: the types of effects, and the settings of each that can be asked for.

Left out are ``gain``, which the loudness normalisation before the encoder takes back, and the plain ``compressor``,
which training material does not hold: what it does is described as multiband compression.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fxlens.describing.wording import EQ_PREFIX, frequency
from fxlens.effects.effect import Effect
from fxlens.effects.processor import Parameter
from fxlens.effects.registry import processor_named

EFFECTS: tuple[str, ...] = (
    "equalizer",
    "distortion",
    "multiband_compressor",
    "limiter",
    "stereo_imager",
    "delay",
    "reverb",
)
"""Types of effects, in the order of the heads' outputs."""

EQ_REGIONS_HZ: tuple[float, ...] = (100.0, 300.0, 1000.0, 3000.0, 9000.0)
"""Middles of the regions in which an equaliser's response is described, each half a decade wide."""
EQ_LIMIT_DB = 12.0


@dataclass(frozen=True)
class Quantity:
    """One number that is described.

    Args:
        effect: the type of effect it belongs to.
        name: with its unit as suffix.
        label: what an engineer calls it.
        unit: as in :class:`fxlens.describing.description.Setting`.
        low: physical value at 0 of the unit range.
        high: physical value at 1.
        log: whether the unit range is logarithmic.
    """

    effect: str
    name: str
    label: str
    unit: str
    low: float
    high: float
    log: bool = False

    def to_unit(self, value: float) -> float:
        """Physical value to the unit range; below 0 or above 1 where it lies outside."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def to_physical(self, unit: float) -> float:
        """Unit range, held within 0-1, to the physical value."""
        unit = min(max(unit, 0.0), 1.0)
        return self.low * (self.high / self.low) ** unit if self.log else self.low + unit * (self.high - self.low)

    @property
    def key(self) -> str:
        """Unique name, ``effect.name``."""
        return f"{self.effect}.{self.name}"


_UNITS = {"_ms": "ms", "_db": "dB", "_seconds": "s", "_hz": "Hz"}
_LABELLED: tuple[tuple[str, str, str], ...] = (
    ("distortion", "drive_db", "drive"),
    ("multiband_compressor", "mix", "mix"),
    ("multiband_compressor", "mid_threshold_db", "threshold of the mids"),
    ("multiband_compressor", "mid_ratio", "ratio of the mids"),
    ("limiter", "threshold_db", "threshold"),
    ("limiter", "release_ms", "release"),
    ("stereo_imager", "width", "width"),
    ("delay", "time_ms", "time"),
    ("delay", "feedback", "feedback"),
    ("delay", "wet", "wet"),
    ("reverb", "decay_seconds", "decay"),
    ("reverb", "predelay_ms", "predelay"),
    ("reverb", "wet", "wet"),
)


def _parameter(effect: str, name: str) -> Parameter:
    return next(p for p in processor_named(effect).parameters if p.name == name)


def _of_parameter(effect: str, name: str, label: str) -> Quantity:
    declared = _parameter(effect, name)
    bounds = (*declared.bounds("default"), *declared.bounds("paper"))
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), ":1" if "ratio" in name else "")
    return Quantity(effect, name, label, unit, min(bounds), max(bounds), declared.log)


def _of_region(middle_hz: float) -> Quantity:
    name, label = f"{EQ_PREFIX}{middle_hz:.0f}_hz_db", f"around {frequency(middle_hz)}"
    return Quantity("equalizer", name, label, "dB", -EQ_LIMIT_DB, EQ_LIMIT_DB)


QUANTITIES: tuple[Quantity, ...] = (
    *(_of_region(hz) for hz in EQ_REGIONS_HZ),
    *(_of_parameter(*row) for row in _LABELLED),
)
"""Everything that is described, in the order of the heads' outputs."""


def values_of(effect: Effect) -> dict[str, float]:
    """Unit values of an effect's quantities by their :attr:`Quantity.key`.

    Quantities that the effect does not have are left out: a recorded room says nothing of its decay.
    """
    if effect.type == "equalizer":
        found: Mapping[str, float] = equalizer_response_db(effect)
    else:
        found = effect.parameters
    return {q.key: q.to_unit(found[q.name]) for q in QUANTITIES if q.effect == effect.type and q.name in found}


def equalizer_response_db(effect: Effect) -> dict[str, float]:
    """Mean response of an equaliser in each region, less its mean over all of them: level is no effect.

    Args:
        effect: an equaliser.

    Returns:
        Decibels by :attr:`Quantity.name`.
    """
    rate, samples = 44100, 16384
    impulse = np.zeros((2, samples))
    impulse[:, 0] = 1.0
    response = np.fft.rfft(effect.processor.reference(impulse, rate, **effect.parameters)[0])
    decibels = 20.0 * np.log10(np.maximum(np.abs(response), 1e-6))
    bins = np.fft.rfftfreq(samples, 1.0 / rate)
    means = []
    for middle in EQ_REGIONS_HZ:
        grid = middle * 10.0 ** np.linspace(-0.25, 0.25, 25)
        means.append(float(np.interp(grid, bins, decibels).mean()))
    level = float(np.mean(means))
    return {f"{EQ_PREFIX}{hz:.0f}_hz_db": mean - level for hz, mean in zip(EQ_REGIONS_HZ, means, strict=True)}
