"""Three bands by zero-phase Linkwitz-Riley filters of fourth order; they add up to the input exactly.

A Linkwitz-Riley low-pass is a second-order Butterworth low-pass applied twice (S. Linkwitz, "Active Crossover
Networks for Noncoincident Drivers", JAES 24(1), 1976). Applied once forwards and once backwards, it keeps its
magnitude, ``1 / (1 + (f/fc)^4)``: -6 dB at the crossover, 24 dB per octave; but loses its phase. The all-pass
that the causal bands add up to becomes 1, so ``low + mid + high`` is the input itself. That is what a
parallel compressor needs: ``x + mix (sum_b (g_b - 1) band_b)`` is ``x`` for unit gains and an undistorted
cross-fade for all others, while causal bands beside a dry path cancel near the crossovers. The price is a
look-ahead of about one period of the crossover frequency, which is free when whole clips are processed.

Frequencies are those of the bilinear transform, matched at the crossover.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
import torch
from torch import Tensor

from fxlens.dsp.gradient.crossover import filter_lowpass_pair
from fxlens.dsp.kernels import lowpass_both_ways

LOWEST_CROSSOVER_HZ = 20.0
"""Lower frequencies are raised to this one; it decides how long a decay must be waited for."""
HIGHEST_CROSSOVER = 0.45
"""Higher frequencies are lowered to this part of the sample rate."""

# Decay of the slowest pole, exp(-2 pi 20 t / sqrt 2), to 2e-8 of its start.
_TAIL_SECONDS = 0.2


def split_bands(
    audio: np.ndarray, low_hz: float, high_hz: float, sample_rate: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split one clip by recursive filters, forwards and backwards.

    Args:
        audio: ``float64 [2, T]``.
        low_hz: crossover between low and mid, Hz.
        high_hz: crossover between mid and high, Hz.
        sample_rate: Hz.

    Returns:
        low, mid, high, each ``float64 [2, T]``; their sum is ``audio`` to rounding.
    """
    audio = np.ascontiguousarray(audio, dtype=np.float64)
    low = _lowpass(audio, low_hz, sample_rate)
    below = _lowpass(audio, high_hz, sample_rate)
    high = audio - below
    below -= low  # in place: fresh memory costs more here than the arithmetic
    return low, below, high


def _lowpass(audio: np.ndarray, cutoff_hz: float, sample_rate: int) -> np.ndarray:
    cutoff_hz = min(max(cutoff_hz, LOWEST_CROSSOVER_HZ), HIGHEST_CROSSOVER * sample_rate)
    k = math.tan(math.pi * cutoff_hz / sample_rate)
    norm = 1.0 / (1.0 + math.sqrt(2.0) * k + k * k)
    a1, a2 = 2.0 * (k * k - 1.0) * norm, (1.0 - math.sqrt(2.0) * k + k * k) * norm
    # The poles' radius is sqrt(a2): wait until the forward pass has decayed to 1e-9.
    tail = np.zeros((2, math.ceil(2.0 * math.log(1e-9) / math.log(max(a2, 1e-9)))))
    out = np.empty(audio.shape)
    lowpass_both_ways(audio, k * k * norm, a1, a2, tail, out)
    return out


def split_band_batch(audio: Tensor, low_hz: Tensor, high_hz: Tensor, sample_rate: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split a batch, differentiable with respect to audio and frequencies, on any device.

    Args:
        audio: ``[B, C, T]``, float32 or float64.
        low_hz: ``[B]``, crossover between low and mid.
        high_hz: ``[B]``, crossover between mid and high.
        sample_rate: Hz.

    Returns:
        low, mid, high, each ``[B, C, T]``; their sum is ``audio`` to rounding.
    """
    low, below = lowpass_batch(audio, low_hz, high_hz, sample_rate)
    return low, below - low, audio - below


def lowpass_batch(audio: Tensor, low_hz: Tensor, high_hz: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """What lies below each of the two crossovers of :func:`split_band_batch`, whose arguments these are.

    Stereo on the CPU is filtered by the exact recursion (:mod:`fxlens.dsp.gradient.crossover`), anything else
    by :func:`lowpass_by_fft`.

    Returns:
        Below the lower and below the upper crossover, each ``[B, C, T]``.
    """
    cutoffs = torch.stack([low_hz, high_hz], dim=1).to(audio.device)
    cutoffs = cutoffs.double().clamp(LOWEST_CROSSOVER_HZ, HIGHEST_CROSSOVER * sample_rate)
    if audio.device.type != "cpu" or audio.shape[1] != 2:
        return lowpass_by_fft(audio, cutoffs, sample_rate)
    return filter_lowpass_pair(audio, torch.tan(math.pi / sample_rate * cutoffs))


def lowpass_by_fft(audio: Tensor, cutoffs: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """:func:`lowpass_batch` by the filters' exact response on the FFT of the padded audio; cutoffs ``[B, 2]``.

    The padding covers the decay of the lowest crossover, so what wraps around is below 1e-7.
    """
    length = audio.shape[-1]
    padded = scipy.fft.next_fast_len(length + math.ceil(_TAIL_SECONDS * sample_rate), real=True)
    spectrum = torch.fft.rfft(audio, padded)
    low, high = (
        torch.fft.irfft(spectrum * _response(cutoff, padded, sample_rate, audio), padded)[..., :length]
        for cutoff in cutoffs.to(audio).unbind(1)
    )
    return low, high


def _response(cutoff_hz: Tensor, n_fft: int, sample_rate: int, like: Tensor) -> Tensor:
    """Zero-phase Linkwitz-Riley low-pass ``[B, 1, n_fft // 2 + 1]``, real.

    ``1 / (1 + (tan w / tan c)^4)`` with ``w`` and ``c`` half the angular frequencies; multiplied out to sines
    and cosines it is finite at Nyquist.
    """
    c = (math.pi / sample_rate * cutoff_hz).reshape(-1, 1, 1)
    w = torch.arange(n_fft // 2 + 1, dtype=like.dtype, device=like.device) * (math.pi / n_fft)
    passed, stopped = (c.sin() * w.cos()) ** 4, (c.cos() * w.sin()) ** 4
    return passed / (passed + stopped)
