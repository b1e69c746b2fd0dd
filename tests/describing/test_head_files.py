"""Heads on disk: the same after reading, small, and of one model only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_describing import noise, tiny_encoder, tiny_heads

from fxlens.describing import describe
from fxlens.describing.head_files import HEAD, WEIGHTS, find_heads, load_heads, save_heads
from fxlens.errors import ModelUnavailableError, OutputError
from fxlens.models.fx_encoder import FxEncoder


@pytest.fixture(scope="module")
def encoder() -> FxEncoder:
    return tiny_encoder()


@pytest.fixture
def folder(encoder: FxEncoder, tmp_path: Path) -> Path:
    save_heads(tmp_path, tiny_heads(encoder))
    return tmp_path


def test_what_is_read_is_what_was_written(encoder: FxEncoder, folder: Path) -> None:
    written, read = tiny_heads(encoder), load_heads(folder, encoder.model_id)
    assert read.metadata == {"songs": 3} and set(read.readings) == {"whole", "instrument"}
    for name, reading in written.readings.items():
        assert read.readings[name].calibration == reading.calibration
        x = torch.randn(5, reading.heads.dim, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(read.readings[name].heads(x).logits, reading.heads(x).logits, atol=2e-2, rtol=1e-2)
    assert sorted(path.name for path in folder.iterdir()) == [HEAD, WEIGHTS]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000


def test_heads_of_another_model_are_refused(folder: Path) -> None:
    other = tiny_encoder(seed=4)
    with pytest.raises(ModelUnavailableError, match=r"belong to the model tiny-.*fxlens train-describe") as raised:
        load_heads(folder, other.model_id)
    assert raised.value.exit_code == 4
    with pytest.raises(ModelUnavailableError, match="belong to"):
        describe(noise(1.0), other, sample_rate=8000, heads=load_heads(folder, tiny_encoder().model_id))


def test_missing_and_broken_heads_are_told(encoder: FxEncoder, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"no heads to describe with.*fxlens train-describe"):
        load_heads(tmp_path / "nothing", encoder.model_id)
    with pytest.raises(ModelUnavailableError, match="no shipped model has heads"):
        find_heads(encoder)
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnavailableError, match="cannot be read"):
        load_heads(folder, encoder.model_id)
    save_heads(folder, tiny_heads(encoder, seed=1))
    (folder / WEIGHTS).write_bytes(whole)  # weights and description of two trainings
    with pytest.raises(ModelUnavailableError, match="is not the file"):
        load_heads(folder, encoder.model_id)
    save_heads(folder, tiny_heads(encoder))
    text = json.loads((folder / HEAD).read_text())
    text["quantities"] = text["quantities"][1:]
    (folder / HEAD).write_text(json.dumps(text))
    with pytest.raises(ModelUnavailableError, match="another version"):
        load_heads(folder, encoder.model_id)
    (folder / HEAD).write_text("[]")
    with pytest.raises(ModelUnavailableError, match="does not describe"):
        load_heads(folder, encoder.model_id)


def test_an_encoder_finds_the_heads_where_it_was_loaded_from(tmp_path: Path) -> None:
    tiny_encoder(seed=11).save_pretrained(tmp_path)
    loaded = FxEncoder.from_pretrained(tmp_path)
    save_heads(tmp_path, tiny_heads(loaded))
    assert describe(noise(1.0), loaded, sample_rate=8000).model == loaded.model_id
    save_heads(tmp_path, tiny_heads(loaded, seed=5))  # retrained: the old ones are not kept in mind
    np.testing.assert_allclose(
        describe(noise(1.0), loaded, sample_rate=8000).probabilities,
        describe(noise(1.0), loaded, sample_rate=8000, heads=tiny_heads(loaded, seed=5)).probabilities,
        atol=1e-2,
    )


def test_a_folder_that_cannot_be_written_is_told(encoder: FxEncoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_heads(tmp_path / "file", tiny_heads(encoder))
