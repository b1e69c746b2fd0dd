"""A tiny model, a folder of songs, and chains as files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from apply_calls import CHAIN
from short_files import RATE, write

from fxlens.effects.chain import EffectChain
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
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
    folder = tmp_path_factory.mktemp("models") / "tiny"
    FxEncoder(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "Lieder ünd 音"
    folder.mkdir()
    for number in range(4):
        write(folder / f"{number} grün.wav", seconds=1.5 + number / 2, seed=number)
    return folder


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    CHAIN.save(tmp_path / "chain.json")
    return tmp_path / "chain.json"


@pytest.fixture
def bypass(tmp_path: Path) -> Path:
    EffectChain().save(tmp_path / "bypass.json")
    return tmp_path / "bypass.json"
