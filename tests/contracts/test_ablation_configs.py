"""Every ablation is read, says what it is, and differs from its base in what it is about and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from fxlens import config
from fxlens.config import to_dict
from fxlens.data.adapters.folder import prepare
from fxlens.data.style_block import StemShelf
from fxlens.data.style_pool import fill_pool
from fxlens.data.synthesis.synthetic import write_song
from fxlens.models.fx_encoder import FxEncoder
from fxlens.training.rendering import load_stems, pool_weights
from fxlens.training.settings import TrainSettings

CONFIGS = Path(config.__file__).parent / "configs"
ABLATIONS = sorted((CONFIGS / "ablations").glob("*.yaml"))


def flat(value: Any, where: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {where: value}
    return {k: v for key, item in value.items() for k, v in flat(item, f"{where}.{key}" if where else key).items()}


def test_every_improvement_has_its_ablation() -> None:
    assert {p.stem for p in ABLATIONS} >= {
        "wet-query", "ungraded-negatives", "no-hard-negatives", "other-song-positives", "mid-side", "fine-mels",
        "attention", "distillation", "heads", "mixed-compositions", "memory", "text-queries", "averaged-weights",
        "afx-rep", "fx-encoder",
    }  # fmt: skip


@pytest.mark.parametrize("path", ABLATIONS, ids=lambda p: p.stem)
def test_an_ablation(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert (first.startswith("# ") and len(first) > 30 and first.endswith(".")) or first.endswith(").")
    said = yaml.safe_load(text)
    base = config.load(TrainSettings, path.parent / said.pop("extends"))
    own = config.load(TrainSettings, path)
    before, after = flat(to_dict(base)), flat(to_dict(own))
    changed = {key for key in before if before[key] != after.get(key, before[key])} | (set(after) - set(before))
    assert changed == set(flat(said)), "a key that changes nothing, or one that is changed in passing"
    config.dump(own, tmp_path / "again.yaml")
    assert config.load(TrainSettings, tmp_path / "again.yaml") == own
    with torch.device("meta"):
        assert sum(p.numel() for p in FxEncoder(own.model).parameters()) <= 5_000_000
    pairs = own.batch.chains * own.batch.mixture_groups
    if not own.batch.same_mixtures:
        pairs += own.batch.chains * own.batch.extraction_groups
    assert pairs == 64  # of the same number of views as the baseline has


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("songs")
    for seed in range(2):
        write_song(root / f"song{seed}", seed=seed, seconds=10.0, instruments=("drums", "bass", "keys"))
    prepare(root, root / "manifest.jsonl", jobs=1)
    return root / "manifest.jsonl"


@pytest.mark.slow
@pytest.mark.parametrize("path", ABLATIONS, ids=lambda p: p.stem)
def test_an_ablation_learns_for_three_steps(path: Path, songs: Path, tmp_path: Path) -> None:
    """As it is shipped but for the size: a narrow network, excerpts of a second, a quarter of the groups."""
    from fxlens.training.trainer import train

    loaded = config.load(TrainSettings, path)
    batch = dataclasses.replace(
        loaded.batch,
        mixture_groups=max(2, loaded.batch.mixture_groups // 8),
        extraction_groups=min(2, loaded.batch.extraction_groups),
        instruments=(1, 2),
        initial_blocks=8,
        total_blocks=8,
        window_blocks=8,
    )
    settings = dataclasses.replace(
        loaded,
        model=dataclasses.replace(
            loaded.model, backbone=dataclasses.replace(loaded.model.backbone, width=8), window_seconds=1.0
        ),
        material=dataclasses.replace(
            loaded.material, manifests=(songs,), pool=tmp_path / "pool", render_jobs=0, instrument_weights={}
        ),
        block=dataclasses.replace(loaded.block, seconds=1.0),
        batch=batch,
        loss=dataclasses.replace(loaded.loss, ramp_steps=2),
        steps=3,
        checkpoint_every=3,
        log_every=1,
        validation_blocks=0,
        accelerator="cpu",
        loader_workers=0,
        precision="float32",
    )
    shelf = StemShelf(load_stems([songs], "train"), minimum_active_seconds=2.0)
    fill_pool(tmp_path / "pool", shelf, settings.block, 1, pool_weights(shelf, {}), range(8), jobs=1)
    model = train(settings, tmp_path / "run")
    assert FxEncoder.from_pretrained(model).config == settings.model
    metrics = (tmp_path / "run" / "metrics.csv").read_text()
    assert "3,loss/total," in metrics and "nan" not in metrics
    expected = {"heads": "loss/order", "afx-rep": "loss/effects", "distillation": "loss/distil"}
    assert expected.get(path.stem, "loss/mixture" if settings.loss.contrast else "loss/effects") in metrics
