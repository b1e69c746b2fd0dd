"""Training the ear of the offline query encoder, on sounds that even a second of training can tell apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fxlens.data.manifest import Stem
from fxlens.errors import DataError
from fxlens.models.instrument_query import load_query_encoder
from fxlens.models.offline_query import SHIPPED, load_text_table
from fxlens.models.query_tower import FRONTEND, SAMPLE_RATE, QueryTower
from fxlens.training.query_tower import TowerTraining, accuracy, draw_examples, train, vary, write


def stem(path: Path, instrument: str, seconds: float) -> Stem:
    return Stem(
        "song",
        "train",
        path.stem,
        instrument,
        path,
        seconds,
        SAMPLE_RATE,
        -20.0,
        ((0.0, seconds),),
        True,
        path.stem,
    )


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> list[list[Stem]]:
    folder = tmp_path_factory.mktemp("stems")
    t = np.arange(12 * SAMPLE_RATE) / SAMPLE_RATE
    rng = np.random.default_rng(0)
    sounds = {
        "drums": rng.standard_normal(len(t)) * np.exp(-20.0 * (t % 0.25)),
        "bass": np.sin(2 * np.pi * 60.0 * t),
        "woodwinds": np.sin(2 * np.pi * 1000.0 * t) * (1.0 + 0.3 * np.sin(2 * np.pi * 5.0 * t)),
    }
    stems = []
    for name, samples in sounds.items():
        path = folder / f"{name}.wav"
        soundfile.write(path, 0.2 * np.stack([samples, samples], axis=1), SAMPLE_RATE)
        stems.append(stem(path, name, 12.0))
    return [stems]


def test_learns_writes_and_is_loaded(pools: list[list[Stem]], tmp_path: Path) -> None:
    table = load_text_table(SHIPPED)
    examples = draw_examples(pools, table.classes, 30, QueryTower(), np.random.default_rng(1))
    counts = np.bincount(examples.labels.numpy(), minlength=16)
    assert sorted(counts[counts > 0]) == [10, 10, 10], "classes are drawn evenly"
    tower = train(examples, table.class_vectors, TowerTraining(steps=80, batch_size=12))
    measured = accuracy(tower, examples, table.class_vectors, table.classes)
    assert set(measured) == {"drums", "bass", "woodwinds", "mean"}
    assert measured["mean"] >= 0.9

    for name in ("config.json", "vocabulary.txt", "text.safetensors"):
        shutil.copy(SHIPPED / name, tmp_path / name)
    write(tower, tmp_path, {"accuracy": measured})
    encoder = load_query_encoder(f"offline:{tmp_path}")
    t = torch.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    low = 0.1 * torch.sin(2 * torch.pi * 60.0 * t).expand(1, 2, -1)
    heard = encoder.embed_audio(low, SAMPLE_RATE) @ encoder.embed_text(list(table.classes)).T
    assert table.classes[int(heard.argmax())] == "bass"


def test_drawing_is_repeatable_and_needs_known_instruments(pools: list[list[Stem]]) -> None:
    classes = load_text_table(SHIPPED).classes
    first, second = (draw_examples(pools, classes, 6, QueryTower(), np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first.spectrograms, second.spectrograms)
    with pytest.raises(DataError, match="fxlens data prepare"):
        draw_examples([[]], classes, 6, QueryTower(), np.random.default_rng(3))


def test_variation_keeps_the_scale_and_is_drawn_from_its_generator() -> None:
    spectrograms = torch.linspace(-1, 1, 4 * 64 * 87).reshape(4, 1, FRONTEND.n_mels, 87)
    first = vary(spectrograms, np.random.default_rng(5))
    assert first.shape[:3] == (4, 1, 64) and 87 // 2 <= first.shape[3] <= 87
    assert float(first.min()) >= -1.0 and float(first.max()) <= 1.0
    assert torch.equal(vary(spectrograms, np.random.default_rng(5)), first)
    assert not torch.equal(first, spectrograms[..., : first.shape[3]])
