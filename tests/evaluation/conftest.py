from __future__ import annotations

from pathlib import Path

import pytest

from fxlens.data.adapters.folder import prepare
from fxlens.data.synthesis.synthetic import write_song
from fxlens.evaluation.benchmark.material import Material, load_material


@pytest.fixture(scope="session")
def song_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short synthesised songs of drums and bass; the last is for training."""
    root = tmp_path_factory.mktemp("songs")
    for seed in range(3):
        write_song(root / f"song{seed}", seed=seed, seconds=8.0, instruments=("drums", "bass"))
    prepare(root, root / "m.jsonl", ("song0", "song1"), jobs=1)
    return root / "m.jsonl"


@pytest.fixture(scope="session")
def material(song_manifest: Path) -> Material:
    return load_material([song_manifest])
