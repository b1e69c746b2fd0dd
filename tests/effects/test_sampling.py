"""Drawn chains: reproducible, spread, audible; hard negatives that differ by what their grade says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.sampling import (
    LEAST_AMOUNT_OF_OTHERS,
    PARAMETER_DISTANCE,
    TRAINING_TYPES,
    draw_chain,
    hard_negative,
    settings_distance,
)
from fxlens.errors import PresetError, UsageError


def chains(count: int, seed: int = 0, **options) -> list[EffectChain]:
    rng = np.random.default_rng(seed)
    return [draw_chain(rng, **options) for _ in range(count)]


def types(chain: EffectChain) -> list[str]:
    return [effect.type for effect in chain.effects]


def test_the_seed_decides():
    assert chains(20) == chains(20) != chains(20, seed=1)
    for grade in ("other", "effect", "parameter", "order"):
        one, two = ([hard_negative(c, np.random.default_rng(5), grade) for c in chains(20)] for _ in range(2))
        assert one == two


@pytest.mark.parametrize("ranges", ["default", "paper"])
def test_as_many_audible_effects_as_asked_for(ranges):
    for n in range(1, 9):
        for chain in chains(20, ranges=ranges, n_effects=n):
            assert chain.audible_count(LEAST_AMOUNT_OF_OTHERS) == len(chain.effects) == n
            assert len(set(types(chain))) == n
    spread = Counter(len(c.effects) for c in chains(400, n_effects=(2, 5), ranges=ranges))
    assert set(spread) == {2, 3, 4, 5} and chisquare(list(spread.values())).pvalue > 1e-4


def test_a_gain_is_never_alone_and_never_last():
    for chain in chains(300):
        if "gain" in types(chain):
            later = types(chain)[types(chain).index("gain") + 1 :]
            assert {"limiter", "multiband_compressor"} & set(later)
    assert all(types(c) != ["gain"] for c in chains(100, n_effects=1))
    with pytest.raises(UsageError, match="no chain of 1 audible"):
        draw_chain(np.random.default_rng(0), 1, types=("gain",))


def test_values_lie_in_their_range():
    for ranges in ("default", "paper"):
        for chain in chains(50, ranges=ranges):
            unit = chain.unit(ranges)
            assert unit.min() >= -1e-6 and unit.max() <= 1 + 1e-6
    assert {e.parameters["feedback"] for c in chains(50, ranges="paper") for e in c.effects if e.type == "delay"} == {
        0.0
    }


def test_delay_times_are_spread_over_the_range():
    drawn = [c.effects[0].parameters for c in chains(1000, n_effects=1, types=("delay",))]
    assert kstest([p["time_ms"] for p in drawn], "uniform", (10.0, 590.0)).pvalue > 1e-3
    assert kstest([p["feedback"] for p in drawn], "uniform", (0.0, 0.6)).pvalue > 1e-3
    assert kstest([p["wet"] for p in drawn], "uniform", (0.05, 0.65)).pvalue > 1e-3


def test_items_have_orders_of_their_own():
    orders = Counter(tuple(types(c)) for c in chains(200, n_effects=4))
    assert len(orders) > 180
    three = ("equalizer", "delay", "stereo_imager")
    all_orders = Counter(tuple(types(c)) for c in chains(600, n_effects=3, types=three))
    assert len(all_orders) == 6 and chisquare(list(all_orders.values())).pvalue > 1e-4


def test_probabilities_choose_the_types_but_not_the_order():
    seldom = {"equalizer": 0.1}
    chosen = Counter(t for c in chains(800, n_effects=1, probabilities=seldom) for t in types(c))
    # Six of the rest can stand alone (a gain cannot), so one in 61.
    assert 3 <= chosen["equalizer"] <= 30 and min(chosen[t] for t in set(chosen) - {"equalizer"}) > 90
    first = sum(
        types(c)[0] == "equalizer" for c in chains(400, n_effects=2, types=("equalizer", "delay"), probabilities=seldom)
    )
    assert 150 < first < 250


@pytest.mark.parametrize("grade", ["other", "effect", "parameter", "order"])
@pytest.mark.parametrize("ranges", ["default", "paper"])
def test_negatives_differ(grade, ranges):
    rng = np.random.default_rng(1)
    for chain in chains(100, seed=2, ranges=ranges):
        changed = hard_negative(chain, rng, grade, ranges)
        assert changed != chain
        expected = {len(chain.effects) + d for d in ((-1, 0, 1) if grade == "effect" else (0,))}
        assert changed.audible_count() in expected


def test_another_effect_changes_one_place_only():
    rng = np.random.default_rng(3)
    ways: Counter[int] = Counter()
    for chain in chains(200, seed=4, n_effects=(2, 7)):
        changed = hard_negative(chain, rng, "effect")
        kept = [e for e in changed.effects if e in chain.effects]
        ways[len(changed.effects) - len(chain.effects)] += 1
        assert kept == [e for e in chain.effects if e in changed.effects]
        assert len(kept) == min(len(chain.effects), len(changed.effects)) - (len(changed.effects) == len(chain.effects))
        assert len(set(types(changed))) == len(changed.effects)
    assert min(ways[-1], ways[0], ways[1]) > 30


def test_other_settings_are_far_from_the_old():
    rng = np.random.default_rng(5)
    for chain in chains(100, seed=6):
        changed = hard_negative(chain, rng, "parameter")
        moved = [(a, b) for a, b in zip(chain.effects, changed.effects, strict=True) if a != b]
        assert len(moved) == 1 and types(changed) == types(chain)
        assert settings_distance(*moved[0]) >= PARAMETER_DISTANCE


def test_another_order_can_be_heard():
    rng = np.random.default_rng(7)
    linear = {"equalizer", "delay", "reverb", "stereo_imager"}
    for chain in chains(200, seed=8, n_effects=(2, 8)):
        changed = hard_negative(chain, rng, "order")
        if set(changed.effects) != set(chain.effects):  # none to be found: one effect has other settings
            assert types(changed) == types(chain)
            assert set(types(chain)) <= linear | {"gain"} or "gain" in types(chain)
            continue
        flat = [t for t in types(chain) if t not in linear and t != "gain"]
        assert flat and types(changed) != types(chain)

        def sides(c: EffectChain) -> set[tuple[str, str]]:
            return {
                (a, b)
                for i, a in enumerate(types(c))
                for b in types(c)[i + 1 :]
                if {a, b} - linear - {"gain"} and {a, b} != {"gain", "distortion"}
            }

        assert sides(chain) != sides(changed)


def test_commuting_effects_fall_back_to_other_settings():
    equalizer = Effect("equalizer", True, {"band0_gain_db": 6.0})
    delay = Effect("delay", True, {"wet": 0.3})
    changed = hard_negative(EffectChain((equalizer, delay)), np.random.default_rng(0), "order")
    assert types(changed) == ["equalizer", "delay"] and changed.effects != (equalizer, delay)


def test_reverb_room_belongs_to_the_chain():
    (one, two) = chains(2, n_effects=1, types=("reverb",))
    assert one.effects[0].parameters["seed"] != two.effects[0].parameters["seed"]
    audio = 0.1 * np.random.default_rng(0).standard_normal((2, 8000))
    assert np.array_equal(one.apply(audio, 44_100), one.apply(audio, 44_100))


def test_wrong_requests():
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="n_effects"):
        draw_chain(rng, 9)
    with pytest.raises(UsageError, match="n_effects"):
        draw_chain(rng, (0, 3))
    with pytest.raises(PresetError, match="flanger"):
        draw_chain(rng, 1, types=("flanger",))
    with pytest.raises(UsageError, match="distinct"):
        draw_chain(rng, 1, types=("delay", "delay"))
    with pytest.raises(UsageError, match=r"delay must be 0\.1 to 1"):
        draw_chain(rng, 1, probabilities={"delay": 0.0})
    with pytest.raises(UsageError, match="no audible"):
        hard_negative(EffectChain((Effect("gain", True, {"gain_db": 6.0}),)), rng, "effect")
    with pytest.raises(UsageError, match="grade"):
        hard_negative(draw_chain(rng), rng, "easy")  # type: ignore[arg-type]


def test_training_types_are_the_eight_of_the_paper():
    assert len(set(TRAINING_TYPES)) == len(TRAINING_TYPES) == 8
    assert {t for c in chains(30) for t in types(c)} == set(TRAINING_TYPES)
