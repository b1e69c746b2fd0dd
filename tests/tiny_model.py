"""Tiny untrained models that hear 8 kHz, for tests of everything around a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

RATE = 8000
FRONT = FrontendConfig(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=32, f_min_hz=50.0, f_max_hz=4000.0)
AS_SHIPPED: dict[str, Any] = {"frontend": replace(FRONT, channels="lrms"), "input_lufs": -18.0}
"""Changes that make it hear what the shipped model hears: all four channels, brought to one loudness."""


def tiny_encoder(seed: int = 3, **changes: Any) -> FxEncoder:
    """A fresh model with an extractor that masks; the same weights every time.

    Args:
        seed: of the weights.
        changes: of its configuration.
    """
    torch.manual_seed(seed)
    plain: dict[str, Any] = {
        "name": "tiny",
        "frontend": FRONT,
        "backbone": BackboneConfig("resnet", 8),
        "projection_dims": (16, 8),
        "extractor": ExtractorConfig("mask", (0.0, 0.3)),
        "query_encoder": "offline",
        "query_dim": 64,
        "window_seconds": 1.0,
    }
    return FxEncoder(FxEncoderConfig(**{**plain, **changes})).eval()


def save_tiny_encoder(folder: Path, **changes: Any) -> Path:
    """Write the model's folder."""
    tiny_encoder(**changes).save_pretrained(folder)
    return folder
