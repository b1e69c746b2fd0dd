"""Compressors of every make follow the static curve and their times; limiters hold; multiband keeps bands apart."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from fxlens.data.dialects.banding import OtherMultiband, draw_multiband
from fxlens.data.dialects.companding import TIME_SCALES, Character, OtherCompressor, draw_character
from fxlens.data.dialects.crossing import causal_bands, smooth_bands
from fxlens.data.dialects.limiting import OtherLimiter, draw_limiter
from fxlens.effects.dynamics import Compressor, Limiter
from fxlens.effects.multiband import MultibandCompressor

RATE = 44_100
PLAIN = Character("peak", 10.0, True, False, "peak", 0.0, 1.0, 0.0)


def tone(level_db: float, seconds: float = 0.8, frequency_hz: float = 1000.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return np.tile((10.0 ** (level_db / 20.0) * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32), (2, 1))


def level_db(clip: np.ndarray) -> float:
    """Peak level of a steady tone, from the mean square of its last quarter."""
    return 10.0 * math.log10(2.0 * float(np.mean(clip[:, -clip.shape[1] // 4 :] ** 2)))


@pytest.mark.parametrize("seed", range(24))
def test_static_curve(seed):
    make = OtherCompressor(dataclasses.replace(draw_character(np.random.default_rng(seed)), knee_db=0.0))
    for ratio in (2.0, 6.0):
        values = Compressor.neutral() | {"threshold_db": -24.0, "ratio": ratio, "attack_ms": 5.0, "release_ms": 200.0}
        for given in (-40.0, -18.0, -6.0):
            clip = tone(given)
            make(clip, RATE, values)
            expected = given - (1.0 - 1.0 / ratio) * max(given + 24.0, 0.0)
            assert level_db(clip) == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize("name, share", [("63 %", 1 - 1 / math.e), ("90 %", 0.9)])
def test_an_attack_is_what_its_definition_says(name, share):
    character = dataclasses.replace(PLAIN, time_scale=TIME_SCALES[name])
    step = np.ones((2, RATE // 4), np.float32)
    values = Compressor.neutral() | {"threshold_db": -20.0, "ratio": 4.0, "attack_ms": 50.0, "release_ms": 200.0}
    OtherCompressor(character)(step, RATE, values)
    taken_db = -20.0 * np.log10(step[0])
    assert taken_db[-1] == pytest.approx(15.0, abs=0.3)
    assert taken_db[round(0.05 * RATE)] == pytest.approx(share * 15.0, abs=0.3)


def test_feedback_settles_where_the_forward_one_does_and_stays_stable():
    character = dataclasses.replace(PLAIN, detector="feedback")
    for ratio in (2.0, 4.0):
        clip = np.full((2, RATE // 2), 0.5, np.float32)
        values = Compressor.neutral() | {"threshold_db": -30.0, "ratio": ratio, "attack_ms": 0.1, "release_ms": 50.0}
        OtherCompressor(character)(clip, RATE, values)
        tail = 20.0 * np.log10(clip[0, -2000:])
        assert np.ptp(tail) < 0.05
        assert tail[-1] == pytest.approx(-6.02 - (1.0 - 1.0 / ratio) * 23.98, abs=0.2)


def test_one_channel_alone_moves_the_other_only_if_linked():
    clip = np.stack([tone(-3.0)[0], tone(-40.0)[0]])
    values = Compressor.neutral() | {"threshold_db": -24.0, "ratio": 4.0, "attack_ms": 1.0, "release_ms": 100.0}
    for link, moved_db in (("peak", 15.75), ("none", 0.0), ("power", 13.5)):
        out = clip.copy()
        OtherCompressor(dataclasses.replace(PLAIN, link=link))(out, RATE, values)
        assert level_db(clip[1:]) - level_db(out[1:]) == pytest.approx(moved_db, abs=0.5)


def test_lookahead_meets_the_step():
    clip = np.concatenate([np.full((2, 4410), 0.01, np.float32), np.ones((2, 4410), np.float32)], axis=1)
    values = Compressor.neutral() | {"threshold_db": -20.0, "ratio": 10.0, "attack_ms": 1.0, "release_ms": 100.0}
    late, early = clip.copy(), clip.copy()
    OtherCompressor(PLAIN)(late, RATE, values)
    OtherCompressor(dataclasses.replace(PLAIN, lookahead_ms=5.0))(early, RATE, values)
    assert late.max() > 0.9 and early.max() < 0.2


@pytest.mark.parametrize("seed", range(16))
def test_limiters_hold_a_tone_at_the_threshold(seed):
    make = draw_limiter(np.random.default_rng(seed))
    values = Limiter.neutral() | {"threshold_db": -12.0, "attack_ms": 1.0, "release_ms": 150.0}
    given_back = 12.0 * make.makeup_share
    for given in (-20.0, -2.0):
        clip = tone(given)
        make(clip, RATE, values)
        assert level_db(clip) - given_back == pytest.approx(min(given, -12.0), abs=1.5)


def test_a_brickwall_and_a_clipper_let_nothing_pass():
    rng = np.random.default_rng(0)
    for kind in ("brickwall", "clipped"):
        clip = (rng.standard_normal((2, RATE)) * 0.4).astype(np.float32)
        clip[:, 20_000] = 3.0
        OtherLimiter(kind, PLAIN, 0.0)(clip, RATE, Limiter.neutral() | {"threshold_db": -9.0})
        assert np.abs(clip).max() <= 10.0 ** (-9.0 / 20.0) * (1.0 + 1e-4)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_causal_bands_add_up_to_an_all_pass_and_fall_off(order):
    click = np.zeros((2, 1 << 15), np.float32)
    click[:, 100] = 1.0
    low, mid, high = causal_bands(click, 200.0, 4000.0, RATE, order)
    spectrum = np.abs(np.fft.rfft(low + mid + high)[0])
    np.testing.assert_allclose(20.0 * np.log10(spectrum[10:]), 0.0, atol=0.05)
    frequency = np.fft.rfftfreq(click.shape[1], 1.0 / RATE)
    slope_db = 20.0 * np.log10(np.abs(np.fft.rfft(low)[0]))
    octave = np.interp(1600.0, frequency, slope_db) - np.interp(800.0, frequency, slope_db)
    assert octave == pytest.approx(-12.0 * order, abs=0.15 * 12.0 * order)
    assert np.interp(200.0, frequency, slope_db) == pytest.approx(-6.02, abs=0.3)


def test_smooth_bands_add_up_to_the_clip():
    clip = np.random.default_rng(1).standard_normal((2, 20_000)).astype(np.float32)
    low, mid, high = smooth_bands(clip, 200.0, 4000.0, RATE, 1.0)
    np.testing.assert_allclose(low + mid + high, clip, atol=1e-5)
    frequency = np.fft.rfftfreq(clip.shape[1], 1.0 / RATE)
    power = np.abs(np.fft.rfft(high[0])) ** 2
    assert power[frequency < 2700.0].sum() < 1e-3 * power.sum()


@pytest.mark.parametrize("seed", range(10))
def test_a_band_is_compressed_by_itself(seed):
    drawn = draw_multiband(np.random.default_rng(seed))
    make = dataclasses.replace(drawn, character=dataclasses.replace(drawn.character, knee_db=0.0))
    values = MultibandCompressor.neutral() | {
        "low_crossover_hz": 200.0,
        "high_crossover_hz": 5000.0,
        "mid_threshold_db": -30.0,
        "mid_ratio": 4.0,
        "mid_attack_ms": 5.0,
        "mid_release_ms": 200.0,
        "mix": 0.7,
    }
    gain_db = 20.0 * math.log10(1.0 + 0.7 * (10.0 ** (-0.75 * 18.0 / 20.0) - 1.0))
    clip = tone(-12.0)
    make(clip, RATE, values)
    assert level_db(clip) == pytest.approx(-12.0 + gain_db, abs=1.5)
    bass = tone(-12.0, frequency_hz=40.0)
    make(bass, RATE, values)
    assert level_db(bass) == pytest.approx(-12.0, abs=1.5)


def test_an_expander_turns_down_what_is_quiet():
    values = MultibandCompressor.neutral() | {"mid_expander_threshold_db": -40.0, "mid_expander_ratio": 0.5, "mix": 0.7}
    for detector in ("peak", "rms", "feedback"):
        make = OtherMultiband(dataclasses.replace(PLAIN, detector=detector), 2, 1.0)
        loud, quiet = tone(-20.0), tone(-50.0)
        make(loud, RATE, values)
        make(quiet, RATE, values)
        assert level_db(loud) == pytest.approx(-20.0, abs=0.5)
        expected = -50.0 + 20.0 * math.log10(1.0 + 0.7 * (10.0 ** (-10.0 / 20.0) - 1.0))
        assert level_db(quiet) == pytest.approx(expected, abs=1.5)
