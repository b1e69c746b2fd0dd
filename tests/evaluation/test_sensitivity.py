from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluation_listeners import NotANumber, Spectrum
from scipy.stats import spearmanr

from fxlens.effects.sampling import TRAINING_TYPES
from fxlens.errors import DataError
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.results import Result
from fxlens.evaluation.sensitivity.evaluate import evaluate_sensitivity, make_sensitivity_recipe
from fxlens.evaluation.sensitivity.rank_correlation import rank_correlations
from fxlens.evaluation.sensitivity.settings import (
    UNIT_STEPS,
    SensitivitySettings,
    draw_base,
    parameter_names,
)
from fxlens.evaluation.systems.system import System

SETTINGS = SensitivitySettings(("drums",), bases=3, seconds=1.0, types=("stereo_imager", "gain"))


def circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_an_embedding_that_turns_with_the_parameter_scores_one() -> None:
    even = circle(0, 10, 20, 30, 40)
    rho, ends = rank_correlations(np.stack([even, even[::-1], circle(7, 7, 7, 7, 7)]), UNIT_STEPS)
    assert rho == pytest.approx([1.0, 1.0, 0.0])
    assert ends == pytest.approx([1 - np.cos(np.radians(40))] * 2 + [0.0])


def test_correlations_are_scipys() -> None:
    embedded = np.random.default_rng(0).normal(size=(20, 5, 8))
    rho, _ = rank_correlations(embedded, UNIT_STEPS)
    unit = embedded / np.linalg.norm(embedded, axis=2, keepdims=True)
    pairs = [(a, b) for a in range(5) for b in range(a + 1, 5)]
    steps = [UNIT_STEPS[b] - UNIT_STEPS[a] for a, b in pairs]
    for base, found in zip(unit, rho, strict=True):
        distances = [1 - base[a] @ base[b] for a, b in pairs]
        assert found == pytest.approx(spearmanr(steps, distances).statistic, abs=1e-9)
    assert abs(rho.mean()) < 0.3  # noise has no order


def test_moving_one_parameter_leaves_the_others(material: Material) -> None:
    settings = SensitivitySettings(("drums",), seconds=1.0)
    recipe = make_sensitivity_recipe(material, settings)
    for type in TRAINING_TYPES:
        base = draw_base(recipe, type, 0)
        names = parameter_names(type, "default")
        for place, name in enumerate(names):
            before, after = base.chain.effects[0], base.moved(place, 0.75, "default").effects[0]
            changed = {n for n in before.parameters if before.parameters[n] != after.parameters[n]}
            assert changed <= {name}
            assert base.moved(place, 0.0, "default") != base.moved(place, 1.0, "default")


def evaluated(material: Material, cache: Path, system: System, **changes: object) -> list[Result]:
    conditions = Conditions(cache, jobs=1, opener=lambda spec, device: system)
    return [r for part in evaluate_sensitivity(material, SETTINGS, ["x"], conditions) for r in part]


def test_a_measurement_of_width_follows_the_width(material: Material, tmp_path: Path) -> None:
    class Width(Spectrum):
        identity = "width"

        def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
            mid, side = clips[:, 0] + clips[:, 1], clips[:, 0] - clips[:, 1]
            return np.stack([np.std(mid, axis=1), np.std(side, axis=1)], axis=1)

    results = {(r.task, r.pool): r for r in evaluated(material, tmp_path, Width())}
    assert set(results) == {
        ("sensitivity/stereo_imager", "all parameters"), ("sensitivity/stereo_imager", "width"),
        ("sensitivity/gain", "all parameters"), ("sensitivity/gain", "gain_db"),
    }  # fmt: skip
    width = results["sensitivity/stereo_imager", "width"]
    assert width.metrics["rho"] > 0.9
    assert width.intervals["rho"][0] <= width.metrics["rho"] <= width.intervals["rho"][1]
    assert width.counts == {"bases": 3, "steps": 5}
    again = {(r.task, r.pool): r for r in evaluated(material, tmp_path, Width())}
    assert again == results


def test_nan_stops(material: Material, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="broken, stereo_imager: an embedding is not finite"):
        evaluated(material, tmp_path, NotANumber())
