"""Probabilities and intervals hold what they say, and nothing is claimed of noise."""

from __future__ import annotations

import numpy as np
import pytest

from fxlens.describing import scores
from fxlens.describing.calibration import (
    Interval,
    Presence,
    calibrate,
    calibrating_rows,
    fit_platt,
    weighted_quantile,
)
from fxlens.describing.fitting import Judged
from fxlens.describing.listening import Examples
from fxlens.describing.network import ASKED, Targets
from fxlens.describing.quantities import EFFECTS, QUANTITIES


def judged(n: int = 3000, seed: int = 0) -> Judged:
    """Heads that are far too sure of effect 0 and know nothing of effect 1; of number 0 they know something, with
    intervals that are too narrow, and of number 1 nothing."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    present = np.zeros((n, len(EFFECTS)), np.float32)
    logits = rng.normal(size=(n, len(EFFECTS)))
    present[:, 0] = rng.random(n) < 1 / (1 + np.exp(-truth))
    logits[:, 0] = 4.0 * truth + 1.0
    present[:, 1:] = rng.random((n, len(EFFECTS) - 1)) < 0.4
    asked = np.full((n, ASKED), np.nan, np.float32)
    asked[:, 0], asked[:, 1] = rng.random(n), rng.random(n)
    quantiles = np.full((n, ASKED, 3), 0.5)
    middle = asked[:, 0] + 0.1 * rng.normal(size=n)
    quantiles[:, 0] = np.stack([middle - 0.02, middle, middle + 0.02], axis=1)
    quantiles[:, 1] = rng.random(n)[:, None] + np.array([-0.01, 0.0, 0.01])
    songs = np.array([f"song{k % 12}" for k in range(n)])
    kind = np.array(["recorded", "unheard", "synthesised"])[np.arange(n) % 3]
    examples = Examples(
        np.zeros((n, 1), np.float32), present, asked[:, : len(QUANTITIES)], songs, np.arange(n) % 4, kind
    )
    return Judged(logits, quantiles, np.full((n, ASKED), 0.5), Targets(present, asked), examples)


def test_too_sure_heads_are_calmed() -> None:
    fitted = judged()
    found = calibrate(fitted, calibrating_rows(fitted)).presence[0]
    assert found.slope == pytest.approx(0.25, abs=0.03) and found.offset == pytest.approx(-0.25, abs=0.1)
    assert found.known
    fresh = judged(seed=1)
    raw = scores.calibration_error(
        fresh.targets.present[:, 0], Presence(1, 0, True, 0, 0).probability(fresh.logits[:, 0])
    )
    own = scores.calibration_error(fresh.targets.present[:, 0], found.probability(fresh.logits[:, 0]))
    assert raw > 0.15 and own < 0.03


def test_noise_is_not_known_and_gets_the_base_rate() -> None:
    fitted = judged()
    found = calibrate(fitted, calibrating_rows(fitted)).presence[1]
    assert not found.known
    assert np.ptp(found.probability(np.array([-2.0, 2.0]))) < 0.12
    assert found.probability(np.zeros(1))[0] == pytest.approx(0.4, abs=0.05)


def test_intervals_cover_on_fresh_songs() -> None:
    fitted, fresh = judged(), judged(seed=1)
    calibration = calibrate(fitted, calibrating_rows(fitted))
    for column, knows in ((0, True), (1, False)):
        interval = calibration.intervals[column]
        assert interval.known == knows
        ends = np.array([interval.ends(q) for q in fresh.quantiles[:, column]])
        assert scores.coverage(fresh.targets.asked[:, column], ends[:, 0], ends[:, 2]) == pytest.approx(0.8, abs=0.03)
    assert not calibration.intervals[2].known  # nothing to learn from


def test_calibration_leaves_out_what_the_encoder_was_trained_on() -> None:
    fitted = judged(30)
    assert set(fitted.examples.kind[calibrating_rows(fitted)]) == {"recorded", "unheard"}
    fitted.examples.kind[:] = "synthesised"
    assert len(calibrating_rows(fitted)) == 30


def test_an_effect_that_is_always_there_stays_finite() -> None:
    slope, offset = fit_platt(np.ones(50, bool), np.linspace(-1, 1, 50), np.ones(50))
    assert np.isfinite([slope, offset]).all() and slope >= 0


def test_ends_keep_their_order() -> None:
    assert Interval(-5.0, 0.5, True, 0.5, 0.6).ends(np.array([0.1, 0.4, 0.6])) == (0.4, 0.4, 0.4)


def test_weighted_quantile_counts_weight() -> None:
    values = np.arange(100.0)
    assert weighted_quantile(values, np.ones(100), 0.8) == pytest.approx(80.0, abs=1.0)
    heavy = np.where(values == 10.0, 1000.0, 1.0)
    assert weighted_quantile(values, heavy, 0.5) == 10.0
