"""The whole line on half a minute of synthesised songs: stems, pool, batches, losses, resume."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_run import BATCH, BLOCK, MODEL, losses_of, settings

from fxlens import file_locks
from fxlens.audio.loudness import integrated_loudness
from fxlens.data.dataset import StyleBatches
from fxlens.data.style_block import StemShelf, draw_block, render_block
from fxlens.data.style_pool import fill_pool, read_block
from fxlens.errors import ConfigError
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.instrument_query import load_query_encoder
from fxlens.training.contrast import ContrastiveTask
from fxlens.training.rendering import pool_weights
from fxlens.training.settings import (
    LossSettings,
    OptimizerSettings,
    QuerySettings,
    TrainSettings,
)


def test_a_block_is_a_function_of_its_seed(shelf: StemShelf) -> None:
    one, two, other = (draw_block(shelf, "drums", seed, BLOCK) for seed in (3, 3, 4))
    assert one == two
    assert one != other
    first, second = render_block(one, BLOCK), render_block(two, BLOCK)
    np.testing.assert_array_equal(first.wet, second.wet)


def test_positives_share_the_chain_and_hard_negatives_the_music(shelf: StemShelf) -> None:
    plan = draw_block(shelf, "bass", 11, BLOCK)
    block = render_block(plan, BLOCK)
    assert plan.chains[0] != plan.chains[1]
    assert plan.contents[0] != plan.contents[1]
    assert not np.allclose(block.wet[0, 0], block.wet[1, 0], atol=1e-3)
    assert block.wet.shape == (2, 2, 2, 44100)
    assert np.isfinite(block.wet).all()


def test_contents_come_from_two_songs_when_asked(shelf: StemShelf) -> None:
    always = dataclasses.replace(BLOCK, other_song_share=1.0)
    for seed in range(8):
        a, b = draw_block(shelf, "electric piano", seed, always).contents
        assert a.stem.song != b.stem.song


def test_pool_does_not_depend_on_the_number_of_processes(
    manifest: Path, shelf: StemShelf, pool: Path, tmp_path: Path
) -> None:
    fill_pool(tmp_path, shelf, BLOCK, 5, pool_weights(shelf, {}), range(4), jobs=2)
    for number in range(4):
        assert (tmp_path / f"{number:07d}.npy").read_bytes() == (pool / f"{number:07d}.npy").read_bytes()


def test_stored_clips_are_the_rendered_ones(shelf: StemShelf, tmp_path: Path) -> None:
    from fxlens.data.style_pool import write_block

    block = render_block(draw_block(shelf, "drums", 3, BLOCK), BLOCK)
    write_block(tmp_path, 0, block)
    stored = read_block(tmp_path, 0)
    peak = np.abs(block.wet[1, 0]).max()
    np.testing.assert_allclose(stored.wet(1, 0), block.wet[1, 0], atol=peak / 32767)
    np.testing.assert_allclose(stored.dry(), block.dry, atol=np.abs(block.dry).max() / 32767)


def test_batches_depend_on_their_number_only(pool: Path) -> None:
    one = StyleBatches(pool, BATCH, seed=1, batches=4)
    two = StyleBatches(pool, BATCH, seed=1, batches=4)
    _ = two[0]
    for key in ("mixture", "extraction", "stem", "dry"):
        assert torch.equal(one[3][key], two[3][key])
    assert not torch.equal(one[2]["mixture"], one[3]["mixture"])


@pytest.mark.parametrize("controlled", [True, False])
def test_extraction_pairs_share_the_target_and_what_the_protocol_says(
    pool: Path, controlled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = StyleBatches(pool, dataclasses.replace(BATCH, controlled=controlled, instruments=(3, 3)), 1, batches=4)
    inner = batches._view
    made: list[list[tuple[int, int]]] = []

    def spy(rng: np.random.Generator, tracks: list[Any], view: int, company_db: float = 0.0) -> torch.Tensor:
        made.append([(block.number, chain) for block, chain in tracks])
        return inner(rng, tracks, view, company_db)

    monkeypatch.setattr(batches, "_view", spy)
    item = batches[1]
    assert integrated_loudness(item["extraction"].numpy(), 44100) == pytest.approx(-18.0, abs=0.3)
    samples = 4
    mixtures = [m for m in made[2 * samples :] if len(m) == 3]  # the mixture part comes first
    pairs = [(mixtures[k], mixtures[k + 1]) for k in range(0, 2 * samples, 2)]
    for first, second in pairs:
        assert first[0] == second[0]  # the target: same block, same chain
        assert (first[1:] == second[1:]) is not controlled
    for (one, _), (twin, _) in (pairs[:2], pairs[2:]):  # a group: company stays, the target's chain changes
        assert one[1:] == twin[1:]
        assert one[0][0] == twin[0][0] and one[0][1] != twin[0][1]


def test_what_changes_with_the_number_of_the_batch() -> None:
    grows = dataclasses.replace(BATCH, hard_from_batch=10, company_db=12.0, company_batches=100, blocks_per_batch=0.5)
    assert (grows.at(9).chains, grows.at(9).mixture_groups, grows.at(9).extraction_groups) == (1, 4, 4)
    assert grows.at(10) == grows
    assert [grows.company_gain_db(i) for i in (0, 50, 100, 500)] == [-12.0, -6.0, 0.0, 0.0]
    assert BATCH.company_gain_db(0) == 0.0
    assert dataclasses.replace(grows, total_blocks=20).limit(6) == 15
    assert dataclasses.replace(grows, total_blocks=20).limit(600) == 20


@pytest.mark.parametrize("extractor", ["mask", "mlp", "attention"])
def test_losses_fall_when_one_batch_is_learnt_by_heart(pool: Path, extractor: str) -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(MODEL, extractor=ExtractorConfig(name=extractor, query_dropout=(0.0, 0.1)))  # type: ignore[arg-type]
    task = ContrastiveTask(
        FxEncoder(config),
        load_query_encoder("offline"),
        LossSettings(instrument_weight=0.5, ramp_steps=0, stem_view=True),
        QuerySettings(audio_share=0.0),
    )
    batch = StyleBatches(pool, BATCH, seed=2, batches=1)[0]
    optimizer = torch.optim.Adam(task.encoder.parameters(), 3e-3)
    history = []
    for step in range(12):
        named = task(batch, step, seed=step)
        optimizer.zero_grad()
        named["total"].backward()
        optimizer.step()
        history.append({k: float(v.detach()) for k, v in named.items()})
    assert set(history[0]) == {"mixture", "instrument", "stem", "distil", "align", "total"}
    for part in ("mixture", "stem", "total"):
        assert history[-1][part] < 0.7 * history[0][part], part
    assert all(p.grad is not None for n, p in task.encoder.named_parameters() if p.requires_grad and "norm" not in n)


def test_stems_and_mixtures_alone(pool: Path) -> None:
    task = ContrastiveTask(FxEncoder(MODEL), None, LossSettings(instrument_weight=0.0, stem_view=True), QuerySettings())
    batch = StyleBatches(pool, dataclasses.replace(BATCH, stems_only=True), seed=2, batches=1)[0]
    assert set(batch) == {"mixture", "stem", "target"} and batch["stem"].shape == (4, 2, 2, 44100)
    with torch.no_grad():
        named = task(batch, 0, seed=0)
    assert set(named) == {"mixture", "stem", "total"}
    assert float(named["total"]) == pytest.approx(0.5 * float(named["mixture"] + named["stem"]), rel=1e-6)


def test_a_query_does_not_tell_which_views_belong_together(pool: Path) -> None:
    """With one query a pair, the loss could fall to nothing without hearing anything but the query."""
    task = ContrastiveTask(
        FxEncoder(MODEL), load_query_encoder("offline"), LossSettings(), QuerySettings(audio_share=0.5)
    )
    batch = StyleBatches(pool, BATCH, seed=2, batches=1)[0]
    pairs = 4000
    query = task._draw_queries(batch, np.random.default_rng(0), 2 * pairs)
    first, second = query[:pairs], query[pairs:]
    own = (first * second).sum(dim=1)
    others = (first * second.roll(1, 0)).sum(dim=1)
    assert own.max() < 0.9999
    assert abs(float(own.mean() - others.mean())) < 0.03


def test_an_interrupted_run_resumes_exactly(manifest: Path, pool: Path, tmp_path: Path) -> None:
    trainer = pytest.importorskip("fxlens.training.trainer", reason="needs the extra [train]")
    whole = settings(manifest, pool)
    trainer.train(whole, tmp_path / "whole")
    trainer.train(dataclasses.replace(whole, stop_at_step=4), tmp_path / "halves")
    trainer.train(whole, tmp_path / "halves", resume=True)
    assert list(losses_of(tmp_path / "whole")) == [1, 2, 3, 4, 5, 6]
    assert losses_of(tmp_path / "halves") == losses_of(tmp_path / "whole")
    a = FxEncoder.from_pretrained(tmp_path / "whole" / "model").state_dict()
    b = FxEncoder.from_pretrained(tmp_path / "halves" / "model").state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert (tmp_path / "whole" / "config.yaml").exists()


def test_two_trainings_do_not_share_a_folder(manifest: Path, pool: Path, tmp_path: Path) -> None:
    from fxlens.training.trainer import train

    run = tmp_path / "run"
    run.mkdir()
    with (
        file_locks.hold(run / ".lock"),
        pytest.raises(ConfigError, match=r"another training is at work there.*choose another folder"),
    ):
        train(settings(manifest, pool), run)
    assert not (run / "config.yaml").exists(), "what the other one had written is as it was"
    train(settings(manifest, pool, steps=1), run)  # free again


def test_a_run_can_start_from_given_weights_with_frozen_statistics(manifest: Path, pool: Path, tmp_path: Path) -> None:
    trainer = pytest.importorskip("fxlens.training.trainer", reason="needs the extra [train]")
    FxEncoder(MODEL).save_pretrained(tmp_path / "given")
    given = FxEncoder.from_pretrained(tmp_path / "given").state_dict()
    optimizer = OptimizerSettings(learning_rate=1e-3, warmup_steps=1, freeze_norm_from=0)
    start = settings(manifest, pool, steps=2, optimizer=optimizer, initial_weights=tmp_path / "given")
    after = FxEncoder.from_pretrained(trainer.train(start, tmp_path / "run")).state_dict()
    for name, value in after.items():
        if "running_" in name:
            assert torch.equal(value, given[name]), name
    weight = "backbone.stem.0.weight"
    assert not torch.equal(after[weight], given[weight])
    assert float((after[weight] - given[weight]).abs().max()) < 0.01  # two small steps from the given weights
    other = dataclasses.replace(start, model=dataclasses.replace(MODEL, projection_dims=(16, 16)))
    with pytest.raises(ConfigError, match="another model"):
        trainer.train(other, tmp_path / "other")


def test_settings_that_cannot_make_a_batch_are_refused() -> None:
    with pytest.raises(ConfigError, match="crop_seconds is 9"):
        TrainSettings(block=BLOCK, batch=dataclasses.replace(BATCH, crop_seconds=9.0))
    with pytest.raises(ConfigError, match="a block holds 2"):
        TrainSettings(block=BLOCK, batch=dataclasses.replace(BATCH, chains=3))
