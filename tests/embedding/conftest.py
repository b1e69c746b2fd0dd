"""A tiny untrained model, and short files to embed with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_model import RATE, save_tiny_encoder

from fxlens.models.fx_encoder import FxEncoder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder."""
    return save_tiny_encoder(tmp_path_factory.mktemp("model"))


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
