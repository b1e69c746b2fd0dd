"""Chains between bypass and full: both ends exact, and each effect departs further the more of it there is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fxlens.effects.amount import MOVING, at_amount
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.processor import Range
from fxlens.effects.registry import PROCESSORS, SWITCHES
from fxlens.effects.sampling import draw_chain
from fxlens.errors import UsageError

RATE = 22_050
STEPS = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
EVERY = pytest.mark.parametrize("type", PROCESSORS)


def phrases(seed: int, seconds: float = 0.7) -> np.ndarray:
    """Decaying chords and noise, wider than mono, peaks within full scale: ``float64 [2, T]``."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    audio = np.zeros((2, t.size))
    for start in np.arange(0.0, seconds, 0.15):
        fade = np.where(t >= start, np.exp(-(t - start) * rng.uniform(4.0, 20.0)), 0.0)
        for channel in audio:
            hz = rng.uniform(60.0, 5_000.0, 5)[:, None]
            channel += fade * (np.sin(2.0 * np.pi * hz * t).sum(0) + rng.standard_normal(t.size))
    return 0.9 * audio / np.abs(audio).max()


def distance(chain: EffectChain, audio: np.ndarray) -> float:
    return float(np.sqrt(np.mean((chain.apply(audio, RATE) - audio) ** 2)))


def one(type: str, seed: int, ranges: Range = "default") -> EffectChain:
    return EffectChain((Effect(type, parameters=PROCESSORS[type].draw(np.random.default_rng(seed), ranges)),))


@EVERY
def test_nothing_of_an_effect_is_bypass(type: str) -> None:
    audio = 3.0 * phrases(0)  # beyond full scale: a limiter at 0 dB would still act
    np.testing.assert_array_equal(at_amount(one(type, 0), 0.0).apply(audio, RATE), audio.astype(np.float32))


@EVERY
def test_all_of_an_effect_is_itself(type: str) -> None:
    chain = one(type, 1)
    assert at_amount(chain, 1.0) == chain


@EVERY
@pytest.mark.parametrize("ranges", ["default", "paper"])
@pytest.mark.parametrize("seed", range(4))
def test_distance_from_dry_grows_with_the_amount(type: str, ranges: Range, seed: int) -> None:
    chain, audio = one(type, seed, ranges), phrases(seed)
    distances = [distance(at_amount(chain, amount), audio) for amount in STEPS]
    full = distances[-1]
    assert full > 1e-4
    # A limiter does nothing until its threshold has come down to the peaks; all else grows from the start,
    # and in no step by most of it.
    assert all(more > less or (type == "limiter" and more < 1e-7) for less, more in pairwise(distances))
    assert distances[0] < 0.5 * full
    assert type == "limiter" or max(np.diff(distances)) < 0.75 * full


@EVERY
def test_small_amounts_are_small(type: str) -> None:
    chain, audio = one(type, 2), phrases(2)
    assert distance(at_amount(chain, 1e-4), audio) < 0.01 * np.sqrt(np.mean(audio**2))


@pytest.mark.parametrize("amount", [0.25, 0.6])
def test_compressor_takes_its_share_in_decibels_at_every_level(amount: float) -> None:
    chain = EffectChain((Effect("compressor", parameters={"threshold_db": -30.0, "ratio": 8.0, "makeup_db": 2.0}),))
    for level in (0.1, 0.3, 0.9):
        steady = np.full((2, 2 * RATE), level)
        full, part = (20.0 * np.log10(c.apply(steady, RATE)[0, -1] / level) for c in (chain, at_amount(chain, amount)))
        assert part == pytest.approx(amount * full, abs=0.01)


@pytest.mark.parametrize("type", ["multiband_compressor", "delay", "reverb", "stereo_imager"])
def test_mixes_move_the_output_on_a_line(type: str) -> None:
    chain, audio = one(type, 3), phrases(3)
    whole = chain.apply(audio, RATE) - audio
    half = at_amount(chain, 0.5).apply(audio, RATE) - audio
    assert np.abs(half - 0.5 * whole).max() < 1e-6


def test_kinds_stay() -> None:
    chain = one("equalizer", 5)
    half = at_amount(chain, 0.5).effects[0].parameters
    for name, value in chain.effects[0].parameters.items():
        assert half[name] == pytest.approx(0.5 * value if name.endswith("_gain_db") else value)


@EVERY
def test_what_moves_reaches_a_switch(type: str) -> None:
    """At amount 0 the moving parameters alone must make the effect neutral."""
    assert any(set(group) <= set(MOVING[type]) for group in SWITCHES[type])
    assert {name for name in MOVING[type]} <= set(PROCESSORS[type].neutral())


@pytest.mark.parametrize("seed", range(3))
def test_chains_keep_order_and_switches(seed: int) -> None:
    drawn = draw_chain(np.random.default_rng(seed), 5)
    chain = EffectChain((*drawn.effects, Effect("gain", False, {"gain_db": 6.0})))
    half = at_amount(chain, 0.5)
    assert [e.type for e in half.effects] == [e.type for e in chain.effects]
    assert [e.enabled for e in half.effects] == [e.enabled for e in chain.effects]
    assert EffectChain.from_json(half.to_json()) == half  # every value within its range
    assert 0.0 < sum(e.amount() for e in half.effects) < sum(e.amount() for e in chain.effects)


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_amounts_out_of_range_are_refused(amount: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        at_amount(EffectChain(), amount)
