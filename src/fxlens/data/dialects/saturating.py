"""Distortions of another make: other curves, bias as a shifted working point, oversampling, a drive on the raw level.

All curves have slope 1 at zero and saturate at 1, and are driven as in :mod:`fxlens.effects.distortion`: with
``k^2 = g^2 - 1``, so that 0 dB of drive is the identity. ``hardness`` fades from the soft curve to a hard clip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from fxlens.effects.distortion import CALIBRATION_RMS, RMS_FLOOR

CURVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "arctan": lambda v: np.float32(2.0 / math.pi) * np.arctan(np.float32(math.pi / 2.0) * v),
    "hyperbola": lambda v: v / (np.float32(1.0) + np.abs(v)),
    "root": lambda v: v / np.sqrt(np.float32(1.0) + v * v),
    "exponential": lambda v: np.copysign(-np.expm1(-np.abs(v)), v),
    "cubic": lambda v: _cubic(np.clip(v, np.float32(-1.5), np.float32(1.5))),
}
"""Odd curves of slope 1 at zero that saturate at 1; they never fold back."""

_CLIPPED = np.float32(1.0)
_HALF_BAND_TAPS = 10


def _cubic(v: np.ndarray) -> np.ndarray:
    return v - np.float32(4.0 / 27.0) * v * v * v


@dataclass(frozen=True)
class OtherDistortion:
    """A distortion.

    Args:
        curve: one of ``CURVES``.
        tube: bias saturates one side earlier; else it shifts the working point.
        oversampled: bend at twice the sample rate.
        input_db: gain before the curve where the level is taken as it comes; None calibrates it by RMS.
        coupling_hz: cutoff of the high-pass that takes out what bias adds at DC.
    """

    curve: str
    tube: bool
    oversampled: bool
    input_db: float | None
    coupling_hz: float

    def __call__(self, clip: np.ndarray, sample_rate: int, values: Mapping[str, float]) -> None:
        """Bend ``float32 [2, T]`` in place; values as of :class:`fxlens.effects.distortion.Distortion`.

        The result has the RMS level of the clip.
        """
        if values["drive_db"] <= 0.0:
            return
        k = math.sqrt(10.0 ** (values["drive_db"] / 10.0) - 1.0)
        before = math.sqrt(float(np.mean(np.square(clip, dtype=np.float64))) + RMS_FLOOR**2)
        scale = CALIBRATION_RMS / before if self.input_db is None else 10.0 ** (self.input_db / 20.0)
        driven = clip * np.float32(k * scale)
        if self.oversampled:
            driven = _doubled(driven)
        bent = self._bend(driven, values["bias"], values["hardness"])
        if self.oversampled:
            bent = _halved(bent)
        if values["bias"] != 0.0:
            pole = math.exp(-2.0 * math.pi * self.coupling_hz / sample_rate)
            bent = lfilter([0.5 + 0.5 * pole, -0.5 - 0.5 * pole], [1.0, -pole], bent.astype(np.float64), axis=-1)
        after = math.sqrt(float(np.mean(np.square(bent, dtype=np.float64))) + (k * RMS_FLOOR) ** 2)
        clip[:] = bent * np.float32(before / after)

    def _bend(self, driven: np.ndarray, bias: float, hardness: float) -> np.ndarray:
        if bias and self.tube:
            # The negative side saturates at 1 - bias, with the same slope at zero.
            size = np.where(driven < 0.0, np.float32(1.0 - bias), np.float32(1.0))
            return size * self._odd(driven / size, hardness)
        if bias:
            point = np.full(1, bias, np.float32)
            return self._odd(driven + point, hardness) - self._odd(point, hardness)
        return self._odd(driven, hardness)

    def _odd(self, driven: np.ndarray, hardness: float) -> np.ndarray:
        soft = CURVES[self.curve](driven)
        if hardness == 0.0:
            return soft
        clipped = np.clip(driven, -_CLIPPED, _CLIPPED)
        return np.float32(1.0 - hardness) * soft + np.float32(hardness) * clipped


def draw_distortion(rng: np.random.Generator) -> OtherDistortion:
    """Draw a distortion."""
    return OtherDistortion(
        curve=sorted(CURVES)[int(rng.integers(len(CURVES)))],
        tube=bool(rng.random() < 0.5),
        oversampled=bool(rng.random() < 0.4),
        input_db=float(rng.uniform(4.0, 10.0)) if rng.random() < 0.35 else None,
        coupling_hz=float(np.exp(rng.uniform(math.log(5.0), math.log(30.0)))),
    )


def _half_band() -> np.ndarray:
    """Weights of the samples 1/2, 3/2, ... away, of an interpolator half way between two samples."""
    away = np.arange(_HALF_BAND_TAPS) + 0.5
    weights = np.sinc(away) * np.kaiser(2 * _HALF_BAND_TAPS, 7.0)[_HALF_BAND_TAPS:]
    return np.asarray(weights / (2.0 * weights.sum()), dtype=np.float32)


def _between(audio: np.ndarray) -> np.ndarray:
    """``[2, T]`` to ``[2, T + 1]``: the values half way before, between and after the samples."""
    length = audio.shape[1]
    padded = np.pad(audio, ((0, 0), (_HALF_BAND_TAPS, _HALF_BAND_TAPS)))
    total = np.zeros((2, length + 1), np.float32)
    for k, weight in enumerate(_half_band()):
        left, right = _HALF_BAND_TAPS - 1 - k, _HALF_BAND_TAPS + k
        total += weight * (padded[:, left : left + length + 1] + padded[:, right : right + length + 1])
    return total


def _doubled(audio: np.ndarray) -> np.ndarray:
    """Twice the sample rate: ``[2, 2 T]``, every other sample as it was."""
    out = np.empty((2, 2 * audio.shape[1]), np.float32)
    out[:, ::2], out[:, 1::2] = audio, _between(audio)[:, 1:]
    return out


def _halved(audio: np.ndarray) -> np.ndarray:
    """Half the sample rate, band-limited; the inverse of :func:`_doubled` for what both can hold."""
    # Odd samples lie half a step of the lower rate after the even ones: between them again are the even places.
    return np.float32(0.5) * (audio[:, ::2] + _between(audio[:, 1::2])[:, :-1])
