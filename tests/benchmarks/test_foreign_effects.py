"""Foreign engines do what a chain says, each in its own way: judged by tones, pulses and noise."""

from __future__ import annotations

import numpy as np
import pytest
from engines.engine import Engine
from engines.foreign_renderer import ENGINES, ForeignRenderer, draw_engines

from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.equalizer import BANDS
from fxlens.effects.sampling import draw_chain

RATE = 44_100


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    made = ENGINES[request.param]()
    reason = made.missing()
    if reason is not None:
        pytest.skip(f"{made.name} is not here: {reason}")
    return made


def through(engine: Engine, audio: np.ndarray, type: str, **values: float) -> np.ndarray:
    return engine.apply(EffectChain((Effect(type, True, values),)), audio.astype(np.float32), RATE)


def tone(hz: float, level_db: float, seconds: float = 1.0) -> np.ndarray:
    one = 10.0 ** (level_db / 20.0) * np.sin(2.0 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([one, one])


def settled_db(audio: np.ndarray) -> float:
    """Peak of a sine in the last quarter, dB, by its RMS."""
    return float(10.0 * np.log10(2.0 * np.mean(np.square(audio[:, -audio.shape[1] // 4 :], dtype=np.float64))))


def pulse(seconds: float = 0.5, level: float = 0.5) -> np.ndarray:
    audio = np.zeros((2, round(seconds * RATE)))
    audio[:, 0] = level
    return audio


def test_an_equaliser_raises_what_it_shall_raise(engine: Engine) -> None:
    boosted = through(engine, pulse(), "equalizer", band0_gain_db=9.0, band0_cutoff_hz=600.0, band0_q=1.0)
    response_db = 20.0 * np.log10(np.abs(np.fft.rfft(boosted[0])) / 0.5)
    at = lambda hz: response_db[round(hz * boosted.shape[1] / RATE)]  # noqa: E731
    assert at(600.0) == pytest.approx(9.0, abs=0.2)
    assert 3.5 < at(350.0) < 8.0  # half the gain in decibels lies near 370 Hz
    assert abs(at(9_000.0)) < 0.5
    shelved = through(engine, pulse(), "equalizer", high_shelf_gain_db=-6.0, high_shelf_cutoff_hz=4_000.0)
    response_db = 20.0 * np.log10(np.abs(np.fft.rfft(shelved[0])) / 0.5)
    assert at(18_000.0) == pytest.approx(-6.0, abs=0.7) and abs(at(200.0)) < 0.3


@pytest.mark.parametrize("gain_db", [-12.0, 12.0])
@pytest.mark.parametrize("q", [0.5, 5.0])
@pytest.mark.parametrize("edge", [3, 4])  # of a band: its lowest and its highest cutoff
def test_no_corner_of_an_equaliser_is_unstable(engine: Engine, gain_db: float, q: float, edge: int) -> None:
    values = {}
    for name, _, low, high, _ in BANDS:
        values |= {f"{name}_gain_db": gain_db, f"{name}_q": q, f"{name}_cutoff_hz": low if edge == 3 else high}
    out = through(engine, pulse(1.0), "equalizer", **values)
    assert np.isfinite(out).all() and np.abs(out).max() < 50.0
    assert np.abs(out[:, -RATE // 4 :]).max() < 1e-3


def test_a_compressor_takes_what_its_ratio_says(engine: Engine) -> None:
    values = {"threshold_db": -20.0, "ratio": 4.0, "attack_ms": 5.0, "release_ms": 100.0}
    taken = settled_db(through(engine, tone(997.0, -6.0), "compressor", **values)) + 6.0
    assert taken == pytest.approx(-10.5, abs=3.0)  # detectors of means read a sine up to 4 dB lower
    quiet = settled_db(through(engine, tone(997.0, -32.0), "compressor", **values))
    assert quiet == pytest.approx(-32.0, abs=0.3)


@pytest.mark.parametrize("hz", [60.0, 1_000.0, 9_000.0])
def test_three_bands_add_up_and_the_loud_one_is_turned_down(engine: Engine, hz: float) -> None:
    curve = {f"{b}_{k}": v for b in ("low", "mid", "high") for k, v in (("threshold_db", -20.0), ("ratio", 6.0))}
    quiet = settled_db(through(engine, tone(hz, -28.0), "multiband_compressor", mix=0.7, **curve))
    assert quiet == pytest.approx(-28.0, abs=0.6)
    loud = settled_db(through(engine, tone(hz, -3.0), "multiband_compressor", mix=0.7, **curve))
    expected = 20.0 * np.log10(0.3 + 0.7 * 10.0 ** (-17.0 * (1 - 1 / 6) / 20.0)) - 3.0
    assert loud == pytest.approx(expected, abs=2.0)


def test_an_expander_turns_down_what_is_quiet(engine: Engine) -> None:
    curve = {f"{b}_{k}": v for b in ("low", "mid", "high") for k, v in (("expander_threshold_db", -32.0),)}
    curve |= {f"{b}_expander_ratio": 0.25 for b in ("low", "mid", "high")}
    curve |= {f"{b}_{k}": v for b in ("low", "mid", "high") for k, v in (("threshold_db", -6.0), ("ratio", 1.5))}
    out = settled_db(through(engine, tone(1_000.0, -50.0), "multiband_compressor", mix=0.7, **curve))
    assert -62.0 < out < -57.0  # all but the 30 % beside it: -10.5 dB at most


def test_a_limiter_holds_loud_tones_and_leaves_quiet_ones(engine: Engine) -> None:
    values = {"threshold_db": -12.0, "attack_ms": 1.0, "release_ms": 100.0}
    assert settled_db(through(engine, tone(500.0, -1.0), "limiter", **values)) < -12.0 + 4.0
    assert settled_db(through(engine, tone(500.0, -30.0), "limiter", **values)) == pytest.approx(-30.0, abs=0.3)


def test_gain_and_width_are_what_they_are(engine: Engine) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 4_000))
    np.testing.assert_allclose(through(engine, noise, "gain", gain_db=6.0), noise * 10.0**0.3, atol=2e-4)
    wide = through(engine, noise, "stereo_imager", width=1.7)
    np.testing.assert_allclose(wide[0] - wide[1], 1.7 * (noise[0] - noise[1]), atol=2e-4)
    np.testing.assert_allclose(wide.sum(axis=0), noise.sum(axis=0), atol=2e-4)


def test_echoes_come_when_and_as_loud_as_stated(engine: Engine) -> None:
    out = through(engine, pulse(), "delay", time_ms=120.0, feedback=0.5, wet=0.4)
    first, second = round(0.12 * RATE), round(0.24 * RATE)
    assert out[0, 0] == pytest.approx(0.5 * 0.6, rel=0.02)
    for at, level in ((first, 0.4), (second, 0.2)):
        near = out[0, at - 3 : at + 4]
        assert near.sum() == pytest.approx(0.5 * level, rel=0.05)
        assert np.abs(near).max() > 0.3 * 0.5 * level


def test_a_room_decays_as_stated(engine: Engine) -> None:
    rng = np.random.default_rng(1)
    burst = np.zeros((2, 2 * RATE))
    burst[:, : RATE // 10] = 0.2 * rng.standard_normal((2, RATE // 10))
    for seconds in (0.6, 1.5):
        out = through(engine, burst, "reverb", seed=3.0, decay_seconds=seconds, predelay_ms=10.0, damping=0.0, wet=1.0)
        tail = np.cumsum(np.square(out[:, RATE // 5 :], dtype=np.float64).sum(axis=0)[::-1])[::-1]
        level_db = 10.0 * np.log10(tail / tail[0] + 1e-30)
        start, end = (int(np.flatnonzero(level_db < limit)[0]) for limit in (-3.0, -13.0))
        measured = 6.0 * (end - start) / RATE
        assert 0.5 * seconds < measured < 1.7 * seconds


def test_drive_makes_harmonics_and_no_level(engine: Engine) -> None:
    clean = tone(440.0, -18.0)
    shares = []
    for drive_db in (3.0, 12.0, 30.0):
        out = through(engine, clean, "distortion", drive_db=drive_db)
        assert np.sqrt(np.mean(out**2)) == pytest.approx(np.sqrt(np.mean(clean**2)), rel=0.02)
        power = np.abs(np.fft.rfft(out[0] * np.hanning(out.shape[1]))) ** 2
        shares.append(power[1_200:1_440].sum() / power[400:480].sum())  # the third
    assert shares[0] < shares[1] < shares[2] and shares[2] > 1e-2


def test_whole_chains_keep_length_and_silence_and_repeat(engine: Engine) -> None:
    chain = draw_chain(np.random.default_rng(7), 8)
    noise = (0.1 * np.random.default_rng(2).standard_normal((2, RATE))).astype(np.float32)
    before = noise.copy()
    out = engine.apply(chain, noise, RATE)
    assert out.shape == noise.shape and out.dtype == np.float32 and np.isfinite(out).all()
    np.testing.assert_array_equal(noise, before)
    np.testing.assert_array_equal(out, engine.apply(chain, noise, RATE))
    assert np.abs(engine.apply(chain, np.zeros_like(noise), RATE)).max() < 1e-4


def test_both_sides_of_a_style_have_one_engine_or_two() -> None:
    names = ["a", "b", "c"]
    pairs = [
        [draw_engines(np.random.default_rng(seed), names, differ) for seed in range(300)] for differ in (False, True)
    ]
    assert all(first == second for first, second in pairs[0])
    assert all(first != second for first, second in pairs[1])
    assert [first for first, _ in pairs[0]] == [first for first, _ in pairs[1]]
    for differ in (0, 1):
        counts = [sum(pair[1] == name for pair in pairs[differ]) for name in names]
        assert min(counts) > 70


def test_what_is_rendered_is_named_by_the_versions() -> None:
    one = ForeignRenderer((("scipy", "1"), ("sox", "2")))
    assert one.identity != ForeignRenderer((("scipy", "1"), ("sox", "3"))).identity
    assert one.identity != ForeignRenderer((("scipy", "1"), ("sox", "2")), differ=True).identity
