"""A model, heads and songs small enough for tests."""

from __future__ import annotations

import numpy as np
import torch

from fxlens.describing.calibration import Calibration, Interval, Presence
from fxlens.describing.head_files import DescribingHeads, Reading
from fxlens.describing.hearing import instrument_vector, whole_vector
from fxlens.describing.network import ASKED, Heads
from fxlens.describing.quantities import EFFECTS
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

RATE = 8000
SECONDS = 1.0
SLOPE = 12.0  # random heads say little, and are to be taken at their word


def tiny_encoder(extractor: str = "mask", seed: int = 3) -> FxEncoder:
    """Fresh weights, quick to run."""
    torch.manual_seed(seed)
    front = FrontendConfig(
        sample_rate=RATE, n_fft=512, hop_length=256, n_mels=32, f_min_hz=50.0, f_max_hz=4000.0, channels="lrms"
    )
    config = FxEncoderConfig(
        name="tiny", frontend=front, backbone=BackboneConfig("resnet", 8), projection_dims=(16, 8),
        extractor=ExtractorConfig(extractor, (0.0, 0.3)), query_encoder="offline", query_dim=64,
        window_seconds=SECONDS, input_lufs=-18.0,
    )  # fmt: skip
    return FxEncoder(config).eval()


def tiny_heads(encoder: FxEncoder, seed: int = 0) -> DescribingHeads:
    """Heads of random weights; they hear every effect but the limiter, and every setting but the drive."""
    heard = encoder.hear(torch.zeros(1, 2, round(SECONDS * RATE)))
    dims = {"whole": whole_vector(heard).shape[1]}
    if encoder.extractor is not None:
        query = torch.zeros(1, encoder.config.query_dim)
        dims["instrument"] = instrument_vector(encoder, heard, query).shape[1]
    torch.manual_seed(seed)
    presence = tuple(Presence(SLOPE, 0.3, effect != "limiter", 0.8, 0.7) for effect in EFFECTS)
    intervals = tuple(Interval(0.05, 0.5, k != 5, 0.5, 0.7) for k in range(ASKED))
    readings = {}
    for name, dim in dims.items():
        heads = Heads(dim, 8).eval()
        heads.scale.fill_(0.1)
        with torch.no_grad():  # every other effect is there
            heads.presence.bias.copy_(0.2 * (-1.0) ** torch.arange(len(EFFECTS)))
        readings[name] = Reading(heads.requires_grad_(False), Calibration(presence, intervals))
    return DescribingHeads(encoder.model_id, readings, {"songs": 3})


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Stereo noise at a music-like level, ``float32 [2, T]``."""
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((2, round(seconds * rate)))).astype(np.float32)
