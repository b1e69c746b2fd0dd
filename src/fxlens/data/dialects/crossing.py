"""Crossovers of other multiband processors: causal Linkwitz-Riley filters of several slopes, and smooth linear phase.

A Butterworth filter of order ``n`` applied twice is a Linkwitz-Riley filter of order ``2 n``; its low-pass plus
``(-1)^n`` times its high-pass is an all-pass of order ``n`` (S. Linkwitz, JAES 24(1), 1976). With three bands the low
one passes the upper crossover too, so that all three turn alike and unchanged bands add up to an all-pass.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import butter

from fxlens.dsp.crossover import HIGHEST_CROSSOVER, LOWEST_CROSSOVER_HZ
from fxlens.dsp.fast.cascade import cascade_coefficients, cascade_in_place

Bands = tuple[np.ndarray, np.ndarray, np.ndarray]
_PAD_SECONDS = 0.1


def causal_bands(clip: np.ndarray, low_hz: float, high_hz: float, sample_rate: int, order: int) -> Bands:
    """Split ``float32 [2, T]`` by Linkwitz-Riley filters; low, mid and high add up to an all-pass of the clip.

    Args:
        clip: not changed.
        low_hz: crossover between low and mid.
        high_hz: crossover between mid and high.
        sample_rate: Hz.
        order: of the Butterworth filters, 1 to 4: slopes of 12 to 48 dB per octave.
    """
    low, rest = _split(clip, low_hz, sample_rate, order)
    mid, high = _split(rest, high_hz, sample_rate, order)
    turned, beyond = _split(low, high_hz, sample_rate, order)
    return turned + beyond, mid, high


def smooth_bands(clip: np.ndarray, low_hz: float, high_hz: float, sample_rate: int, octaves: float) -> Bands:
    """Split ``float32 [2, T]`` without phase: raised cosines over ``octaves`` around the crossovers.

    Low, mid and high add up to the clip.
    """
    length = clip.shape[1]
    n_fft = next_fast_len(length + round(_PAD_SECONDS * sample_rate), real=True)
    height = np.log2(np.maximum(np.arange(n_fft // 2 + 1), 0.5) * (sample_rate / n_fft))
    spectrum = rfft(clip, n_fft)

    def below(cutoff_hz: float) -> np.ndarray:
        way = np.clip((height - np.log2(_held(cutoff_hz, sample_rate))) / octaves + 0.5, 0.0, 1.0)
        share = (0.5 + 0.5 * np.cos(np.pi * way)).astype(np.float32)
        return np.asarray(irfft(spectrum * share, n_fft)[:, :length])

    low, under = below(low_hz), below(high_hz)
    return low, under - low, clip - under


def _split(clip: np.ndarray, cutoff_hz: float, sample_rate: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Low-pass and high-pass whose sum is an all-pass."""
    cutoff = _held(cutoff_hz, sample_rate)
    low, high = clip.copy(), clip.copy()
    cascade_in_place(low, *_coefficients(cutoff, sample_rate, order, "low"))
    cascade_in_place(high, *_coefficients(cutoff, sample_rate, order, "high"))
    if order % 2:
        np.negative(high, out=high)
    return low, high


@lru_cache(maxsize=16)
def _coefficients(cutoff_hz: float, sample_rate: int, order: int, kind: str) -> tuple[np.ndarray, float]:
    return cascade_coefficients(np.tile(butter(order, cutoff_hz, kind, fs=sample_rate, output="sos"), (2, 1)))


def _held(cutoff_hz: float, sample_rate: int) -> float:
    return min(max(cutoff_hz, LOWEST_CROSSOVER_HZ), HIGHEST_CROSSOVER * sample_rate)
