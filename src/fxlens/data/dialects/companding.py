"""Compressors of another make: how they measure level, what they smooth, and what they call an attack."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fxlens.data.dialects import detecting
from fxlens.dsp.envelope import time_coefficient

Detector = Literal["peak", "rms", "feedback"]
Link = Literal["peak", "power", "none"]

TIME_SCALES = {"63 %": 1.0, "90 %": 1.0 / math.log(10.0), "10-90 %": 1.0 / math.log(9.0)}
"""Time constant per stated attack or release, by how much of a step is to be covered in it."""
STEEPEST_FED_BACK = 0.75
"""Ratios above 4 work forwards in every compressor: around a steep loop the detector's lag makes the gain overshoot."""
_NARROWEST_KNEE_DB = 0.01


@dataclass(frozen=True)
class Curve:
    """What one band is asked to do: decibels, milliseconds; slopes in dB taken per dB."""

    threshold_db: float
    slope: float
    attack_ms: float
    release_ms: float
    expander_db: float = -120.0
    expander_slope: float = 0.0


@dataclass(frozen=True)
class Character:
    """How a compressor works inside.

    Args:
        detector: peaks of the input, its power, or peaks of the compressor's own output.
        detector_ms: time constant of the detector's fall, or of its mean.
        decibels: smooth what is taken in decibels, else the gain itself.
        decoupled: ballistics by a peak hold and a low-pass, else by one low-pass with two coefficients.
        link: one gain for both channels by their larger peak or by their mean power, or one for each.
        knee_db: width of the knee.
        time_scale: see ``TIME_SCALES``.
        lookahead_ms: how much earlier than the sound the gain comes.
    """

    detector: Detector
    detector_ms: float
    decibels: bool
    decoupled: bool
    link: Link
    knee_db: float
    time_scale: float
    lookahead_ms: float

    def gains(self, audio: np.ndarray, sample_rate: int, curve: Curve) -> np.ndarray:
        """Linear gains ``float32 [1, T]`` for both channels of ``float32 [2, T]``, or ``[2, T]``."""
        level = _magnitudes(audio, self.link)
        for row in level:
            self._to_gains(row, sample_rate, curve)
        ahead = min(round(self.lookahead_ms * 1e-3 * sample_rate), level.shape[1] - 1)
        if ahead > 0:
            level[:, :-ahead] = level[:, ahead:]
            level[:, -ahead:] = level[:, -1:]
        return level

    def _to_gains(self, level: np.ndarray, sample_rate: int, c: Curve) -> None:
        attack, release = (time_coefficient(ms * self.time_scale, sample_rate) for ms in (c.attack_ms, c.release_ms))
        measuring = time_coefficient(self.detector_ms, sample_rate)
        threshold, expander = c.threshold_db / detecting.OCTAVE_DB, c.expander_db / detecting.OCTAVE_DB
        if self.detector == "feedback" and c.slope <= STEEPEST_FED_BACK:
            rates = measuring, attack, release
            detecting.feedback_gains(level, threshold, c.slope, expander, c.expander_slope, *rates)
            return
        if self.detector == "rms":
            detecting.mean_power(level, measuring)
        else:
            detecting.hold_peaks(level, measuring)
        knee = max(self.knee_db, _NARROWEST_KNEE_DB) / detecting.OCTAVE_DB
        detecting.static_depth(level, threshold, c.slope, knee, expander, c.expander_slope)
        if not self.decibels:
            detecting.to_linear_depth(level)
        if self.decoupled:
            detecting.decoupled(level, attack, release)
        else:
            detecting.branching(level, attack, release)
        if self.decibels:
            detecting.to_gain(level)
        else:
            np.subtract(1.0, level, out=level)


def draw_character(rng: np.random.Generator) -> Character:
    """Draw how a compressor works inside."""
    detector: Detector = ("peak", "peak", "rms", "rms", "feedback")[int(rng.integers(5))]
    link: Link = ("peak", "peak", "power", "none")[int(rng.integers(4))]
    return Character(
        detector=detector,
        detector_ms=float(np.exp(rng.uniform(math.log(8.0), math.log(30.0)))),
        decibels=bool(rng.random() < 0.6),
        decoupled=bool(rng.random() < 0.4),
        link=link,
        knee_db=float(rng.choice([0.0, 0.0, 3.0, 6.0])),
        time_scale=float(rng.choice(list(TIME_SCALES.values()))),
        lookahead_ms=float(rng.choice([0.0, 0.0, 1.0, 5.0])),
    )


@dataclass(frozen=True)
class OtherCompressor:
    """A compressor of one band.

    Args:
        character: see :class:`Character`.
        makeup_share: part of what the curve takes at full scale that is given back to all.
    """

    character: Character
    makeup_share: float = 0.0

    def __call__(self, clip: np.ndarray, sample_rate: int, values: Mapping[str, float]) -> None:
        """Compress ``float32 [2, T]`` in place; values as of :class:`fxlens.effects.dynamics.Compressor`."""
        slope = 1.0 - 1.0 / values["ratio"]
        curve = Curve(values["threshold_db"], slope, values["attack_ms"], values["release_ms"])
        own = max(values["knee_db"], self.character.knee_db) if values["ratio"] > 1.0 else 0.0
        character = replace(self.character, knee_db=own)
        given_db = values["makeup_db"] - self.makeup_share * slope * min(values["threshold_db"], 0.0)
        if slope > 0.0:
            clip *= character.gains(clip, sample_rate, curve)
        clip *= np.float32(10.0 ** (given_db / 20.0))


def draw_compressor(rng: np.random.Generator) -> OtherCompressor:
    """Draw a compressor."""
    return OtherCompressor(draw_character(rng), float(rng.choice([0.0, 0.0, 0.5])))


def _magnitudes(audio: np.ndarray, link: Link) -> np.ndarray:
    """What detectors are shown, new ``float32 [1 or 2, T]``."""
    if link == "power":
        return np.sqrt(0.5 * (audio[0] * audio[0] + audio[1] * audio[1]))[None]
    size = np.abs(audio)
    return size if link == "none" else np.maximum(size[0], size[1])[None]
