"""Settings of a run that fits into seconds."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

from fxlens.data.dataset import BatchSettings
from fxlens.data.style_block import BlockSettings
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoderConfig
from fxlens.training.settings import (
    LossSettings,
    MaterialSettings,
    OptimizerSettings,
    QuerySettings,
    TrainSettings,
)

INSTRUMENTS = ("drums", "bass", "keys")
BLOCK = BlockSettings(seconds=1.0, chains=2, n_effects=(1, 3))
BATCH = BatchSettings(
    mixture_groups=2,
    extraction_groups=2,
    chains=2,
    instruments=(1, 3),
    initial_blocks=12,
    blocks_per_batch=0.0,
    total_blocks=12,
    window_blocks=12,
)
MODEL = FxEncoderConfig(
    name="tiny",
    frontend=FrontendConfig(hop_length=1024, n_mels=32, f_min_hz=30.0, f_max_hz=16000.0, channels="lrms"),
    backbone=BackboneConfig(name="resnet", width=8),
    projection_dims=(32, 16),
    extractor=ExtractorConfig(name="mask", query_dropout=(0.0, 0.3)),
    query_encoder="offline",
    query_dim=64,
    window_seconds=1.0,
)


def settings(manifest: Path, pool: Path, **changes: Any) -> TrainSettings:
    base = TrainSettings(
        model=MODEL,
        material=MaterialSettings(manifests=(manifest,), pool=pool, render_jobs=0),
        block=BLOCK,
        batch=BATCH,
        loss=LossSettings(instrument_weight=0.5, ramp_steps=2, stem_view=True),
        optimizer=OptimizerSettings(learning_rate=1e-3, warmup_steps=2, average_decay=0.9),
        query=QuerySettings(audio_share=0.0),
        steps=6,
        checkpoint_every=2,
        log_every=1,
        validation_blocks=0,
        precision="float32",
        accelerator="cpu",
        loader_workers=0,
        seed=5,
    )
    return dataclasses.replace(base, **changes)


def losses_of(run: Path) -> dict[int, float]:
    with (run / "metrics.csv").open() as file:
        return {int(r["step"]): float(r["value"]) for r in csv.DictReader(file) if r["name"] == "loss/total"}
