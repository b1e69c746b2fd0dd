"""Settings in the unit range, and an equaliser told by its response."""

from __future__ import annotations

import numpy as np
import pytest

from fxlens.describing.quantities import (
    EFFECTS,
    EQ_REGIONS_HZ,
    QUANTITIES,
    equalizer_response_db,
    values_of,
)
from fxlens.effects.effect import Effect
from fxlens.effects.registry import PROCESSORS
from fxlens.effects.sampling import TRAINING_TYPES, draw_effect


def test_effects_are_those_of_training_but_gain() -> None:
    assert set(EFFECTS) == set(TRAINING_TYPES) - {"gain"} <= set(PROCESSORS)


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda q: q.key)
def test_unit_and_physical_are_inverse(quantity) -> None:
    for unit in (0.0, 0.3, 1.0):
        assert quantity.to_unit(quantity.to_physical(unit)) == pytest.approx(unit, abs=1e-9)
    assert quantity.to_physical(-1.0) == pytest.approx(quantity.low)
    assert quantity.to_physical(2.0) == pytest.approx(quantity.high)


@pytest.mark.parametrize("effect", EFFECTS)
def test_drawn_settings_lie_in_the_unit_range(effect: str) -> None:
    rng = np.random.default_rng(1)
    for ranges in ("default", "paper"):
        for _ in range(20):
            found = values_of(draw_effect(rng, effect, ranges))
            assert found and all(-1e-6 <= v <= 1.0 + 1e-6 for k, v in found.items() if effect != "equalizer")
            assert all(key.startswith(f"{effect}.") for key in found)


def test_a_recorded_room_says_nothing_of_its_decay() -> None:
    found = values_of(Effect("reverb", parameters={"wet": 0.5}, ir="hall"))
    assert "reverb.decay_seconds" not in found and found["reverb.wet"] == pytest.approx(0.5)


def test_a_neutral_equaliser_is_flat() -> None:
    assert all(abs(v) < 1e-6 for v in equalizer_response_db(Effect("equalizer")).values())


def test_a_broad_peak_is_found_where_it_is() -> None:
    peak = Effect("equalizer", parameters={"band1_gain_db": 9.0, "band1_cutoff_hz": 3000.0, "band1_q": 0.5})
    found = list(equalizer_response_db(peak).values())
    assert int(np.argmax(found)) == EQ_REGIONS_HZ.index(3000.0)
    assert abs(sum(found)) < 1e-9
    # The analogue prototype of the peak, H(s) = (s^2 + s A w/Q + w^2) / (s^2 + s w/(A Q) + w^2), A^2 = gain.
    amp, q = 10.0 ** (9.0 / 40.0), 0.5

    def region(middle_hz: float) -> float:
        s = 1j * middle_hz * 10.0 ** np.linspace(-0.25, 0.25, 25) / 3000.0
        return float(np.mean(20 * np.log10(np.abs((s**2 + s * amp / q + 1) / (s**2 + s / (amp * q) + 1)))))

    prototype = np.array([region(hz) for hz in EQ_REGIONS_HZ])
    # the digital filter is warped near the Nyquist frequency, so the highest region is left out
    np.testing.assert_allclose((np.array(found) - found[0])[:4], (prototype - prototype[0])[:4], atol=0.3)
