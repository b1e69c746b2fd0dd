"""A tiny model with random queries, and short songs to index with it."""

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
