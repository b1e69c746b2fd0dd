"""A tiny model, a folder of songs, and chains as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from apply_calls import CHAIN
from short_files import write
from tiny_model import save_tiny_encoder

from fxlens.effects.chain import EffectChain


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_encoder(tmp_path_factory.mktemp("models") / "tiny"))


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
