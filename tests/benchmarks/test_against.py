"""The comparison with a baseline, with systems whose figures are known."""

from __future__ import annotations

import against
import numpy as np
import pytest

from fxlens.evaluation.benchmark.pools import balanced_pool
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings
from fxlens.evaluation.results import SystemFacts

SETTINGS = BenchmarkSettings(("bass", "drums"), balanced_pool((1, 2)), styles=40)


def test_a_system_that_finds_twice_as_much_is_a_hundred_percent_ahead() -> None:
    baseline = {"stems": np.tile([100.0, 0.0, 0.0, 0.0], 20), "mixture": np.zeros(40)}
    better = {"stems": np.tile([100.0, 100.0, 0.0, 0.0], 20), "mixture": np.full(40, 50.0), "asked": np.ones(80)}
    text, facts = against.totals(["simple", "ours"], [baseline, better])
    assert facts["ours"]["stems"]["change"][0] == pytest.approx(100.0)
    assert facts["ours"]["stems"]["change"][1] > 0.0
    assert "change" not in facts["ours"]["asked"], "the baseline cannot be asked: there is nothing to be ahead of"
    assert [line.count("|") for line in text.splitlines()] == [8] * 4


def test_styles_are_sorted_by_their_number_of_effects() -> None:
    # Styles take turns: one effect, two effects, one effect, ...; this system finds those of two alone.
    baseline = {"stems": np.zeros(80), "mixture": np.zeros(40)}
    two_only = {"stems": np.tile([0.0, 100.0], 40), "mixture": np.tile([0.0, 100.0], 20)}
    _, facts = against.by_number(["simple", "ours"], [baseline, two_only], SETTINGS)
    for kind in ("stems", "mixture"):
        assert facts["ours"][f"{kind}, 1"] == {"R@10": [0.0] * 3, "difference": [0.0] * 3}
        assert facts["ours"][f"{kind}, 2"] == {"R@10": [100.0] * 3, "difference": [100.0] * 3}


def test_systems_of_one_name_are_told_apart_by_their_runs() -> None:
    specs = ["fxlens", "fxlens:runs/small-0/model", "fxlens:weights/old", "hand-made"]
    systems = [SystemFacts("fxlens-small", spec, spec, "") for spec in specs[:3]]
    systems.append(SystemFacts("hand-made", specs[3], specs[3], ""))
    assert against.labels_of(systems) == [
        "fxlens-small (shipped)", "fxlens-small (small-0)", "fxlens-small (old)", "hand-made",
    ]  # fmt: skip
