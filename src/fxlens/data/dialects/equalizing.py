"""The equaliser in other hands: other meanings of Q, other shelves, other ways from analogue to digital.

A peak is ``(1 + n s + s²) / (1 + d s + s²)`` with gain ``n / d = g`` at its centre. Equalisers differ in how wide they
make it for a stated Q (R. Bristow-Johnson, "The equivalence of various methods of computing biquad coefficients for
audio parametric equalizers", AES 97, 1994):

* ``half_gain``: width between the points of half the gain in dB (what :mod:`fxlens.dsp.filters` does);
* ``constant``: ``d = 1/Q`` for boosts, ``n = 1/Q`` for cuts: boost and cut mirror each other;
* ``notching``: ``d = 1/Q`` always: cuts are narrow;
* ``proportional``: the peak narrows as its gain grows.

Shelves have the slope that Q gives, that slope without the resonance of large Q, or a first order's. And the whole is
realised as a cascade of biquads by the bilinear transform, by its analogue response as it is (no cramping towards the
Nyquist frequency), or by the magnitude of that alone: linear phase, its delay taken out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from fxlens.dsp.fast.cascade import cascade_coefficients, cascade_in_place
from fxlens.dsp.filters import HIGHEST_CUTOFF, Section, biquad
from fxlens.effects.equalizer import BANDS

Width = Literal["half_gain", "constant", "notching", "proportional"]
Shelf = Literal["by_q", "smooth", "first_order"]
Way = Literal["bilinear", "analogue", "linear_phase"]

_WIDTHS: tuple[Width, ...] = ("half_gain", "constant", "notching", "proportional")
_SHELVES: tuple[Shelf, ...] = ("by_q", "smooth", "first_order")
_WAYS: tuple[Way, ...] = ("bilinear", "bilinear", "analogue", "linear_phase")  # most equalisers are biquads
_PAD_SECONDS = 0.25  # the slowest setting has decayed by 40 dB then
_USUAL_GAIN_DB = 6.0

Polynomial = tuple[float, float, float]


@dataclass(frozen=True)
class OtherEqualizer:
    """An equaliser of another make.

    Args:
        width: what Q means for peaks.
        shelf: what Q means for shelves.
        way: how it is realised.
        q_scale: factor on every Q.
        shelf_octaves: where shelves have their midpoint, relative to the stated cutoff.
    """

    width: Width
    shelf: Shelf
    way: Way
    q_scale: float
    shelf_octaves: float

    def __call__(self, clip: np.ndarray, sample_rate: int, values: Mapping[str, float]) -> None:
        """Filter ``float32 [2, T]`` in place; values as of :class:`fxlens.effects.equalizer.Equalizer`."""
        parts = []
        for name, kind, *_ in BANDS:
            if values[f"{name}_gain_db"] != 0.0:
                above, below = self._prototype(kind, values[f"{name}_gain_db"], values[f"{name}_q"])
                moved = 1.0 if kind == "peak" else 2.0**self.shelf_octaves
                parts.append((above, below, values[f"{name}_cutoff_hz"] * moved))
        if not parts:
            return
        if self.way == "bilinear":
            rows = np.stack([_digital(above, below, cutoff, sample_rate) for above, below, cutoff in parts])
            cascade_in_place(clip, *cascade_coefficients(rows))
            return
        n_fft = next_fast_len(clip.shape[1] + round(_PAD_SECONDS * sample_rate), real=True)
        frequency = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
        response = np.ones(len(frequency), dtype=np.complex128)
        for above, below, cutoff in parts:
            s = 1j * frequency / cutoff
            response *= _at(above, s) / _at(below, s)
        if self.way == "linear_phase":
            response = np.abs(response)
        clip[:] = irfft(rfft(clip, n_fft) * response.astype(np.complex64), n_fft)[:, : clip.shape[1]]

    def _prototype(self, kind: str, gain_db: float, q: float) -> tuple[Polynomial, Polynomial]:
        """Numerator and denominator, coefficients of 1, s and s², cutoff at 1 rad/s."""
        gain, q = 10.0 ** (gain_db / 20.0), q * self.q_scale
        if kind == "peak":
            above, below = self._peak_terms(gain, gain_db, q)
            return (1.0, above, 1.0), (1.0, below, 1.0)
        root = math.sqrt(gain)
        if self.shelf == "first_order":
            rising, falling = (root, 1.0, 0.0), (1.0 / root, 1.0, 0.0)
            if kind == "low_shelf":
                return rising, falling
            return (1.0, root, 0.0), (1.0, 1.0 / root, 0.0)
        slope = math.sqrt(root) / (min(q, 0.7) if self.shelf == "smooth" else q)
        towards, away = (root, slope, 1.0), (1.0, slope, root)
        above3, below3 = (towards, away) if kind == "low_shelf" else (away, towards)
        return (root * above3[0], root * above3[1], root * above3[2]), below3

    def _peak_terms(self, gain: float, gain_db: float, q: float) -> tuple[float, float]:
        if self.width == "constant":
            return (gain / q, 1.0 / q) if gain >= 1.0 else (1.0 / q, 1.0 / (gain * q))
        if self.width == "notching":
            return gain / q, 1.0 / q
        if self.width == "proportional":
            q *= min(max(abs(gain_db) / _USUAL_GAIN_DB, 0.25), 2.0) ** 0.5
        root = math.sqrt(gain)
        return root / q, 1.0 / (root * q)


def draw_equalizer(rng: np.random.Generator) -> OtherEqualizer:
    """Draw an equaliser."""
    return OtherEqualizer(
        width=_WIDTHS[int(rng.integers(len(_WIDTHS)))],
        shelf=_SHELVES[int(rng.integers(len(_SHELVES)))],
        way=_WAYS[int(rng.integers(len(_WAYS)))],
        q_scale=float(np.exp(rng.uniform(-0.3, 0.3))),
        shelf_octaves=float(rng.uniform(-0.25, 0.25)),
    )


def _at(polynomial: Polynomial, s: np.ndarray) -> np.ndarray:
    return polynomial[0] + s * (polynomial[1] + s * polynomial[2])


def _digital(above: Polynomial, below: Polynomial, cutoff_hz: float, sample_rate: int) -> np.ndarray:
    """One row of second-order sections by the bilinear transform, matched at the cutoff."""
    k = math.tan(math.pi * min(cutoff_hz, HIGHEST_CUTOFF * sample_rate) / sample_rate)
    if above[2] == below[2] == 0.0:  # first order: as a biquad it had a pole and a zero on the unit circle
        b0, b1 = above[0] * k + above[1], above[0] * k - above[1]
        a0, a1 = below[0] * k + below[1], below[0] * k - below[1]
        return np.array([b0 / a0, b1 / a0, 0.0, 1.0, a1 / a0, 0.0])
    return np.asarray(biquad(Section(above, below, k)))
