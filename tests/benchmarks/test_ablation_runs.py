"""An ablation under a budget: schedules scale, pools are shared by those that may, and nothing is trained twice."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import ablations
import numpy as np
import pytest
from ablation_runs import Run, description, extended, find_config, pool_of, under_budget

from fxlens.config import load
from fxlens.errors import ConfigError
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings
from fxlens.training.settings import TrainSettings


def settings_of(name: str) -> TrainSettings:
    return load(TrainSettings, find_config(name))


def test_what_is_stated_in_steps_is_scaled() -> None:
    whole = settings_of("running-statistics")
    short = under_budget(whole, 600, 50, seed=3)
    assert (short.steps, short.seed, short.validation_blocks) == (600, 3, 0)
    assert short.optimizer.warmup_steps * 10 == whole.optimizer.warmup_steps
    assert short.optimizer.freeze_norm_from == 500 and short.loss.ramp_steps * 10 == whole.loss.ramp_steps
    assert short.batch.limit(0) == short.batch.limit(599) == short.batch.window_blocks == 50
    untouched = {"model", "block", "augment", "query", "objective", "precision"}
    assert all(getattr(short, name) == getattr(whole, name) for name in untouched)


def test_pools_are_shared_where_blocks_are_drawn_alike(tmp_path: Path) -> None:
    place = {
        name: pool_of(settings_of(name), "abc", tmp_path) for name in ("paper-small", "heads", "mid-side", "dialects")
    }
    assert place["paper-small"] == place["heads"] == place["mid-side"] != place["dialects"]
    assert pool_of(settings_of("heads"), "other songs", tmp_path) != place["heads"]


def test_configurations_are_found_by_name() -> None:
    assert find_config("heads").parent.name == "ablations" and find_config("paper-small").parent.name == "configs"
    assert description(find_config("heads")).startswith("Heads read")
    with pytest.raises(ConfigError, match=r"ablations are .*heads"):
        find_config("no-such-thing")


def test_a_finished_run_is_left_alone_and_another_plan_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Path] = []
    monkeypatch.setattr("ablation_runs._train", lambda plan, folder: trained.append(plan))
    run = Run("heads", under_budget(settings_of("heads"), 20, 10, 0), tmp_path / "run")
    run.train()
    run.train()
    assert trained == [tmp_path / "run" / "plan.yaml"] and run.finished()
    other = dataclasses.replace(run, settings=dataclasses.replace(run.settings, seed=9))
    with pytest.raises(ConfigError, match="other settings"):
        other.train()


def test_the_table_compares_styles_with_themselves(material: Material, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    base = [{"stems": 100.0 * (rng.random(80) < 0.5), "mixture": 100.0 * (rng.random(40) < 0.3)} for _ in range(2)]
    better = [{kind: np.minimum(values + 50.0, 100.0) for kind, values in one.items()} for one in base]
    run = Run("heads", under_budget(settings_of("heads"), 20, 10, 0), tmp_path)
    found = {"paper-small": [(run, one) for one in base], "heads": [(run, one) for one in better]}
    arguments = ablations.argparse.Namespace(
        budget_steps=20, budget_minutes=0.0, blocks=10, single_styles=0, output=tmp_path / "table.md"
    )
    paths = {name: find_config(name) for name in found}
    settings = BenchmarkSettings(("bass", "drums"), styles=40, seconds=0.5)
    ablations.write_table(found, paths, material, settings, arguments)
    text = (tmp_path / "table.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| heads"))
    gap = np.mean([b["stems"].mean() - a["stems"].mean() for a, b in zip(base, better, strict=True)])
    assert f"{gap:+.1f} [" in row and " / ".join(f"{b['stems'].mean():.1f}" for b in better) in row
    assert "asked" not in text.split("| configuration")[1].splitlines()[0]
    assert "Seed 0" in text and "| heads | " in text and " | paper-small | 20 |" in row


def test_what_a_configuration_is_compared_with() -> None:
    assert extended(find_config("distillation")) == "controlled-mixtures"
    assert extended(find_config("heads")) == "paper-small"
    assert extended(find_config("paper-small")) is None
