"""A tiny model with random queries, and short songs to index with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

RATE = 8000


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    config = FxEncoderConfig(
        name="tiny",
        frontend=FrontendConfig(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=32, f_min_hz=50.0, f_max_hz=4000.0),
        backbone=BackboneConfig("resnet", 8),
        projection_dims=(16, 8),
        extractor=ExtractorConfig("mask", (0.0, 0.0)),
        query_encoder="offline",
        query_dim=64,
        window_seconds=1.0,
    )
    folder = tmp_path_factory.mktemp("model")
    FxEncoder(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def encoder(model: Path) -> FxEncoder:
    return FxEncoder.from_pretrained(model)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Six songs of two to five windows whose spectra differ from song to song and from second to second."""
    folder = tmp_path / "songs"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(6):
        seconds = 2 + number % 4
        steps = rng.uniform(0.05, 0.9, (seconds, 2)).repeat(RATE, axis=0)
        noise = rng.standard_normal((seconds * RATE, 2)) * 0.1
        coloured = noise + np.roll(noise, 1 + number, axis=0) * steps
        soundfile.write(folder / f"song {number}.wav", coloured, RATE, subtype="PCM_16")
    return folder
