"""What Fx-normalisation is for: versions of one stem come closer, what is normal stays, nothing breaks it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyloudnorm
import pytest

from fxlens.audio.loudness import integrated_loudness
from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.errors import AudioError, DataError, UsageError
from fxlens.fxnorm import panning as pa
from fxlens.fxnorm import spectrum as sp
from fxlens.fxnorm.normalize import fit_statistics, fx_normalize
from fxlens.fxnorm.statistics import Statistics

RATE = 44_100
CHAINS = [
    EffectChain((
        Effect("equalizer", True, {"low_shelf_gain_db": 9.0, "high_shelf_gain_db": -8.0}),
        Effect("gain", True, {"gain_db": -12.0}),
    )),
    EffectChain((
        Effect("equalizer", True, {"low_shelf_gain_db": -8.0, "high_shelf_gain_db": 9.0}),
        Effect("stereo_imager", True, {"width": 1.4}),
    )),
    EffectChain((Effect("compressor", True, {"threshold_db": -35.0, "ratio": 6.0, "makeup_db": 12.0}),)),
    EffectChain((Effect("distortion", True, {"drive_db": 10.0}), Effect("gain", True, {"gain_db": -6.0}))),
    EffectChain((Effect("stereo_imager", True, {"width": 0.3}),)),
]  # fmt: skip


@lru_cache(maxsize=1)
def versions() -> tuple[np.ndarray, ...]:
    """One stereo stem (keys to the left, plucked strings to the right), plain and behind five chains."""
    song = synthesize_song(3, 6.0, instruments=["keys", "plucked"])
    keys, plucked = song["keys"].mean(0), song["plucked"].mean(0)
    plain = np.stack([keys + 0.35 * plucked, 0.35 * keys + plucked]).astype(np.float32)
    return (plain, *(chain.apply(plain, RATE).astype(np.float32) for chain in CHAINS))


@lru_cache(maxsize=1)
def fitted() -> Statistics:
    return fit_statistics([(f"song {i}", "synth", audio, RATE) for i, audio in enumerate(versions())])


@lru_cache(maxsize=1)
def normalized() -> tuple[np.ndarray, ...]:
    return tuple(fx_normalize(audio, RATE, "synth", fitted()) for audio in versions())


def features(audio: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Mean spectrum, width and loudness."""
    lufs = float(integrated_loudness(audio, RATE))
    level = (audio * 10.0 ** ((-30.0 - lufs) / 20.0)).astype(np.float32)
    return sp.mean_spectrum(level, 401), pa.width(pa.panning_moments(level)), lufs


def spreads(stems: tuple[np.ndarray, ...]) -> tuple[float, float, float]:
    """Mean distance of the spectra from their geometric mean (dB), standard deviation of width and of loudness."""
    spectra, widths, lufs = zip(*(features(audio) for audio in stems), strict=True)
    middle = np.exp(np.mean(np.log(spectra), axis=0))
    return float(np.mean([sp.distance_db(s, middle) for s in spectra])), float(np.std(widths)), float(np.std(lufs))


def test_versions_of_one_stem_come_closer() -> None:
    before, after = spreads(versions()), spreads(normalized())
    assert before[0] > 1.5 and before[1] > 0.1 and before[2] > 3.0  # the chains are not harmless
    assert after[0] < before[0] / 2.5
    assert after[1] < before[1] / 5.0
    assert after[2] < 0.01


def test_loudness_is_the_average_by_another_meter() -> None:
    target = fitted().of("synth").loudness_lufs
    for audio in normalized():
        assert pyloudnorm.Meter(RATE).integrated_loudness(audio.T.astype(np.float64)) == pytest.approx(target, abs=0.1)


def test_a_second_time_changes_almost_nothing() -> None:
    for once in normalized():
        twice = fx_normalize(once, RATE, "synth", fitted())
        (first, first_width, first_lufs), (second, second_width, second_lufs) = features(once), features(twice)
        assert sp.distance_db(second, first) < 0.8
        assert abs(second_width - first_width) < 0.03
        assert abs(second_lufs - first_lufs) < 0.01
        assert 10 * np.log10(np.sum((twice - once) ** 2.0) / np.sum(once**2.0)) < -25.0


def test_a_stem_with_its_own_statistics_keeps_everything_but_its_level() -> None:
    stem = versions()[0]
    own = fit_statistics([("song", "synth", stem, RATE)])
    result = fx_normalize(stem, RATE, "synth", own)
    gain = float(np.sum(result * stem) / np.sum(stem**2.0))
    assert 10 * np.log10(np.sum((result - gain * stem) ** 2.0) / np.sum(result**2.0)) < -80.0
    again = fx_normalize(result, RATE, "synth", own)
    np.testing.assert_allclose(again, result, atol=1e-4 * np.abs(result).max())


def test_level_and_float_type_of_the_input_do_not_matter() -> None:
    stem = versions()[1]
    expected = normalized()[1]
    for other in (stem.astype(np.float64), 0.05 * stem, 8.0 * stem):
        np.testing.assert_allclose(fx_normalize(other, RATE, "synth", fitted()), expected, atol=2e-5)


def test_dual_mono_stays_dual_mono_and_mono_becomes_it() -> None:
    mono = versions()[2].mean(0)
    for audio in (mono, mono[None], np.stack([mono, mono])):
        result = fx_normalize(audio, RATE, "synth", fitted())
        assert result.shape == (2, mono.size) and result.dtype == np.float32
        np.testing.assert_array_equal(result[0], result[1])


def test_the_input_is_not_written_to() -> None:
    stem = versions()[3].copy()
    fx_normalize(stem, RATE, "synth", fitted())
    np.testing.assert_array_equal(stem, versions()[3])


@pytest.mark.parametrize("level_db", [-np.inf, -120.0, -51.0])
def test_silence_is_left_alone(level_db: float) -> None:
    quiet = versions()[0] / np.abs(versions()[0]).max() * 10.0 ** (level_db / 20.0)
    np.testing.assert_array_equal(fx_normalize(quiet, RATE, "synth", fitted()), quiet.astype(np.float32))


@pytest.mark.parametrize("length", [1, 2, 100, 1024, 10_000, 70_000])
def test_short_sounds(length: int) -> None:
    result = fx_normalize(versions()[0][:, 20_000 : 20_000 + length], RATE, "synth", fitted())
    assert result.shape == (2, length) and np.isfinite(result).all()


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 96_000, 192_000])
def test_other_sample_rates(rate: int) -> None:
    t = np.arange(3 * rate + 17) / rate
    rng = np.random.default_rng(0)
    audio = np.stack([np.sin(2 * np.pi * 220 * t), np.sin(2 * np.pi * 330 * t)]) * 0.2
    audio += 0.01 * rng.standard_normal(audio.shape)
    result = fx_normalize(audio, rate, "synth", fitted())
    assert result.shape == audio.shape and np.isfinite(result).all()
    # Resampling back takes away what the steps lifted above the band of a low rate.
    budget_lu = 0.1 if rate > 44_100 else 1.5
    assert float(integrated_loudness(result, rate)) == pytest.approx(fitted().of("synth").loudness_lufs, abs=budget_lu)
    assert fx_normalize(audio[:, :1], rate, "synth", fitted()).shape == (2, 1)


def test_an_unknown_instrument_goes_to_the_fallback() -> None:
    assert set(fitted().classes) == {"synth"}
    result = fx_normalize(versions()[0], RATE, "trombone", fitted())
    assert float(integrated_loudness(result, RATE)) == pytest.approx(fitted().fallback.loudness_lufs, abs=0.01)


def test_songs_count_once_however_many_takes_they_have() -> None:
    loud, other = versions()[0], versions()[1]
    twice = fit_statistics([("a", "synth", loud, RATE), ("a", "synth", loud, RATE), ("b", "synth", other, RATE)])
    once = fit_statistics([("a", "synth", loud, RATE), ("b", "synth", other, RATE)])
    assert twice.of("synth").stems == 3 and twice.of("synth").songs == 2
    np.testing.assert_allclose(twice.of("synth").spectrum, once.of("synth").spectrum, rtol=1e-5)
    assert twice.of("synth").loudness_lufs == pytest.approx(once.of("synth").loudness_lufs, abs=1e-4)


def test_mistakes_are_named() -> None:
    with pytest.raises(AudioError, match="NaN"):
        fx_normalize(np.full((2, 100), np.nan), RATE, "synth", fitted())
    with pytest.raises(AudioError, match="no samples"):
        fx_normalize(np.zeros((2, 0)), RATE, "synth", fitted())
    with pytest.raises(UsageError, match="sample_rate"):
        fx_normalize(versions()[0], 0, "synth", fitted())
    with pytest.raises(DataError, match="nothing to fit"):
        fit_statistics([("a", "synth", np.zeros((2, 1000)), RATE)])
