"""Half a minute of synthesised songs, and a pool rendered from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_run import BLOCK, INSTRUMENTS

from fxlens.data.adapters.folder import prepare
from fxlens.data.style_block import StemShelf
from fxlens.data.style_pool import fill_pool
from fxlens.data.synthesis.synthetic import write_song
from fxlens.training.rendering import load_stems, pool_weights


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("songs")
    for seed in range(3):
        write_song(root / f"song{seed}", seed=seed, seconds=12.0, instruments=INSTRUMENTS)
    out = root / "manifest.jsonl"
    prepare(root, out, jobs=1)
    return out


@pytest.fixture(scope="session")
def shelf(manifest: Path) -> StemShelf:
    return StemShelf(load_stems([manifest], "train"), minimum_active_seconds=2.0)


@pytest.fixture(scope="session")
def pool(manifest: Path, shelf: StemShelf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    fill_pool(folder, shelf, BLOCK, 5, pool_weights(shelf, {}), range(12), jobs=1)
    return folder
