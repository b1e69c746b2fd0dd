"""What happens after the effects: each thing is what it says, happens as often as told, and leaves the rest alone."""

from __future__ import annotations

import numpy as np
import pytest

from fxlens.audio.loudness import integrated_loudness
from fxlens.data.augmentation import AugmentSettings, augment
from fxlens.data.codecs import CODECS, through_codec
from fxlens.errors import ConfigError

RATE = 44_100


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    rng = np.random.default_rng(0)
    t = np.arange(RATE) / RATE
    tones = sum(np.sin(2 * np.pi * f * t + rng.random((2, 1)) * 6) for f in (110.0, 441.0, 1234.0, 5000.0))
    hits = rng.standard_normal((2, RATE)) * np.exp(-9.0 * (t % 0.26))
    return (0.05 * tones + 0.05 * hits).astype(np.float32)


def spectrum_db(clip: np.ndarray) -> np.ndarray:
    return 10.0 * np.log10(np.mean(np.abs(np.fft.rfft(clip * np.hanning(RATE))) ** 2, axis=0) + 1e-12)


@pytest.mark.parametrize("codec", ["mp3-64", "mp3-128", "ogg-64", "ogg-160"])
def test_a_codec_gives_back_what_was_there_in_its_place(clip, codec):
    out = through_codec(clip, RATE, codec)
    assert out.shape == clip.shape and out.dtype == np.float32
    error = np.mean((out - clip) ** 2) / np.mean(clip**2)
    # Tones stay; it is the noise of the hits that is spent.
    assert 1e-5 < error < 10.0 ** (-8.0 / 10.0)
    assert integrated_loudness(out, RATE) == pytest.approx(float(integrated_loudness(clip, RATE)), abs=1.0)
    for frequency in (110, 441, 1234):
        assert spectrum_db(out)[frequency] == pytest.approx(spectrum_db(clip)[frequency], abs=0.7)


def test_a_lower_rate_loses_more_and_a_loud_clip_is_not_clipped(clip):
    errors = [np.mean((through_codec(clip, RATE, c) - clip) ** 2) for c in ("ogg-64", "ogg-256")]
    assert errors[0] > 2.0 * errors[1]
    loud = clip * np.float32(20.0)
    out = through_codec(loud, RATE, "ogg-256")
    assert np.abs(out).max() > 0.9 * np.abs(loud).max() > 1.0
    assert not through_codec(np.zeros((2, 4000), np.float32), RATE, "mp3-64").any()
    assert through_codec(clip[:, :100], RATE, "mp3-128").shape == (2, 100)
    assert {c.split("-")[0] for c in CODECS} == {"mp3", "ogg"}


def test_nothing_by_default_and_nothing_drawn(clip):
    rng = np.random.default_rng(1)
    assert augment(clip, RATE, rng, AugmentSettings(), True) is clip
    assert rng.random() == np.random.default_rng(1).random()


def test_the_seed_decides(clip):
    every = AugmentSettings(codec=0.5, resampled=0.5, mono=0.5, gain=0.5, noise=0.5, offset=0.5)
    before = clip.copy()
    one, two = (augment(clip, RATE, np.random.default_rng(7), every, True) for _ in range(2))
    assert np.array_equal(one, two) and np.array_equal(clip, before)
    assert one.dtype == np.float32 and one.shape == clip.shape
    assert not np.array_equal(one, augment(clip, RATE, np.random.default_rng(8), every, True))


@pytest.mark.parametrize("rate", [22_050, 32_000, 48_000])
def test_resampling_loses_what_lies_above_the_lower_nyquist_frequency_only(clip, rate):
    out = augment(clip, RATE, np.random.default_rng(0), AugmentSettings(resampled=1.0, rates_hz=(rate,)), True)
    before, after = spectrum_db(clip), spectrum_db(out)
    kept = slice(50, round(0.42 * min(rate, RATE)))
    np.testing.assert_allclose(after[kept], before[kept], atol=0.6)
    if rate < RATE:
        lost = slice(rate // 2 + 500, 22_000)
        assert np.median(before[lost] - after[lost]) > 40.0


def test_mono_gain_noise_and_offset(clip):
    rng = np.random.default_rng(0)
    mono = augment(clip, RATE, rng, AugmentSettings(mono=1.0), True)
    np.testing.assert_allclose(mono, np.tile(clip.mean(axis=0), (2, 1)), atol=1e-7)
    assert np.array_equal(augment(clip, RATE, rng, AugmentSettings(mono=1.0), False), clip)
    gains_db = []
    for _ in range(200):
        out = augment(clip, RATE, rng, AugmentSettings(gain=1.0, gain_db=12.0), True)
        ratio = out[0, 1000] / clip[0, 1000]
        np.testing.assert_allclose(out, ratio * clip, rtol=1e-4, atol=1e-7)
        gains_db.append(20.0 * np.log10(ratio))
    assert -12.0 <= min(gains_db) < -10.0 and 10.0 < max(gains_db) <= 12.0
    added = augment(clip, RATE, rng, AugmentSettings(noise=1.0), True) - clip
    assert -91.0 < 20.0 * np.log10(added.std()) < -59.0 and abs(np.corrcoef(added)[0, 1]) < 0.05
    shift = augment(clip, RATE, rng, AugmentSettings(offset=1.0), True) - clip
    assert np.ptp(shift, axis=1).max() < 1e-6 and 0.0 < np.abs(shift).max() <= 0.003 + 1e-6


def test_shares_are_kept(clip):
    rng, short = np.random.default_rng(0), clip[:, :500]
    settings = AugmentSettings(gain=0.3)
    changed = sum(not np.array_equal(augment(short, RATE, rng, settings, True), short) for _ in range(600))
    assert 130 < changed < 230


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"codec": 1.5}, "share of views"),
        ({"codecs": ("aac-128",)}, "aac-128"),
        ({"resampled": 0.1, "rates_hz": ()}, "must not be empty"),
        ({"rates_hz": (4000,)}, "8000 or more"),
    ],
)
def test_wrong_settings(wrong, message):
    with pytest.raises(ConfigError, match=message):
        AugmentSettings(**wrong)
