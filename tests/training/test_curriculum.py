from __future__ import annotations

import itertools
import math

import pytest

from fxlens.training.curriculum import FxProbabilitySchedule, instrument_weight, learning_rate_factor


def test_instrument_weight_rises_linearly_and_stays() -> None:
    weights = [instrument_weight(s, 1000, 0.2) for s in (0, 250, 500, 1000, 5000)]
    assert weights == pytest.approx([0.0, 0.05, 0.1, 0.2, 0.2])


def test_learning_rate_warms_up_and_decays_to_a_hundredth() -> None:
    factor = [learning_rate_factor(s, 10, 110) for s in range(120)]
    assert factor[0] == pytest.approx(0.1)
    assert factor[9] == factor[10] == pytest.approx(1.0)
    assert factor[60] == pytest.approx(0.01 + 0.99 * 0.5)
    assert factor[110] == factor[119] == pytest.approx(0.01)
    assert all(a >= b for a, b in itertools.pairwise(factor[10:]))


def test_easy_effects_are_drawn_less_often() -> None:
    schedule = FxProbabilitySchedule(smoothing=0.0)
    p = schedule.update({"delay": 1.0, "equalizer": 2.0, "limiter": 3.0})
    assert p == pytest.approx({"delay": 0.1, "equalizer": 0.55, "limiter": 1.0})


def test_equal_or_broken_losses_do_not_break_the_schedule() -> None:
    schedule = FxProbabilitySchedule()
    assert schedule.probabilities() == {}
    assert schedule.update({"a": 2.0, "b": 2.0}) == {"a": 1.0, "b": 1.0}
    after = schedule.update({"a": math.nan, "b": 2.0})
    assert after == {"a": 1.0, "b": 1.0}


def test_schedule_averages_over_validations() -> None:
    schedule = FxProbabilitySchedule(smoothing=0.5)
    schedule.update({"a": 1.0, "b": 3.0})
    schedule.update({"a": 3.0, "b": 3.0})
    assert schedule.average == pytest.approx({"a": 2.0, "b": 3.0})
