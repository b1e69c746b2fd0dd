"""The scripts in benchmarks/ are modules of their folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fxlens.data.adapters.folder import prepare
from fxlens.data.synthesis.synthetic import write_song
from fxlens.evaluation.benchmark.material import Material, load_material

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
collect_ignore_glob = [] if BENCHMARKS.is_dir() else ["test_*.py"]  # an sdist has no benchmarks


@pytest.fixture(scope="session")
def song_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four short synthesised songs of drums and bass, two of them for training."""
    root = tmp_path_factory.mktemp("songs")
    for seed in range(4):
        write_song(root / f"song{seed}", seed=seed, seconds=6.0, instruments=("drums", "bass"))
    prepare(root, root / "m.jsonl", ("song0", "song1"), jobs=1)
    return root / "m.jsonl"


@pytest.fixture(scope="session")
def material(song_manifest: Path) -> Material:
    return load_material([song_manifest])
