"""The image of a stem: what is measured of panned sounds, and what moving them keeps."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from fxlens.audio.loudness import integrated_loudness
from fxlens.fxnorm import panning as pa
from fxlens.fxnorm.short_time import SAMPLE_RATE, frame_count, overlap_added, spectra, sqrt_hann


def noise(seconds: float, seed: int) -> np.ndarray:
    return 0.05 * np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))


def panned(ratio: float, seconds: float = 2.0) -> np.ndarray:
    """One noise, on the right ``ratio`` times as loud as on the left."""
    one = noise(seconds, 0)
    return np.stack([one, ratio * one]).astype(np.float32)


def wide(share: float, seconds: float = 3.0) -> np.ndarray:
    """Two noises, each leaking into the other side by ``share``."""
    left, right = noise(seconds, 1), noise(seconds, 2)
    return np.stack([left + share * right, right + share * left]).astype(np.float32)


@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 30_000])
def test_overlap_add_gives_the_audio_back(length: int) -> None:
    audio = wide(0.3)[:, :length]
    window = sqrt_hann(2048)
    again = overlap_added(spectra(audio, window, 1024, 7), window, length)
    assert again.shape == audio.shape
    np.testing.assert_allclose(again, audio, atol=2e-7)


def test_spectra_are_scipys_whatever_the_blocks() -> None:
    audio = wide(0.3)[:, :20_000]
    window = sqrt_hann(2048)
    ours = np.concatenate(list(spectra(audio, window, 1024, 5)), axis=1)
    assert ours.shape[1] == frame_count(20_000, 1024)
    theirs = scipy.signal.ShortTimeFFT(window.astype(np.float64), 1024, SAMPLE_RATE)
    expected = theirs.stft(audio.astype(np.float64), p0=0, p1=ours.shape[1])
    np.testing.assert_allclose(np.abs(ours), np.abs(expected).transpose(0, 2, 1), atol=2e-5)


@pytest.mark.parametrize("ratio", [1.0, 0.7, 0.3, 0.05, 0.0])
def test_a_panned_sound_reads_its_ratio(ratio: float) -> None:
    moments = pa.panning_moments(panned(ratio))
    phi = 2.0 * ratio / (1.0 + ratio**2)
    for row, power in enumerate(pa.MOMENTS):
        np.testing.assert_allclose(moments[row], phi**power, atol=2e-3 if ratio else 0.04)
    assert pa.width(moments) == pytest.approx(1.0 - phi, abs=2e-3)


def test_silence_does_not_count() -> None:
    part = wide(0.2)
    with_rests = np.pad(part, ((0, 0), (SAMPLE_RATE * 5, SAMPLE_RATE * 5)))
    np.testing.assert_allclose(pa.panning_moments(with_rests), pa.panning_moments(part), atol=0.01)


@pytest.mark.parametrize(("share", "factor"), [(0.2, 0.6), (0.2, 1.6), (0.5, 0.5), (0.5, 1.4)])
def test_the_image_moves_most_of_the_way(share: float, factor: float) -> None:
    audio = wide(share)
    moments = pa.panning_moments(audio)
    own = moments[pa.MOMENTS.index(1.0)]
    reference = own**factor
    moved = pa.move(audio, pa.find_powers(audio, moments, reference, 16_000.0))
    got = pa.panning_moments(moved)[pa.MOMENTS.index(1.0)]
    inside = slice(0, 450)  # the smoothing of 501 bins reaches from above 16 kHz down to here
    left = np.abs(got[inside] - reference[inside]).mean() / np.abs(own[inside] - reference[inside]).mean()
    assert left < 0.3
    # What a bin has is shared out anew, not changed.
    assert integrated_loudness(moved, SAMPLE_RATE) == pytest.approx(
        float(integrated_loudness(audio, SAMPLE_RATE)), abs=0.2
    )


def test_one_is_nothing_and_the_outermost_stay_where_they_are() -> None:
    audio = wide(0.3)
    np.testing.assert_allclose(pa.move(audio, np.ones(pa.BINS, np.float32)), audio, atol=2e-7)
    np.testing.assert_allclose(pa.move(audio, np.full(pa.BINS, 1.0 + 1e-6, np.float32)), audio, atol=1e-6)
    for ratio in (0.0, 1.0):
        there = panned(ratio)
        for power in (0.25, 4.0):
            np.testing.assert_allclose(pa.move(there, np.full(pa.BINS, power, np.float32)), there, atol=1e-6)


def test_a_panned_sound_goes_where_it_should() -> None:
    phi = 2.0 * 0.5 / 1.25
    moved = pa.move(panned(0.5), np.full(pa.BINS, 3.0, np.float32))
    measured = np.sqrt(np.mean(moved[1] ** 2) / np.mean(moved[0] ** 2))
    wanted_phi = phi**3
    assert measured == pytest.approx((1.0 - np.sqrt(1.0 - wanted_phi**2)) / wanted_phi, rel=1e-3)
    np.testing.assert_allclose((moved**2).sum(), (panned(0.5) ** 2).sum(), rtol=1e-3)
    assert np.corrcoef(moved[0], panned(0.5)[0])[0, 1] > 0.99999  # phases are kept


def test_above_the_highest_frequency_nothing_moves() -> None:
    audio = wide(0.2)
    moments = pa.panning_moments(audio)
    powers = pa.find_powers(audio, moments, moments[2] ** 2.0, 6_000.0)
    edge = round(6_000.0 * 2048 / SAMPLE_RATE) + 1
    assert np.all(powers[edge:] == 1.0) and np.all(powers[:edge] > 1.5)
