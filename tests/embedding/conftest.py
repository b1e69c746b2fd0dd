"""A tiny untrained model, and short files to embed with it."""

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
    """A model folder."""
    torch.manual_seed(3)
    front = FrontendConfig(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=32, f_min_hz=50.0, f_max_hz=4000.0)
    config = FxEncoderConfig(
        name="tiny",
        frontend=front,
        backbone=BackboneConfig("resnet", 8),
        projection_dims=(16, 8),
        extractor=ExtractorConfig("mask", (0.0, 0.3)),
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
def folder(tmp_path: Path) -> Path:
    """Six stereo files of 1.2 to 3.7 seconds."""
    songs = tmp_path / "songs"
    songs.mkdir()
    rng = np.random.default_rng(1)
    for number in range(6):
        noise = rng.uniform(-0.4, 0.4, (round((1.2 + 0.5 * number) * RATE), 2))
        soundfile.write(songs / f"{number}.wav", noise, RATE, subtype="PCM_16")
    return songs
