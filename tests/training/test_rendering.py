"""The renderer beside training, on a few seconds of synthesised songs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fxlens.data.adapters.folder import prepare
from fxlens.data.dataset import BatchSettings
from fxlens.data.style_block import BlockSettings
from fxlens.data.style_pool import StylePool, fill_pool
from fxlens.data.synthesis.synthetic import write_song
from fxlens.errors import DataError
from fxlens.training.rendering import BackgroundRenderer, load_stems, validation_pairs
from fxlens.training.settings import MaterialSettings, TrainSettings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    root = tmp_path_factory.mktemp("songs")
    for seed in range(4):
        write_song(root / f"song{seed}", seed=seed, seconds=20.0, instruments=("drums", "bass"))
    prepare(root, root / "m.jsonl", jobs=1, validation_songs=("song2", "song3"))
    return TrainSettings(
        material=MaterialSettings(manifests=(root / "m.jsonl",), render_jobs=1),
        block=BlockSettings(seconds=1.0, chains=2, n_effects=(1, 2)),
        batch=BatchSettings(total_blocks=3, chains=2),
        validation_blocks=1,
    )


def test_blocks_made_beside_training_are_those_made_alone(settings: TrainSettings, tmp_path: Path) -> None:
    with BackgroundRenderer(tmp_path / "beside", settings) as renderer:
        blocks = StylePool(tmp_path / "beside", patience_seconds=120.0).upto(3)
        renderer.check()
    from fxlens.data.style_block import StemShelf
    from fxlens.training.rendering import pool_weights

    shelf = StemShelf(load_stems(settings.material.manifests, "train"))
    fill_pool(tmp_path / "alone", shelf, settings.block, settings.seed, pool_weights(shelf, {}), range(3))
    for block in blocks:
        assert block.path.read_bytes() == (tmp_path / "alone" / block.path.name).read_bytes()
        assert set(block.info["songs"]) <= {"song0", "song1"}  # type: ignore[call-overload]


def test_a_dead_renderer_is_noticed(settings: TrainSettings, tmp_path: Path) -> None:
    with BackgroundRenderer(tmp_path, settings) as renderer:
        renderer._processes[0].kill()
        renderer._processes[0].join(20)
        with pytest.raises(DataError, match="renderer stopped"):
            renderer.check()


def test_a_pool_that_nobody_fills_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is it being rendered"):
        StylePool(tmp_path, patience_seconds=0.1).upto(1)


def test_validation_pairs_hold_one_effect_each(settings: TrainSettings, tmp_path: Path) -> None:
    pairs = validation_pairs(tmp_path, settings)
    assert "gain" not in pairs and len(pairs) == 7
    assert all(p.shape == (2, 2, 2, 44100) and np.isfinite(p).all() for p in pairs.values())
    import json

    for effect in pairs:
        info = json.loads((tmp_path / effect / "0000000.json").read_text())["info"]
        for chain in info["chains"]:
            assert [e["type"] for e in json.loads(chain)["processors"]] == [effect]
        assert set(info["songs"]) <= {"song2", "song3"}
    again = validation_pairs(tmp_path, settings)
    assert all(np.array_equal(pairs[e], again[e]) for e in pairs)
