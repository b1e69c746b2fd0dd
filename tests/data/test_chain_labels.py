"""Labels say of a chain what its preset says, and nothing that it does not say."""

from __future__ import annotations

import numpy as np
import pytest

from fxlens.data.chain_labels import EFFECTS, ORDERED, PARAMETERS, joined_labels, label_chain, label_preset
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.sampling import draw_chain

DELAY = Effect("delay", True, {"time_ms": 60.0, "feedback": 0.3, "wet": 0.35})
REVERB = Effect("reverb", True, {"seed": 4.0, "decay_seconds": 0.2, "wet": 1.0})


def test_effects_settings_and_order() -> None:
    labels = label_chain(EffectChain((REVERB, DELAY)))
    assert {e for e, there in zip(EFFECTS, labels.effects, strict=True) if there} == {"delay", "reverb"}
    value = dict(zip(PARAMETERS, labels.parameters, strict=True))
    assert value["delay", "feedback"] == pytest.approx(0.5) and value["delay", "wet"] == pytest.approx(0.5)
    assert value["delay", "time_ms"] == pytest.approx((60.0 - 10.0) / 590.0)
    assert value["reverb", "decay_seconds"] == pytest.approx(0.0)  # the shortest, on a logarithmic scale
    assert ("reverb", "seed") not in value
    assert sum(np.isfinite(v) for v in value.values()) == 3 + 4
    order = dict(zip(ORDERED, labels.order, strict=True))
    assert order["delay", "reverb"] == 0.0 and np.isfinite(list(order.values())).sum() == 1
    assert dict(zip(ORDERED, label_chain(EffectChain((DELAY, REVERB))).order, strict=True))["delay", "reverb"] == 1.0


def test_what_cannot_be_heard_is_not_there() -> None:
    gain = Effect("gain", True, {"gain_db": 6.0})
    assert label_chain(EffectChain((gain, DELAY))).effects.sum() == 1.0  # nothing after it reacts to level
    limiter = Effect("limiter", True, {"threshold_db": -12.0})
    assert label_chain(EffectChain((gain, limiter))).effects.sum() == 2.0
    off = Effect("delay", False, DELAY.parameters)
    assert label_chain(EffectChain((off,))).effects.sum() == 0.0


def test_drawn_chains_are_labelled_by_their_own_unit_values() -> None:
    for seed in range(20):
        chain = draw_chain(np.random.default_rng(seed), (1, 8))
        labels = label_preset(chain.to_json())
        assert labels.effects.sum() == len(chain.effects)
        named = dict(zip(PARAMETERS, labels.parameters, strict=True))
        unit = dict(zip(chain.parameter_names(), chain.unit().tolist(), strict=True))
        for name, value in unit.items():
            _, type, parameter = name.split(".")
            assert named[type, parameter] == pytest.approx(value, abs=1e-5)
        assert sum(np.isfinite(v) for v in named.values()) == len(unit)


def test_together_they_have_shares() -> None:
    joined = joined_labels([label_chain(EffectChain((DELAY,))), label_chain(EffectChain((DELAY, REVERB)))])
    assert joined.effects[EFFECTS.index("delay")] == 1.0 and joined.effects[EFFECTS.index("reverb")] == 0.5
    assert np.isnan(joined.parameters).all() and np.isnan(joined.order).all()


def test_a_recorded_room_is_a_reverb_without_a_decay() -> None:
    recorded = EffectChain((Effect("reverb", True, {"predelay_ms": 40.0, "wet": 0.5}, ir="hall"),))
    labels = label_preset(recorded.to_json())  # nobody needs the recording to say so
    value = dict(zip(PARAMETERS, labels.parameters, strict=True))
    assert labels.effects[EFFECTS.index("reverb")] == 1.0
    assert value["reverb", "predelay_ms"] == pytest.approx(0.5) and value["reverb", "wet"] == pytest.approx(0.5)
    assert np.isnan(value["reverb", "decay_seconds"]) and np.isnan(value["reverb", "damping"])
