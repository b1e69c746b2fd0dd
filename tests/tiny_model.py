"""A tiny untrained model that hears 8 kHz, for tests of everything around a model."""

from __future__ import annotations

from pathlib import Path

import torch

from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

RATE = 8000


def save_tiny_encoder(folder: Path) -> Path:
    """Write the model's folder; the same weights every time."""
    torch.manual_seed(3)
    config = FxEncoderConfig(
        name="tiny",
        frontend=FrontendConfig(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=32, f_min_hz=50.0, f_max_hz=4000.0),
        backbone=BackboneConfig("resnet", 8),
        projection_dims=(16, 8),
        extractor=ExtractorConfig("mask", (0.0, 0.3)),
        query_encoder="offline",
        query_dim=64,
        window_seconds=1.0,
    )
    FxEncoder(config).save_pretrained(folder)
    return folder
