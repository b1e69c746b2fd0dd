"""The crossover: bands that add up to the input, Linkwitz-Riley magnitudes, both forms alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch

from fxlens.dsp.crossover import lowpass_by_fft, split_band_batch, split_bands

CROSSOVERS = [(20.0, 2000.0), (120.0, 4000.0), (300.0, 12_000.0)]


def responses(low_hz: float, high_hz: float, rate: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Frequencies and the bands' complex responses, the time origin at the impulse."""
    n = 1 << 18
    audio = np.zeros((2, n))
    audio[:, n // 2] = 1.0
    spectra = [np.fft.rfft(np.fft.ifftshift(band[0])) for band in split_bands(audio, low_hz, high_hz, rate)]
    return np.fft.rfftfreq(n, 1 / rate), spectra


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize(("low_hz", "high_hz"), CROSSOVERS)
def test_bands_add_up_flat_and_cross_at_six_decibels(low_hz: float, high_hz: float, rate: int) -> None:
    frequency, (low, mid, high) = responses(low_hz, high_hz, rate)
    heard = (frequency >= 20) & (frequency <= 20_000)
    assert np.abs(20 * np.log10(np.abs(low + mid + high)[heard])).max() < 0.01
    for cutoff, pair in ((low_hz, (low, mid)), (high_hz, (mid, high))):
        for band in pair:
            level = 20 * np.log10(np.interp(cutoff, frequency, np.abs(band)))
            assert level == pytest.approx(20 * math.log10(0.5), abs=0.05)


def test_slopes_are_24_decibels_an_octave() -> None:
    frequency, (low, mid, high) = responses(200.0, 3000.0, 96_000)
    for band, near, far in ((low, 1600, 3200), (mid, 25, 12.5), (high, 400, 200)):
        fall = np.interp(near, frequency, np.abs(band)) / np.interp(far, frequency, np.abs(band))
        assert 20 * np.log10(fall) == pytest.approx(24.08, abs=0.3)


@pytest.mark.parametrize(("low_hz", "high_hz"), CROSSOVERS)
def test_against_scipy(low_hz: float, high_hz: float) -> None:
    rate, pad = 44_100, 30_000
    audio = np.random.default_rng(1).normal(size=(2, 20_000))
    low, mid, high = split_bands(audio, low_hz, high_hz, rate)
    below = []
    for cutoff in (low_hz, high_hz):
        sos = scipy.signal.butter(2, cutoff, fs=rate, output="sos")
        padded = np.pad(audio, ((0, 0), (pad, pad)))
        both = scipy.signal.sosfilt(sos, scipy.signal.sosfilt(sos, padded)[:, ::-1])[:, ::-1]
        below.append(both[:, pad:-pad])
    assert np.abs(low - below[0]).max() < 1e-8
    assert np.abs(low + mid - below[1]).max() < 1e-8
    assert np.abs(low + mid + high - audio).max() < 1e-14


@pytest.mark.parametrize("rate", [22_050, 44_100, 192_000])
@pytest.mark.parametrize(("dtype", "budget"), [(torch.float64, 1e-7), (torch.float32, 2e-6)])
def test_batch_forms_equal_the_reference(rate: int, dtype: torch.dtype, budget: float) -> None:
    audio = 0.2 * np.random.default_rng(2).normal(size=(3, 2, rate // 4))
    low_hz, high_hz = (torch.tensor(values) for values in zip(*CROSSOVERS, strict=True))
    batch = torch.from_numpy(audio).to(dtype)
    bands = split_band_batch(batch, low_hz, high_hz, rate)
    # A cutoff beyond 0.45 of the rate is held there; the transform takes it as it is.
    cutoffs = torch.stack([low_hz, high_hz.clamp(max=0.45 * rate)], dim=1)
    by_fft = lowpass_by_fft(batch, cutoffs, rate)
    for item, (low, high) in enumerate(CROSSOVERS):
        expected = split_bands(audio[item], low, high, rate)
        for band, reference in zip(bands, expected, strict=True):
            assert np.abs(band[item].double().numpy() - reference).max() < budget
        for below, reference in zip(by_fft, (expected[0], expected[0] + expected[1]), strict=True):
            assert np.abs(below[item].double().numpy() - reference).max() < budget


def test_gradients_of_audio_and_frequencies() -> None:
    audio = torch.randn(2, 2, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    low = torch.tensor([60.0, 250.0], dtype=torch.float64, requires_grad=True)
    high = torch.tensor([2000.0, 3000.0], dtype=torch.float64, requires_grad=True)
    inputs = (audio.requires_grad_(), low, high)
    assert torch.autograd.gradcheck(
        lambda x, low, high: split_band_batch(x, low, high, 8000), inputs, atol=1e-8, fast_mode=True
    )


def test_a_nan_stays_in_its_item() -> None:
    audio = torch.randn(2, 2, 300, generator=torch.Generator().manual_seed(4))
    low, high = torch.tensor([100.0, 200.0]), torch.tensor([3000.0, 5000.0])
    alone = split_band_batch(audio, low, high, 44_100)
    audio[0, 0, 5] = math.nan
    for before, after in zip(alone, split_band_batch(audio, low, high, 44_100), strict=True):
        assert torch.equal(before[1], after[1])


@pytest.mark.parametrize("length", [1, 2, 255, 257])
def test_any_length(length: int) -> None:
    audio = np.random.default_rng(5).normal(size=(2, length))
    assert np.allclose(sum(split_bands(audio, 100.0, 3000.0, 44_100)), audio, atol=1e-14)


def test_impossible_frequencies_are_brought_into_range() -> None:
    audio = np.random.default_rng(6).normal(size=(2, 100))
    for band, expected in zip(
        split_bands(audio, 0.0, 1e6, 22_050), split_bands(audio, 20.0, 0.45 * 22_050, 22_050), strict=True
    ):
        assert np.array_equal(band, expected)
