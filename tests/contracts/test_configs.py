"""Every shipped configuration is read, builds its model and survives a round trip."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fxlens import config
from fxlens.models.fx_encoder import FxEncoder
from fxlens.training.settings import TrainSettings

CONFIGS = sorted((Path(config.__file__).parent / "configs").glob("*.yaml"))


def test_there_are_configurations() -> None:
    assert {p.stem for p in CONFIGS} >= {"small", "small-joint", "small-listening", "paper", "paper-small"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_configuration(path: Path, tmp_path: Path) -> None:
    settings = config.load(TrainSettings, path)
    config.dump(settings, tmp_path / "again.yaml")
    assert config.load(TrainSettings, tmp_path / "again.yaml") == settings
    with torch.device("meta"):
        weights = sum(p.numel() for p in FxEncoder(settings.model).parameters())
    if "small" in path.stem:  # what two CPU cores can train, and a package can carry: 20 MB, extractor and all
        assert weights <= 5_000_000
    if path.stem == "paper":  # CNN14 with two inputs, projection and extractor: 80 M
        assert 75_000_000 < weights < 85_000_000


@pytest.mark.parametrize("later", ["small-joint", "small-listening"])
def test_later_runs_go_on_with_the_model_of_the_first(later: str) -> None:
    first, second = (
        config.load(TrainSettings, next(p for p in CONFIGS if p.stem == name)) for name in ("small", later)
    )
    assert first.model == second.model
    assert first.block == second.block  # of one pool
    assert first.material.instrument_weights == second.material.instrument_weights
