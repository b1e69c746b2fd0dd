"""A model with fresh weights: it hears spectra, and instruments by the offline queries."""

from __future__ import annotations

import torch

from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

FRONT = FrontendConfig(hop_length=1024, n_mels=32, f_min_hz=30.0, f_max_hz=16000.0, floor_db=-60.0, ceiling_db=20.0)


def tiny_encoder() -> FxEncoder:
    torch.manual_seed(0)
    return FxEncoder(
        FxEncoderConfig(
            name="tiny", frontend=FRONT, backbone=BackboneConfig("resnet", 4), projection_dims=(16,),
            extractor=ExtractorConfig("mask"), query_encoder="offline", query_dim=64, window_seconds=1.0,
            input_lufs=-18.0,
        )
    ).eval()  # fmt: skip
