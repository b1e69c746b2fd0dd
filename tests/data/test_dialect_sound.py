"""Distortions, delays, reverbs and imagers of every make do what their parameters say."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from fxlens.data.dialects.blending import LAWS, blend
from fxlens.data.dialects.echoing import CUBIC, LINEAR, NEAREST, OtherDelay, draw_delay
from fxlens.data.dialects.reverberating import OtherReverb
from fxlens.data.dialects.room_algorithms import damped_seconds
from fxlens.data.dialects.saturating import CURVES, OtherDistortion, draw_distortion
from fxlens.data.dialects.widening import draw_imager
from fxlens.effects.delay import Delay
from fxlens.effects.distortion import Distortion
from fxlens.effects.impulse_responses import pink_energy
from fxlens.effects.reverb import Reverb
from fxlens.effects.stereo import StereoImager

RATE = 44_100
ODD, EVEN = (3, 5, 7), (2, 4, 6)


def partials(clip: np.ndarray, of: tuple[int, ...], fundamental: int = 500) -> float:
    """Amplitude of some partials of a tone of one second, relative to the fundamental."""
    spectrum = np.abs(np.fft.rfft(clip[0] * np.hanning(RATE)))
    height = [spectrum[n * fundamental - 2 : n * fundamental + 3].max() for n in (1, *of)]
    return float(np.sqrt(np.sum(np.square(height[1:]))) / height[0])


def driven(make: OtherDistortion, **values: float) -> np.ndarray:
    clip = np.tile((0.15 * np.sin(2 * np.pi * 500.0 * np.arange(RATE) / RATE)).astype(np.float32), (2, 1))
    make(clip, RATE, Distortion.neutral() | values)
    return clip


@pytest.mark.parametrize("curve", sorted(CURVES))
def test_curves_have_slope_one_and_saturate_at_one(curve):
    v = np.linspace(-40.0, 40.0, 4001, dtype=np.float32)
    y = CURVES[curve](v)
    assert np.all(np.diff(y) >= -1e-6) and np.abs(y).max() <= 1.0 + 1e-6 and y[-1] > 0.95
    np.testing.assert_allclose(y, -y[::-1], atol=1e-6)
    small = np.float32(1e-3)
    assert float(CURVES[curve](np.array([small]))[0]) == pytest.approx(1e-3, rel=2e-3)


@pytest.mark.parametrize("seed", range(12))
def test_drive_adds_partials_bias_even_ones_and_the_level_stays(seed):
    make = draw_distortion(np.random.default_rng(seed))
    clean, some, more = (driven(make, drive_db=d) for d in (0.0, 9.0, 27.0))
    assert partials(clean, ODD) < 1e-3
    assert 0.005 < partials(some, ODD) < partials(more, ODD)
    assert partials(more, EVEN) < 1e-3
    biased = driven(make, drive_db=15.0, bias=0.4)
    assert partials(biased, EVEN) > 0.01 and abs(biased.mean()) < 0.01
    for clip in (some, more, biased):
        assert np.sqrt(np.mean(clip**2)) == pytest.approx(0.15 / math.sqrt(2.0), rel=0.01)
    hard = driven(make, drive_db=30.0, hardness=1.0)
    assert partials(hard, ODD) == pytest.approx(math.sqrt(1 / 9 + 1 / 25 + 1 / 49), abs=0.04)  # nearly a square


def test_oversampling_keeps_partials_from_folding_back():
    def folded(oversampled: bool) -> float:
        t = np.arange(RATE) / RATE
        clip = np.tile((0.2 * np.sin(2 * np.pi * 6011.0 * t)).astype(np.float32), (2, 1))
        make = OtherDistortion("tanh", False, oversampled, None, 10.0)
        make(clip, RATE, Distortion.neutral() | {"drive_db": 18.0})
        spectrum = np.abs(np.fft.rfft(clip[0] * np.hanning(RATE)))
        alias = 44_100 - 5 * 6011  # the fifth partial
        return float(spectrum[alias - 2 : alias + 3].max() / spectrum.max())

    assert folded(True) < 0.1 * folded(False)


def test_a_raw_drive_follows_the_level_and_a_calibrated_one_does_not():
    for input_db, moves in ((None, False), (6.0, True)):
        make = OtherDistortion("tanh", False, False, input_db, 10.0)
        t = np.arange(RATE) / RATE
        loud = np.tile((0.4 * np.sin(2 * np.pi * 500.0 * t)).astype(np.float32), (2, 1))
        quiet = loud * np.float32(0.1)
        for clip in (loud, quiet):
            make(clip, RATE, Distortion.neutral() | {"drive_db": 12.0})
        assert (partials(loud, ODD) > 1.5 * partials(quiet, ODD)) is moves


PLAIN_DELAY = OtherDelay(0.0, 0.0, None, 0.0, False, 0.0, 1.0, CUBIC, "linear")


def echo_seconds(response: np.ndarray, first: float, last: float) -> float:
    """Centre of the energy between two times."""
    a, b = round(first * RATE), round(last * RATE)
    power = np.square(response[a:b], dtype=np.float64)
    return float(np.sum(power * np.arange(a, b)) / power.sum() / RATE)


@pytest.mark.parametrize("seed", range(16))
def test_echoes_come_when_they_should_and_decay_as_they_should(seed):
    make = draw_delay(np.random.default_rng(seed))
    clip = np.zeros((2, RATE), np.float32)
    clip[:, 0] = 1.0
    make(clip, RATE, {"time_ms": 173.3, "feedback": 0.5, "wet": 0.4})
    both = clip.sum(axis=0)
    for echo in (1, 2, 3):
        at = 0.1733 * echo
        assert echo_seconds(both, at - 0.05, at + 0.08) == pytest.approx(at, abs=0.001 * echo + 0.0006)
    # Power per echo: the low-pass and crossing may only take away.
    spans = [slice(round((0.1733 * e - 0.05) * RATE), round((0.1733 * e + 0.1) * RATE)) for e in (1, 2)]
    power = [float(np.sum(both[span] ** 2)) for span in spans]
    assert power[1] <= 0.26 * power[0] * (1.0 if make.crossing == 0.0 else 4.0)


@pytest.mark.parametrize("interpolation", [NEAREST, LINEAR, CUBIC])
def test_a_plain_line_has_the_echoes_of_our_own_delay(interpolation):
    rng = np.random.default_rng(0)
    audio = rng.standard_normal((2, 20_000)).astype(np.float32)
    values = {"time_ms": 1e3 * 3000.0 / RATE, "feedback": 0.4, "wet": 0.5}
    clip = audio.copy()
    dataclasses.replace(PLAIN_DELAY, interpolation=interpolation)(clip, RATE, values)
    expected = Delay().reference(audio.astype(np.float64), RATE, **values)
    np.testing.assert_allclose(clip, expected, atol=2e-5)


def test_interpolation_reads_between_samples():
    t = np.arange(20_000) / RATE
    audio = np.tile(np.sin(2 * np.pi * 900.0 * t).astype(np.float32), (2, 1))
    clip = audio.copy()
    PLAIN_DELAY(clip, RATE, {"time_ms": 1e3 * 1000.5 / RATE, "feedback": 0.0, "wet": 1.0})
    expected = np.sin(2 * np.pi * 900.0 * (t - 1000.5 / RATE))
    np.testing.assert_allclose(clip[0, 1100:], expected[1100:], atol=1e-3)


def test_crossing_alternates_sides():
    make = dataclasses.replace(PLAIN_DELAY, crossing=1.0)
    clip = np.zeros((2, 20_000), np.float32)
    clip[:, 0] = 1.0
    make(clip, RATE, {"time_ms": 1e3 * 4000.0 / RATE, "feedback": 0.5, "wet": 0.5})
    left, right = np.abs(clip[:, 4000]), np.abs(clip[:, 8000])
    assert left[0] > 0.4 and left[1] < 1e-6 and right[1] > 0.2 and right[0] < 1e-6


@pytest.mark.parametrize("law", LAWS)
def test_mixing_laws(law):
    dry, wet = np.ones((2, 4), np.float32), np.zeros((2, 4), np.float32)
    for share in (0.0, 0.5, 1.0):
        clip, echo = dry.copy(), wet + np.float32(2.0)
        blend(clip, echo, share, law)
        only_wet = np.zeros((2, 4), np.float32)
        blend(only_wet, wet + np.float32(2.0), share, law)
        only_dry = clip - only_wet
        if share == 0.0:
            np.testing.assert_array_equal(clip, dry)
        elif share == 1.0:
            assert np.abs(only_dry).max() < 1e-6
        else:  # the even share is even under every law
            np.testing.assert_allclose(only_wet, 2.0 * only_dry, rtol=1e-5)


def decay_of(response: np.ndarray, low_hz: float, high_hz: float) -> float:
    """Reverberation time in a band by Schroeder's backward integration, from -5 to -30 dB (ISO 3382-1, T25)."""
    band = butter(3, (low_hz, high_hz), "bandpass", fs=RATE, output="sos")
    power = np.sum(sosfilt(band, response, axis=-1) ** 2, axis=0)
    left = np.cumsum(power[::-1])[::-1]
    level = 10.0 * np.log10(left / left[0] + 1e-12)
    a, b = int(np.argmax(level < -5.0)), int(np.argmax(level < -30.0))
    return 60.0 / 25.0 * (b - a) / RATE


@pytest.mark.parametrize("algorithm", ["network", "combs", "sprinkled"])
@pytest.mark.parametrize("seed", [0, 1])
def test_rooms_decay_as_told(algorithm, seed):
    make = OtherReverb(algorithm, 7 + seed, 0.0, "linear")
    for decay, damping in ((0.5, 0.0), (1.5, 0.4), (2.5, 0.9)):
        response = make.response(seed, decay, 0.0, damping, RATE)
        assert np.allclose(pink_energy(response, RATE).mean(), 1.0, rtol=0.01)
        assert decay_of(response, 120.0, 350.0) == pytest.approx(decay, rel=0.2)
        top = decay_of(response, 5000.0, 7500.0)
        assert top == pytest.approx(damped_seconds(decay, damping, 6000.0), rel=0.35)
        correlation = np.corrcoef(response)[0, 1]
        assert abs(correlation) < 0.5  # a wide room


def test_a_room_belongs_to_the_chain_and_comes_after_its_predelay():
    make = OtherReverb("network", 3, 0.3, "linear")
    one, same, other = (make.response(seed, 0.6, 0.0, 0.5, RATE) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.allclose(one[:, :5000], other[:, :5000])
    late = make.response(1, 0.6, 50.0, 0.5, RATE)
    np.testing.assert_array_equal(late[:, round(0.05 * RATE) :], one)
    clip = np.zeros((2, RATE), np.float32)
    clip[:, 0] = 1.0
    make(clip, RATE, Reverb.neutral() | {"seed": 1.0, "decay_seconds": 0.6, "wet": 0.5})
    np.testing.assert_allclose(clip[:, 1 : one.shape[1]], 0.5 * one[:, 1:], atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_width_is_the_ratio_of_side_to_mid(seed):
    make = draw_imager(np.random.default_rng(seed))
    t = np.arange(RATE) / RATE
    mid, side = 0.3 * np.sin(2 * np.pi * 2000.0 * t), 0.1 * np.sin(2 * np.pi * 2500.0 * t)
    for width in (0.0, 0.5, 1.0, 1.8):
        clip = np.stack([mid + side, mid - side]).astype(np.float32)
        make(clip, RATE, StereoImager.neutral() | {"width": width})
        heard = clip[:, RATE // 2 :]
        ratio = np.std(heard[0] - heard[1]) / np.std(heard[0] + heard[1])
        assert ratio == pytest.approx(width / 3.0, abs=0.05 * width / 3.0 + 0.02)
