"""Where the sound of a stem lies between left and right, frequency by frequency, and how to move it.

Feature: ``phi = 2 |L| |R| / (|L|^2 + |R|^2)`` in every bin of every frame (2,048 samples, hop 1,024), 1 in the middle
and 0 at either side (C. Avendano, "Frequency-domain source identification and manipulation in stereo mixes", WASPAA
2003, without its phase); the mean over frames, smoothed over 501 bins. Frames under -70 dBFS are left out.

Change: ``phi^g`` in place of ``phi``, with one exponent a bin, such that the mean becomes that of the class. Each bin
keeps its energy, its phases and its side; what lies in the middle, or at one side altogether, stays there, so mono
stays mono. The exponents are between 1/4 and 16, which is up to 12 dB of side signal more, and phi grows fourfold at
most, which is up to 12 dB more of the fainter channel.
Frames overlap, so what is asked of one is softened by its neighbours, and about half of the way is gone; the exponents
are therefore corrected once by how far the first ones led.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.signal import savgol_filter

from fxlens.fxnorm.short_time import SAMPLE_RATE, overlap_added, spectra, sqrt_hann

N_FFT = 2_048
BINS = N_FFT // 2 + 1
SMOOTHING_BINS = 501
MOMENTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Exponents for which the mean of phi^g is measured, each twice the one before; between them it is interpolated."""

_HOP = N_FFT // 2
_TOGETHER = 128
_QUIETEST_FRAME_DBFS = -70.0
_MOST_TOWARDS_MIDDLE = 4.0
_HARDLY = 0.01  # of the logarithm of an exponent
_CORRECTIONS = (0.5, 2.5)
_IMAGELESS = 1e-4  # of the logarithm of a mean of phi: nothing lies off the middle
_SIDE = np.float32(1.0 - 1e-6)
_TINY = 1e-20


def panning_moments(audio: np.ndarray) -> np.ndarray:
    """Measure the smoothed means of ``phi^g`` for every ``g`` of :data:`MOMENTS`; that of 1 is the feature.

    Args:
        audio: ``float32 [2, T]`` at 44.1 kHz, at the level of the steps (peak -10 dBFS or -30 LUFS).

    Returns:
        ``float32 [7, 1025]``, 0 to 1.
    """
    total, frames = np.zeros((len(MOMENTS), BINS)), 0
    threshold = 10.0 ** (_QUIETEST_FRAME_DBFS / 10.0) * N_FFT * N_FFT / 2.0
    for block in spectra(audio, sqrt_hann(N_FFT), _HOP, _TOGETHER):
        power, product = _power_and_product(block)
        sounding = power.sum(1) > threshold
        phi = np.minimum(2.0 * product[sounding] / np.maximum(power[sounding], _TINY), 1.0)
        phi[power[sounding] < _TINY] = 1.0
        power_of_phi = np.sqrt(np.sqrt(phi))
        for row in range(len(MOMENTS)):
            total[row] += power_of_phi.sum(0)
            np.square(power_of_phi, out=power_of_phi)
        frames += int(sounding.sum())
    mean = total / frames if frames else np.ones_like(total)
    return np.clip(savgol_filter(mean, SMOOTHING_BINS, 1, mode="mirror"), 0.0, 1.0).astype(np.float32)


def width(moments: np.ndarray, highest_hz: float = 16_000.0) -> float:
    """One number for the feature: 1 minus the mean of phi over the bins up to ``highest_hz``; 0 is mono."""
    return float(1.0 - moments[MOMENTS.index(1.0), : _bin_of(highest_hz)].mean())


def find_powers(audio: np.ndarray, moments: np.ndarray, reference: np.ndarray, highest_hz: float) -> np.ndarray:
    """Find the exponent of every bin that gives the mean of phi a wanted value.

    Args:
        audio: ``float32 [2, T]`` at 44.1 kHz.
        moments: of ``audio``, ``[7, 1025]``.
        reference: wanted means, ``[1025]``.
        highest_hz: above it nothing is changed.

    Returns:
        ``float32 [1025]``.
    """
    first = _first_powers(moments, reference, highest_hz)
    if np.abs(np.log(first)).max() < _HARDLY:
        return first
    feature = MOMENTS.index(1.0)
    own, got, wanted = (
        _log(row) for row in (moments[feature], panning_moments(move(audio, first))[feature], reference)
    )
    way, gone = wanted - own, got - own
    with np.errstate(divide="ignore", invalid="ignore"):
        correction = np.where(np.abs(gone) > _IMAGELESS, way / gone, 1.0)
    correction = np.clip(correction, *_CORRECTIONS)
    return np.clip(first.astype(np.float64) ** correction, MOMENTS[0], MOMENTS[-1]).astype(np.float32)


def _first_powers(moments: np.ndarray, reference: np.ndarray, highest_hz: float) -> np.ndarray:
    """The exponents that would do if frames did not overlap."""
    # The logarithm of the mean of phi^g is nearly straight in g: of a constant phi it is a line.
    own, wanted = _log(moments), _log(reference)
    found = np.full(BINS, MOMENTS[-1])
    for low in range(len(MOMENTS) - 2, -1, -1):
        share = (own[low] - wanted) / np.maximum(own[low] - own[low + 1], _TINY)
        between = wanted >= own[low + 1]
        found[between] = (MOMENTS[low] + np.clip(share, 0.0, 1.0) * (MOMENTS[low + 1] - MOMENTS[low]))[between]
    found[own[MOMENTS.index(1.0)] > -_IMAGELESS] = 1.0
    found[_bin_of(highest_hz) :] = 1.0
    return found.astype(np.float32)


def _log(means: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(means.astype(np.float64), 1e-6))


def move(audio: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """Raise phi to a power in every bin.

    Args:
        audio: ``float32 [2, T]`` at 44.1 kHz.
        powers: ``float32 [1025]``.

    Returns:
        ``float32 [2, T]``.
    """
    window = sqrt_hann(N_FFT)
    return overlap_added(_moved(audio, window, powers), window, audio.shape[1])


def _moved(audio: np.ndarray, window: np.ndarray, powers: np.ndarray) -> Iterator[np.ndarray]:
    changed = np.flatnonzero(powers != 1.0)
    highest = int(changed[-1]) + 1 if changed.size else 0
    for block in spectra(audio, window, _HOP, _TOGETHER):
        if highest:
            used = block[..., :highest]
            left, right = np.abs(used)
            larger, smaller = _gains(left, right, powers[:highest])
            left_is_larger = left >= right
            used[0] *= np.where(left_is_larger, larger, smaller)
            used[1] *= np.where(left_is_larger, smaller, larger)
        yield block


def _gains(left: np.ndarray, right: np.ndarray, powers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gains of the larger and of the smaller channel.

    With phi = sin 2a they hold cos a and sin a of the bin's amplitude, and cos a + sin a = sqrt(1 + phi), cos a -
    sin a = sqrt(1 - phi). Near the middle 1 - phi is known better than phi, so everything starts from it.
    """
    amplitude = np.maximum(np.hypot(left, right), _TINY)
    off_middle = np.square((left - right) / amplitude)  # 1 - phi
    phi = 2.0 * (left / amplitude) * (right / amplitude)
    off_wanted = -np.expm1(powers * np.log1p(-np.minimum(off_middle, _SIDE)))
    off_wanted = np.clip(np.maximum(off_wanted, 1.0 - _MOST_TOWARDS_MIDDLE * phi), 0.0, 1.0)
    cosine = np.sqrt(2.0 - off_middle) + np.sqrt(off_middle)
    larger = (np.sqrt(2.0 - off_wanted) + np.sqrt(off_wanted)) / cosine
    smaller = np.divide(1.0 - off_wanted, phi * larger, out=np.ones_like(phi), where=phi > _TINY)
    return larger, np.minimum(smaller, _MOST_TOWARDS_MIDDLE)


def _power_and_product(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    left, right = np.square(block.real) + np.square(block.imag)
    return left + right, np.sqrt(left) * np.sqrt(right)


def _bin_of(hz: float) -> int:
    return min(round(hz * N_FFT / SAMPLE_RATE) + 1, BINS)
