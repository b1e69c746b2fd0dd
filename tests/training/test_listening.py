"""Learning to listen: what a batch holds, that the lessons are learnt, that a run resumes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_run import BATCH, MODEL, losses_of, settings

from fxlens.data.listening import ListeningBatches, ListeningSettings, SpectrogramScale
from fxlens.data.stem_targets import read_targets
from fxlens.data.style_pool import read_block
from fxlens.data.summed_spectra import SummedSettings, sum_up, vary
from fxlens.errors import ConfigError, DataError
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.instrument_query import load_query_encoder
from fxlens.models.query_mask import LEVEL_DB, QueryMask
from fxlens.training.listening import KeyBank, ListeningTask
from fxlens.training.loading import SpectrogramView
from fxlens.training.settings import LessonSettings, OptimizerSettings, QuerySettings, TrainSettings
from fxlens.training.teacher import hear_block, teach

BLOCKS = 12
LISTENING = ListeningSettings(
    mixtures=6,
    counts=(0.2, 0.4, 0.4),
    seconds=0.8,
    blocks=BLOCKS,
    summed=SummedSettings(batches=2, mixtures=8, counts=(0.2, 0.4, 0.4)),
)
FRONT = MODEL.frontend
SCALE = SpectrogramScale(FRONT.hop_length, FRONT.floor_db, FRONT.ceiling_db, LEVEL_DB)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    model = FxEncoder(MODEL)
    model.attach_query_encoder(load_query_encoder("offline"))
    folder = tmp_path_factory.mktemp("teacher")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def targets(pool: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("targets")
    teach(pool, folder, teacher, BLOCKS, jobs=1)
    return folder


def batches(pool: Path, targets: Path, listening: ListeningSettings = LISTENING, seed: int = 1) -> ListeningBatches:
    return ListeningBatches(pool, targets, listening, seed, 8, 44100, SCALE, SpectrogramView(FRONT))


def test_targets_are_what_the_teacher_hears_in_the_stem(pool: Path, targets: Path, teacher: Path) -> None:
    encoder, block, stored = FxEncoder.from_pretrained(teacher), read_block(pool, 3), read_targets(targets, 3)
    np.testing.assert_allclose(hear_block(encoder, block).keys, stored.keys, atol=1e-5)  # threads sum in another order
    clip = block.wet(1, 0) * np.float32(10.0 ** ((-18.0 - block.lufs[1, 0]) / 20.0))
    other = block.wet(1, 1) * np.float32(10.0 ** ((-18.0 - block.lufs[1, 1]) / 20.0))
    with torch.no_grad():
        heard = encoder.hear(torch.from_numpy(np.stack([clip, other])))
        mean = heard.mixture.mean(dim=0)
    np.testing.assert_allclose(stored.keys[1], (mean / mean.norm()).numpy(), atol=1e-5)
    decibels = stored.spectrum_db(1, 0, slice(0, None))
    assert np.abs(SCALE.from_decibels(decibels) - heard.logmel[0].numpy()).max() < 0.26 * 2.0 / (
        SCALE.ceiling_db - SCALE.floor_db
    )


def test_teaching_goes_on_where_it_was_left(pool: Path, targets: Path, teacher: Path, tmp_path: Path) -> None:
    teach(pool, tmp_path, teacher, 4, jobs=1)
    times = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    assert len(times) == 4
    teach(pool, tmp_path, teacher, 6, jobs=1)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}.items() > times.items()
    for number in range(6):
        assert np.array_equal(read_targets(tmp_path, number).keys, read_targets(targets, number).keys)
    with pytest.raises(DataError, match="no targets of block 7"):
        read_targets(tmp_path, 7)


@pytest.mark.slow
def test_teaching_does_not_depend_on_the_number_of_processes(
    pool: Path, targets: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxlens.training.teacher.AT_ONCE", 1)
    teach(pool, tmp_path, teacher, 4, jobs=2)
    for number in range(4):
        assert np.array_equal(read_targets(tmp_path, number).keys, read_targets(targets, number).keys)


@pytest.mark.parametrize("index", [0, 5], ids=["summed", "mixed"])
def test_batches_depend_on_their_number_only(pool: Path, targets: Path, index: int) -> None:
    one, two = batches(pool, targets), batches(pool, targets)
    _ = two[7]
    for key, value in one[index].items():
        assert torch.equal(value, two[index][key]), key
    assert not torch.equal(one[index]["mixture"][:6], one[index + 1]["mixture"][:6])


@pytest.mark.parametrize("index", [0, 5], ids=["summed", "mixed"])
def test_the_parts_of_a_mixture_add_up_to_it(pool: Path, targets: Path, index: int) -> None:
    whole = dataclasses.replace(LISTENING, counts=(0.0, 0.0, 1.0))
    item = batches(pool, targets, whole)[index]
    mixture, owner = item["mixture"], item["owner"]
    assert mixture.shape[1:3] == (4, 32) and item["target_db"].shape[1:] == mixture.shape[2:]
    span = 0.5 * (SCALE.ceiling_db - SCALE.floor_db)
    power = 10.0 ** (((mixture[:, 2] + 1.0) * span + SCALE.floor_db) / 10.0)
    for m in range(len(mixture)):
        parts = (10.0 ** (item["target_db"][owner == m].float() / 10.0)).sum(dim=0)
        # Cross terms vanish in the mean, and edges of clips differ: powers of whole bands agree within a decibel.
        loud = power[m].mean(dim=1) > 1e-3 * power[m].mean(dim=1).max()
        ratio = 10.0 * torch.log10(parts.mean(dim=1) / power[m].mean(dim=1))[loud]
        assert ratio.abs().median() < 1.0, m


def test_summed_tracks_are_varied_and_level() -> None:
    rng = np.random.default_rng(0)
    plain = SummedSettings(level_db=(-18.0, -18.0), equalised=0.0, transposed=0.0, loudness_db=0.0)
    track = rng.normal(-10.0, 6.0, size=(4, 32, 20)).astype(np.float32)
    np.testing.assert_allclose(10.0 * np.log10(vary(rng, track, plain)), track, atol=1e-4)
    moved = vary(np.random.default_rng(1), track, dataclasses.replace(plain, transposed=1.0, bands=2))
    shifts = [s for s in (-2, -1, 1, 2) if np.allclose(np.roll(10.0 ** (track / 10.0), s, 1)[:, 2:-2], moved[:, 2:-2])]
    assert len(shifts) == 1
    edge = moved[:, : shifts[0]] if shifts[0] > 0 else moved[:, shifts[0] :]
    assert np.all(edge == 0.0)
    tracks = [vary(rng, track, plain), vary(rng, track - 10.0, plain)]
    mixture, (loud, soft) = sum_up(rng, tracks, LEVEL_DB, plain)
    level = 10.0 * np.log10((10.0 ** (mixture[:2] / 10.0)).sum(axis=1).mean())
    assert level == pytest.approx(LEVEL_DB, abs=0.01)
    np.testing.assert_allclose(loud - soft, 10.0, atol=1e-3)


def _task(pool: Path, targets: Path, lesson: LessonSettings, audio_share: float = 0.3) -> ListeningTask:
    torch.manual_seed(0)
    blocks = [read_block(pool, n) for n in range(BLOCKS)]
    bank = KeyBank(blocks, [read_targets(targets, n) for n in range(BLOCKS)])
    queries = load_query_encoder("offline")
    return ListeningTask(FxEncoder(MODEL), queries, bank, lesson, QuerySettings(audio_share=audio_share))


def test_both_lessons_are_learnt(pool: Path, targets: Path) -> None:
    task = _task(pool, targets, LessonSettings(read_from_step=20))
    frozen = {k: v.clone() for k, v in task.encoder.state_dict().items() if not k.startswith("extractor.")}
    optimizer = torch.optim.Adam([p for p in task.encoder.parameters() if p.requires_grad], 3e-3)
    batch = batches(pool, targets, dataclasses.replace(LISTENING, summed=SummedSettings()))[0]
    history: list[dict[str, float]] = []
    for step in range(45):
        named = task(batch, step, seed=step)
        optimizer.zero_grad()
        named["total"].backward()
        optimizer.step()
        history.append({k: float(v.detach()) for k, v in named.items()})
    assert set(history[0]) == {"total", "where"}
    assert set(history[20]) == {"total", "where", "mask", "name", "align"}
    assert history[19]["where"] < 0.75 * history[0]["where"]
    for part in ("name", "align", "total"):
        assert history[-1][part] < 0.85 * history[20][part], part
    after = task.encoder.state_dict()
    assert all(torch.equal(after[k], v) for k, v in frozen.items()), "the teacher's own weights have changed"


def test_a_key_is_named_among_those_of_its_instrument(pool: Path, targets: Path) -> None:
    task = _task(pool, targets, LessonSettings(read_from_step=0, queries=9))
    batch = batches(pool, targets)[5]
    rows = task.bank.rows(batch["block"], batch["chain"])
    names = [read_block(pool, int(n)).instrument for n in batch["block"]]
    for row, name, number, chain in zip(rows, names, batch["block"], batch["chain"], strict=True):
        assert task.bank.names[int(task.bank.instrument[row])] == name
        stored = read_targets(targets, int(number)).keys[int(chain)]
        np.testing.assert_array_equal(task.bank.keys[row].numpy(), stored)

    # Whoever found the keys themselves would be right.
    extractor = task.encoder.extractor
    assert isinstance(extractor, QueryMask)
    order = task._draw(batch["owner"].numpy(), np.random.default_rng(4))
    extractor.read = lambda logmel: task.bank.keys[rows[order]]  # type: ignore[method-assign]
    task.eval().requires_grad_(False)

    def fixed(owner: Any, rng: Any) -> torch.Tensor:
        return order

    task._draw = fixed  # type: ignore[method-assign]
    named = task(batch, 0, seed=0)
    assert float(named["align"]) == pytest.approx(0.0, abs=1e-5)
    shuffled = rows[order].roll(1)
    extractor.read = lambda logmel: task.bank.keys[shuffled]  # type: ignore[method-assign]
    assert float(task(batch, 0, seed=0)["name"]) > float(named["name"])


def test_a_listening_run_resumes_exactly(manifest: Path, pool: Path, teacher: Path, tmp_path: Path) -> None:
    trainer = pytest.importorskip("fxlens.training.trainer", reason="needs the extra [train]")
    whole = settings(
        manifest,
        pool,
        objective="listening",
        initial_weights=teacher,
        listening=LISTENING,
        lesson=LessonSettings(read_from_step=3),
        optimizer=OptimizerSettings(learning_rate=1e-3, warmup_steps=2, average_decay=0.9, freeze_norm_from=3),
    )
    trainer.train(whole, tmp_path / "whole")
    trainer.train(dataclasses.replace(whole, stop_at_step=4), tmp_path / "halves")
    trainer.train(whole, tmp_path / "halves", resume=True)
    assert list(losses_of(tmp_path / "whole")) == [1, 2, 3, 4, 5, 6]
    assert losses_of(tmp_path / "halves") == losses_of(tmp_path / "whole")
    trained, given = (FxEncoder.from_pretrained(p).state_dict() for p in (tmp_path / "whole" / "model", teacher))
    for name, value in trained.items():
        if not name.startswith("extractor."):
            assert torch.equal(value, given[name]), name
    assert not torch.equal(trained["extractor.ask.weight"], given["extractor.ask.weight"])


def test_a_listening_run_refuses_what_does_not_fit(manifest: Path, pool: Path, teacher: Path, tmp_path: Path) -> None:
    trainer = pytest.importorskip("fxlens.training.trainer", reason="needs the extra [train]")
    with pytest.raises(ConfigError, match="needs initial_weights"):
        TrainSettings(objective="listening")
    fitting = settings(manifest, pool, objective="listening", initial_weights=teacher, listening=LISTENING,
                       lesson=LessonSettings(read_from_step=3))  # fmt: skip
    with pytest.raises(ConfigError, match=r"larger than batch\.total_blocks"):
        dataclasses.replace(fitting, batch=dataclasses.replace(BATCH, total_blocks=5))
    with pytest.raises(ConfigError, match=r"before the end of listening\.summed"):
        dataclasses.replace(fitting, lesson=LessonSettings(read_from_step=1))
    with pytest.raises(ConfigError, match="another backbone"):
        trainer.train(dataclasses.replace(fitting, model=dataclasses.replace(MODEL, projection_dims=(8, 16))), tmp_path)
    with pytest.raises(ConfigError, match="trains an extractor 'mask'"):
        mlp = dataclasses.replace(MODEL, extractor=ExtractorConfig("mlp"))
        trainer.train(dataclasses.replace(fitting, model=mlp), tmp_path)
