"""Five little songs, synthesised once, and a tiny model with its heads in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_describing import tiny_encoder, tiny_heads

from fxlens.data.adapters.folder import prepare
from fxlens.data.manifest import load_manifest, save_manifest
from fxlens.data.multitrack import Multitrack
from fxlens.data.synthesis.synthetic import write_song
from fxlens.describing.head_files import save_heads


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Multitrack]:
    """Three songs of split train, one of validation, one of evaluation."""
    root = tmp_path_factory.mktemp("describing_songs")
    for seed in range(5):
        write_song(root / f"song{seed}", seed=seed, seconds=6.0, instruments=("drums", "bass", "keys"))
    prepare(root, root / "manifest.jsonl", jobs=1)
    splits = ("train", "train", "train", "validation", "evaluation")
    found = sorted(load_manifest(root / "manifest.jsonl"), key=lambda song: song.song)
    return [
        replace(song, split=split, stems=tuple(replace(stem, split=split) for stem in song.stems))
        for song, split in zip(found, splits, strict=True)
    ]


@pytest.fixture(scope="session")
def manifest(songs: list[Multitrack], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("describing_manifest") / "songs.jsonl"
    save_manifest(path, songs)
    return path


@pytest.fixture(scope="session")
def model_with_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("describing_model") / "tiny"
    encoder = tiny_encoder()
    encoder.save_pretrained(folder)
    save_heads(folder, tiny_heads(encoder))
    return folder
