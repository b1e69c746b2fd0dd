"""Heads learn what can be learnt, say how far, and are the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fxlens.describing import scores
from fxlens.describing.calibration import calibrate, calibrating_rows
from fxlens.describing.fitting import FitSettings, Fitted, fit, judge
from fxlens.describing.listening import Examples
from fxlens.describing.measuring import crossed_claims, figures_of
from fxlens.describing.network import Output, StrengthScale, loss_of, targets_of
from fxlens.describing.quantities import EFFECTS, QUANTITIES
from fxlens.errors import DataError

DELAY = EFFECTS.index("delay")
TIME = next(k for k, q in enumerate(QUANTITIES) if q.key == "delay.time_ms")
WET = next(k for k, q in enumerate(QUANTITIES) if q.key == "delay.wet")


def examples(n: int = 900, seed: int = 0) -> Examples:
    """The vector tells the delay's change and its time; nothing tells its wet share, or the limiter."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 6)).astype(np.float32)
    change = np.zeros((n, len(EFFECTS)))
    change[:, DELAY] = np.maximum(vectors[:, 0] + 0.3 * rng.normal(size=n), 0.0)
    change[:, EFFECTS.index("limiter")] = rng.random(n)
    values = np.full((n, len(QUANTITIES)), np.nan)
    values[:, TIME] = np.clip(0.5 + 0.2 * vectors[:, 1] + 0.05 * rng.normal(size=n), 0.0, 1.0)
    values[:, WET] = rng.random(n)
    songs, fold = np.array([f"s{k % 15}" for k in range(n)]), np.arange(n) % 15 % 3
    return Examples(3.0 * vectors + 1.0, change, values, songs, fold, np.array(["unheard"] * n))


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(examples(), FitSettings(hidden=32, dropout=0.0, epochs=20, every=5, batch=64, learning_rate=5e-3))


def test_what_can_be_heard_is_known_and_what_cannot_is_not(fitted: Fitted) -> None:
    calibration = calibrate(fitted.judged, calibrating_rows(fitted.judged))
    known = {effect: p.known for effect, p in zip(EFFECTS, calibration.presence, strict=True)}
    assert known["delay"] and not known["limiter"]
    assert calibration.presence[DELAY].auc > 0.9
    assert calibration.intervals[TIME].known and not calibration.intervals[WET].known
    assert calibration.intervals[len(QUANTITIES) + DELAY].known  # its strength


def test_figures_hold_on_new_examples(fitted: Fitted) -> None:
    new = examples(seed=9)
    logits, _ = judge(fitted.heads, new.vectors).numpy()
    truth = targets_of(new, fitted.scale)
    assert scores.auc(truth.present[:, DELAY] > 0.5, logits[:, DELAY]) > 0.9
    rows = calibrating_rows(fitted.judged)
    claims = crossed_claims(fitted.judged, rows)
    figures = figures_of(claims, fitted.judged.targets, fitted.judged.examples.songs)
    assert figures["effects"]["delay"]["ece"] < 0.06
    assert figures["settings"]["delay.time_ms"]["ratio"] < 0.6
    assert figures["settings"]["delay.time_ms"]["coverage"] == pytest.approx(0.8, abs=0.06)
    assert figures["settings"]["delay.wet"]["coverage"] == pytest.approx(0.8, abs=0.06)
    assert figures["settings"]["reverb.wet"] == {"count": 0}


def test_a_few_strange_clips_do_not_decide_the_calibration() -> None:
    own = examples()
    own.vectors[::150, 2:] += np.random.default_rng(4).normal(scale=3e4, size=(6, 4)).astype(np.float32)
    found = fit(own, FitSettings(hidden=32, dropout=0.0, epochs=20, every=5, batch=64, learning_rate=5e-3))
    strange = np.zeros(len(own), dtype=bool)
    strange[::150] = True
    loud, usual = np.abs(found.judged.logits[strange]).max(), np.abs(found.judged.logits[~strange]).max()
    assert loud < 2.0 * usual
    assert calibrate(found.judged, calibrating_rows(found.judged)).presence[DELAY].auc > 0.9


def test_the_same_seed_gives_the_same_heads() -> None:
    short = FitSettings(hidden=4, epochs=2, every=1)
    some = examples(120)
    one, other = (fit(some, short) for _ in range(2))
    for a, b in zip(one.heads.state_dict().values(), other.heads.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    np.testing.assert_array_equal(one.judged.logits, other.judged.logits)
    state = torch.random.get_rng_state()
    fit(some, short)
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else's numbers are used up


def test_no_judgement_is_by_heads_that_knew_the_song() -> None:
    """Vectors name the song and nothing else: out of sample there is nothing to know."""
    some = examples(300)
    rng = np.random.default_rng(1)
    codes = {song: rng.normal(size=6) for song in np.unique(some.songs)}
    always = {song: rng.random() < 0.5 for song in codes}
    change = some.change_db.copy()
    change[:, DELAY] = [5.0 * always[song] for song in some.songs]
    named = Examples(
        np.array([codes[s] for s in some.songs], np.float32), change, some.values, some.songs, some.fold, some.kind
    )
    judged = fit(named, FitSettings(hidden=16, dropout=0.3, epochs=8, every=8, learning_rate=5e-3)).judged
    assert scores.auc(change[:, DELAY] > 1.0, judged.logits[:, DELAY]) < 0.85
    assert not calibrate(judged, np.arange(300)).presence[DELAY].known


def test_one_fold_is_refused() -> None:
    some = examples(40)
    with pytest.raises(DataError, match="two folds"):
        fit(some.part(some.fold == 0), FitSettings())


def test_loss_is_least_at_the_quantiles() -> None:
    """The pinball loss of a uniform number is least at its quantiles; what is not known costs nothing."""
    asked = torch.full((1001, len(QUANTITIES) + len(EFFECTS)), float("nan"))
    asked[:, 0] = torch.linspace(0, 1, 1001)
    present = torch.zeros(1001, len(EFFECTS))

    def loss(low: float, high: float) -> float:
        quantiles = torch.zeros(*asked.shape, 3)
        quantiles[:, 0] = torch.tensor([low, 0.5, high])
        return float(loss_of(Output(torch.full_like(present, -20.0), quantiles), present, asked))

    best = loss(0.1, 0.9)
    assert best < min(loss(0.2, 0.9), loss(0.0, 0.9), loss(0.1, 0.8), loss(0.1, 1.0))
    expected = 2 * sum(q * (1 - q) / 2 for q in (0.1, 0.5, 0.9)) / asked.shape[1]
    assert best == pytest.approx(expected, rel=1e-2)


def test_strength_is_the_share_that_changes_less() -> None:
    change = np.zeros((101, len(EFFECTS)))
    change[:, 0] = np.linspace(1.0, 11.0, 101)
    scale = StrengthScale.of(change)
    found = scale(np.array([[1.0], [6.0], [50.0], [0.1]]) * np.eye(len(EFFECTS))[0])
    np.testing.assert_allclose(found[:3, 0], [0.0, 0.5, 1.0], atol=1e-6)
    assert np.isnan(found[3]).all() and np.isnan(found[:, 1:]).all()
    again = StrengthScale.from_quantiles(scale.quantiles())
    np.testing.assert_allclose(again(change)[:, 0], scale(change)[:, 0], atol=1e-3)
