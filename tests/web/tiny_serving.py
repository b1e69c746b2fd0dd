"""A model with heads, and recordings, small enough to be served in tests."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from tiny_model import AS_SHIPPED, RATE, tiny_encoder

from fxlens.describing.calibration import Calibration, Interval, Presence
from fxlens.describing.head_files import DescribingHeads, Reading, save_heads
from fxlens.describing.hearing import instrument_vector, whole_vector
from fxlens.describing.network import ASKED, Heads
from fxlens.describing.quantities import EFFECTS
from fxlens.models.fx_encoder import FxEncoder
from fxlens.web.settings import ServeSettings

HERE = "http://127.0.0.1"


def settings_of(folder: Path, model: Path, **changes: Any) -> ServeSettings:
    """Low limits, no page, uploads below ``folder``."""
    plain: dict[str, Any] = {"model": str(model), "folder": folder, "page": False, "max_upload_mb": 2.0}
    return ServeSettings(**{**plain, "max_minutes": 1.0, **changes})


def write_model(folder: Path) -> Path:
    """A tiny model with heads of random weights."""
    encoder = tiny_encoder(**AS_SHIPPED)
    encoder.save_pretrained(folder)
    heard = encoder.hear(torch.zeros(1, 2, RATE))
    dims = {
        "whole": whole_vector(heard).shape[1],
        "instrument": instrument_vector(encoder, heard, torch.zeros(1, 64)).shape[1],
    }
    presence = tuple(Presence(2.0, 0.5, effect != "limiter", 0.8, 0.7) for effect in EFFECTS)
    intervals = tuple(Interval(0.05, 0.5, True, 0.5, 0.7) for _ in range(ASKED))
    readings = {}
    for name, dim in dims.items():
        heads = Heads(dim, 8).eval()
        readings[name] = Reading(heads.requires_grad_(False), Calibration(presence, intervals))
    save_heads(folder, DescribingHeads(FxEncoder.from_pretrained(folder).model_id, readings))
    return folder


def noise(seconds: float, seed: int = 0, rate: int = RATE, channels: int = 2) -> np.ndarray:
    """Coloured noise at a music-like level, ``[T, C]``."""
    rng = np.random.default_rng(seed)
    white = 0.1 * rng.standard_normal((round(seconds * rate), channels))
    return white + 0.2 * seed * np.roll(white, 1 + seed, axis=0)


def wav(audio: np.ndarray, rate: int = RATE, **settings: Any) -> bytes:
    """A wav file of samples ``[T, C]``."""
    file = io.BytesIO()
    soundfile.write(file, audio, rate, format="WAV", **settings)
    return file.getvalue()
