"""The mean spectrum of a stem, and the filter that gives it the mean spectrum of its class.

Feature: the mean of ``|STFT|`` over frames and channels (frames of 65,536 samples, hop 16,384, square root of Hann),
smoothed by a Savitzky-Golay filter of order 1, at -30 LUFS. Frames under -70 dBFS are left out of the mean:
otherwise the rests of a part would count as a property of its tone.

Filter: reference over own spectrum, realised as a frequency-sampled FIR filter of 1,001 taps for the square root of
the ratio that runs forward and backward, which makes it exact in magnitude and without phase. Gains end at 24 dB
either way: a stem without treble shall not become a stem with loud hiss.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import rfft
from scipy.signal import firwin2, savgol_filter

from fxlens.dsp.fast.overlap_save import block_size, convolve_blocks
from fxlens.fxnorm.short_time import SAMPLE_RATE, spectra, sqrt_hann

LEVEL_LUFS = -30.0
"""Loudness at which spectra are measured and filters applied."""
N_FFT, HOP = 65_536, 16_384
POINTS = 2_049
"""Values in a smoothed spectrum, 0 Hz to half the sample rate, 10.8 Hz apart: less than a tenth of the smoothing."""
TAPS = 1_001
LARGEST_GAIN_DB = 24.0

_TOGETHER = 4
_QUIETEST_FRAME_DBFS = -70.0
_FLOOR = 1e-9


def frequencies() -> np.ndarray:
    """Hz of the values of a smoothed spectrum, ``float64 [POINTS]``."""
    return np.linspace(0.0, SAMPLE_RATE / 2.0, POINTS)


def mean_spectrum(audio: np.ndarray, smoothing_bins: int) -> np.ndarray:
    """Measure the smoothed mean magnitude spectrum.

    Args:
        audio: ``float32 [2, T]`` at 44.1 kHz and -30 LUFS.
        smoothing_bins: length of the smoothing, bins of 0.67 Hz, odd.

    Returns:
        ``float32 [POINTS]``: amplitude, such that a sine of amplitude 1 that lasts reads 1 before smoothing.
    """
    window = sqrt_hann(N_FFT)
    loud, every = np.zeros(N_FFT // 2 + 1), np.zeros(N_FFT // 2 + 1)
    loud_frames = frames = 0
    for block in spectra(audio, window, HOP, _TOGETHER):
        magnitude = np.abs(block)
        # Parseval, for a window whose mean square is one half: mean square of both channels' samples.
        mean_square = 2.0 * np.einsum("cfk,cfk->f", magnitude, magnitude) / (float(N_FFT) * N_FFT)
        sounding = mean_square > 10.0 ** (_QUIETEST_FRAME_DBFS / 10.0)
        loud += magnitude[:, sounding].sum((0, 1))
        every += magnitude.sum((0, 1))
        loud_frames += int(sounding.sum())
        frames += magnitude.shape[1]
    total, count = (loud, loud_frames) if loud_frames else (every, frames)
    mean = total / (audio.shape[0] * count) * (2.0 / float(window.sum()))
    # Order 1 over a symmetric length is the moving average; mirroring keeps it positive at both ends.
    smooth = savgol_filter(mean, smoothing_bins, 1, mode="mirror")
    return smooth[:: N_FFT // 2 // (POINTS - 1)].astype(np.float32)


def matching_gain(own: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Linear gain that turns one mean spectrum into another, limited to 24 dB either way.

    Args:
        own: ``[POINTS]``.
        reference: ``[POINTS]``.

    Returns:
        ``float64 [POINTS]``.
    """
    ratio = np.maximum(reference, _FLOOR).astype(np.float64) / np.maximum(own, _FLOOR)
    limit = 10.0 ** (LARGEST_GAIN_DB / 20.0)
    return np.clip(ratio, 1.0 / limit, limit)


def matching_filter(gain: np.ndarray) -> np.ndarray:
    """Design the filter whose run forward and backward has a gain.

    Args:
        gain: linear ``[POINTS]``, as :func:`matching_gain` gives it.

    Returns:
        ``float64 [1001]``, symmetric: its magnitude is the square root of the gain.
    """
    return firwin2(TAPS, frequencies(), np.sqrt(gain), fs=SAMPLE_RATE)


def filter_both_ways(audio: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Filter forward and backward; there is silence before and behind the audio.

    Args:
        audio: ``float32 [2, T]``.
        taps: ``[N]``.

    Returns:
        ``float32 [2, T]``, without delay.
    """
    kernel = np.convolve(taps, taps[::-1])
    delay = taps.size - 1
    padded = np.pad(audio, ((0, 0), (0, delay)))
    n_fft = block_size(padded.shape[1], kernel.size)
    response = rfft(kernel.astype(np.float32), n_fft)[None]
    return convolve_blocks(padded, response, kernel.size, n_fft)[:, delay:]


def distance_db(spectrum: np.ndarray, reference: np.ndarray, lowest_hz: float = 40.0) -> float:
    """How far the tones of two mean spectra are apart: RMS of their difference in dB, every octave the same weight.

    A difference that is the same everywhere is level, not tone, and does not count. Up to 16 kHz; nor does count what
    is more than 60 dB under the reference's maximum.
    """
    hz = frequencies()
    floor = float(reference.max()) * 1e-3
    used = (hz >= lowest_hz) & (hz <= 16_000.0) & (reference > floor)
    difference = 20.0 * np.log10(np.maximum(spectrum[used], _FLOOR) / np.maximum(reference[used], _FLOOR))
    weights = 1.0 / hz[used]
    difference -= np.average(difference, weights=weights)
    return float(np.sqrt(np.average(np.square(difference), weights=weights)))
