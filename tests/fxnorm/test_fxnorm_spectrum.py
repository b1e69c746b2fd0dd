"""The mean spectrum of a stem, and the filter towards another, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from fxlens.fxnorm import spectrum as sp
from fxlens.fxnorm.short_time import SAMPLE_RATE


def noise(seconds: float, seed: int = 0, level: float = 0.03) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal((2, round(seconds * SAMPLE_RATE)))).astype(np.float32)


def test_a_sine_reads_its_amplitude_spread_by_the_smoothing() -> None:
    t = np.arange(30 * SAMPLE_RATE) / SAMPLE_RATE
    hz = 3000.0
    audio = np.tile(0.5 * np.sin(2 * np.pi * hz * t), (2, 1)).astype(np.float32)
    measured = sp.mean_spectrum(audio, 401)
    peak = int(np.argmax(measured))
    assert abs(sp.frequencies()[peak] - hz) < 401 / 2 * SAMPLE_RATE / sp.N_FFT + 11.0
    # The line's main lobe, integrated over the 401 bins of the average: a few bins of height 0.5.
    window = scipy.signal.get_window("cosine", sp.N_FFT, fftbins=True)
    lobe = np.abs(np.fft.rfft(window * np.sin(2 * np.pi * hz * t[: sp.N_FFT])))
    expected = scipy.signal.savgol_filter(0.5 * lobe * 2.0 / window.sum(), 401, 1, mode="mirror")
    np.testing.assert_allclose(
        measured[peak], expected.max(), rtol=0.06
    )  # the four frames at the ends are cut, and wider


def test_smoothing_is_a_moving_average_and_positive_at_both_ends() -> None:
    measured = sp.mean_spectrum(noise(12.0), 401)
    assert measured.shape == (sp.POINTS,) and measured.dtype == np.float32
    # White noise of this level: |X| is Rayleigh with mean 0.886 of its RMS.
    rms = 0.03 * np.sqrt(sp.N_FFT / 2.0) * 0.8862 * 2.0 / (2.0 * sp.N_FFT / np.pi)
    np.testing.assert_allclose(measured.mean(), rms, rtol=0.05)  # the frames at both ends are half empty
    assert measured.min() > 0.7 * rms


def test_rests_are_no_property_of_the_tone() -> None:
    part = noise(8.0)
    with_rests = np.pad(part, ((0, 0), (8 * SAMPLE_RATE, 12 * SAMPLE_RATE)))
    # What is left of a difference are the frames at both edges, which are half full.
    assert sp.distance_db(sp.mean_spectrum(with_rests, 401), sp.mean_spectrum(part, 401)) < 0.8


def wanted_gain() -> np.ndarray:
    hz = sp.frequencies()
    shelf_db = 8.0 / (1.0 + (hz / 400.0) ** 2) - 12.0 * np.exp(-(np.log2(np.maximum(hz, 1.0) / 3000.0) ** 2))
    return 10.0 ** (shelf_db / 20.0)


def test_filter_has_the_response_that_was_asked_for() -> None:
    gain = wanted_gain()
    taps = sp.matching_filter(gain)
    assert taps.size == 1001
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-12)
    _, h = scipy.signal.freqz(taps, worN=sp.frequencies(), fs=SAMPLE_RATE)
    realised_db = 40.0 * np.log10(np.abs(h))  # once forward, once backward
    error_db = np.abs(realised_db - 20.0 * np.log10(gain))
    assert error_db.max() < 0.5 and error_db[sp.frequencies() > 100.0].max() < 0.15


def test_filtering_is_scipys_filtfilt_without_its_edges() -> None:
    audio = noise(1.0, 3)
    taps = sp.matching_filter(wanted_gain())
    ours = sp.filter_both_ways(audio, taps)
    theirs = scipy.signal.filtfilt(taps, 1.0, audio.astype(np.float64), padtype=None, padlen=0)
    assert ours.shape == audio.shape
    inside = slice(2000, -2000)
    np.testing.assert_allclose(ours[:, inside], theirs[:, inside], atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 999, 1001, 5000])
def test_filtering_clips_of_any_length(length: int) -> None:
    audio = noise(1.0)[:, :length]
    taps = sp.matching_filter(wanted_gain())
    kernel = np.convolve(taps, taps[::-1])
    expected = np.stack([np.convolve(row, kernel)[1000 : 1000 + length] for row in audio])
    np.testing.assert_allclose(sp.filter_both_ways(audio, taps), expected, atol=1e-6)


def test_gains_are_limited() -> None:
    own, reference = np.full(sp.POINTS, 1e-7), np.ones(sp.POINTS)
    assert 20 * np.log10(sp.matching_gain(own, reference).max()) == pytest.approx(24.0)
    assert 20 * np.log10(sp.matching_gain(reference, own).min()) == pytest.approx(-24.0)
    np.testing.assert_array_equal(sp.matching_gain(0 * own, 0 * own), 1.0)


def test_distance_is_that_of_a_gain() -> None:
    one = sp.mean_spectrum(noise(2.0), 401)
    assert sp.distance_db(one, one) == 0.0
    assert sp.distance_db(2.0 * one, one) == pytest.approx(0.0, abs=1e-4)  # level, not tone
    hz = np.maximum(sp.frequencies(), 1.0)
    tilted = one * 10.0 ** (np.log2(hz / 800.0) / 20.0)  # 1 dB an octave, uniform over 8.6 octaves
    assert sp.distance_db(tilted, one) == pytest.approx(np.log2(16_000 / 40) / np.sqrt(12.0), rel=0.05)
