"""Figures against slow loops and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from fxlens.describing import scores


def test_auc_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    present, score = rng.random(80) < 0.4, np.round(rng.normal(size=80), 1)  # rounded: with ties
    pairs = [(a > b) + 0.5 * (a == b) for a in score[present] for b in score[~present]]
    assert scores.auc(present, score) == pytest.approx(np.mean(pairs))
    assert np.isnan(scores.auc(np.ones(5, bool), np.arange(5.0)))


def test_calibration_error_of_known_cases() -> None:
    said = np.repeat([0.25, 0.75], 100)
    true = np.concatenate([np.arange(100) < 25, np.arange(100) < 75])
    assert scores.calibration_error(true, said) == pytest.approx(0.0)
    assert scores.calibration_error(true, np.full(200, 0.9)) == pytest.approx(0.4)
    _, _, count = scores.reliability(true, np.array([0.0] * 100 + [1.0] * 100))
    assert count.tolist() == [100, 100]


def test_error_ratio_and_coverage_leave_out_what_is_not_known() -> None:
    true = np.array([0.1, 0.5, 0.9, np.nan])
    assert scores.error_ratio(true, np.array([0.2, 0.6, 0.8, 0.0]), np.full(4, 0.5)) == pytest.approx(0.25)
    assert scores.error_ratio(true, np.full(4, 0.5), np.full(4, 0.5)) == pytest.approx(1.0)
    assert scores.coverage(true, np.zeros(4), np.full(4, 0.6)) == pytest.approx(2 / 3)
    assert np.isnan(scores.coverage(np.full(2, np.nan), np.zeros(2), np.ones(2)))


def test_songs_are_drawn_whole() -> None:
    """Ten songs of many equal clips: the interval is that of ten numbers, not of hundreds."""
    rng = np.random.default_rng(2)
    level = rng.normal(size=10)
    values, songs = np.repeat(level, 50), np.repeat(np.arange(10), 50)
    low, high = scores.over_songs(lambda rows: float(values[rows].mean()), songs, draws=2000)
    width = 2 * 1.645 * level.std() / np.sqrt(10)
    assert high - low == pytest.approx(width, rel=0.15)
