"""A model, heads and songs small enough for tests."""

from __future__ import annotations

import numpy as np
import tiny_model
import torch

from fxlens.describing.calibration import Calibration, Interval, Presence
from fxlens.describing.head_files import DescribingHeads, Reading
from fxlens.describing.hearing import instrument_vector, whole_vector
from fxlens.describing.network import ASKED, Heads
from fxlens.describing.quantities import EFFECTS
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.fx_encoder import FxEncoder

RATE = tiny_model.RATE
SECONDS = 1.0
SLOPE = 12.0  # random heads say little, and are to be taken at their word


def tiny_encoder(extractor: str = "mask", seed: int = 3) -> FxEncoder:
    """Fresh weights, quick to run."""
    return tiny_model.tiny_encoder(seed, extractor=ExtractorConfig(extractor, (0.0, 0.3)), **tiny_model.AS_SHIPPED)  # type: ignore[arg-type]


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
