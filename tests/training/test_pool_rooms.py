"""Recorded rooms in the pool: part of the chains that are drawn, so that what is stored says which."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_run import BLOCK

from fxlens.data.style_block import StemShelf, draw_block, render_block
from fxlens.data.style_pool import fill_pool, load_rooms, read_block
from fxlens.effects.chain import EffectChain
from fxlens.errors import DataError
from fxlens.training.rendering import pool_weights

ALL_EIGHT = replace(BLOCK, n_effects=(8, 8), recorded_room_share=1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rooms").mkdir()
    for seed, rate in enumerate((44_100, 32_000)):
        tail = np.random.default_rng(seed).standard_normal((6_000, 2)) * np.exp(-np.arange(6_000) / 900.0)[:, None]
        soundfile.write(tmp_path / "rooms" / f"{rate}.wav", 0.1 * tail, rate)
    return tmp_path / "rooms"


def test_a_block_is_rendered_in_the_rooms_its_chains_name(shelf: StemShelf, folder: Path) -> None:
    rooms = load_rooms(folder, BLOCK.sample_rate)
    plan = draw_block(shelf, "drums", 3, ALL_EIGHT, rooms=rooms)
    assert plan == draw_block(shelf, "drums", 3, ALL_EIGHT, rooms=load_rooms(folder, BLOCK.sample_rate))
    assert all(e.ir in {"44100.wav", "32000.wav"} for e in plan.chains[0].effects if e.type == "reverb")
    first = render_block(plan, ALL_EIGHT)
    assert np.array_equal(first.wet, render_block(plan, ALL_EIGHT).wet) and np.isfinite(first.wet).all()
    stored = [EffectChain.from_json(text) for text in first.info["chains"]]  # type: ignore[attr-defined]
    assert stored == list(plan.chains)
    bank = draw_block(shelf, "drums", 3, replace(ALL_EIGHT, recorded_room_share=0.0), rooms=rooms)
    assert all(effect.ir is None for chain in bank.chains for effect in chain.effects)


def test_workers_change_nothing(shelf: StemShelf, folder: Path, tmp_path: Path) -> None:
    rooms = load_rooms(folder, BLOCK.sample_rate)
    for jobs in (1, 2):
        fill_pool(tmp_path / str(jobs), shelf, ALL_EIGHT, 5, pool_weights(shelf, {}), range(2), rooms, jobs)
    for number in range(2):
        one, two = (read_block(tmp_path / str(jobs), number) for jobs in (1, 2))
        assert one.info == two.info and "ir" in str(one.info["chains"])
        assert one.path.read_bytes() == two.path.read_bytes()


def test_a_room_that_cannot_be_used_is_said_before_rendering(folder: Path) -> None:
    assert load_rooms(None, 44_100) is None
    soundfile.write(folder / "four.wav", np.full((100, 4), 0.1), 44_100)
    with pytest.raises(DataError, match=r"cannot read impulse responses: .*four\.wav"):
        load_rooms(folder, 44_100)
