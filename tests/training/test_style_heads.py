"""Heads learn what labels say; a memory gives negatives and never the style itself; defaults change nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_run import BATCH, MODEL

from fxlens.data.chain_labels import EFFECTS, ORDERED, PARAMETERS
from fxlens.data.dataset import BatchSettings, StyleBatches
from fxlens.errors import ConfigError
from fxlens.losses import nt_xent, nt_xent_with_memory, over_known
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.instrument_query import load_query_encoder
from fxlens.training.contrast import ContrastiveTask
from fxlens.training.heads import StyleHeads
from fxlens.training.memory import StyleMemory
from fxlens.training.settings import HeadSettings, LossSettings, QuerySettings

STEMS = dataclasses.replace(BATCH, stems_only=True)


def batch_of(pool: Path, settings: BatchSettings, labels: bool = True) -> dict[str, Any]:
    return StyleBatches(pool, settings, seed=2, batches=2, labels=labels)[0]


def test_labels_add_to_a_batch_and_change_nothing_of_it(pool: Path) -> None:
    plain, labelled = batch_of(pool, BATCH, False), batch_of(pool, BATCH, True)
    for name, value in plain.items():
        assert torch.equal(labelled[name], value) if isinstance(value, torch.Tensor) else labelled[name] == value
    assert labelled["mixture_effects"].shape == (4, len(EFFECTS))
    assert labelled["stem_parameters"].shape == (4, len(PARAMETERS))
    assert labelled["stem_order"].shape == (4, len(ORDERED))
    assert len(set(labelled["stem_style"].tolist())) > 1
    again = batch_of(pool, BATCH, True)
    assert torch.equal(again["mixture_style"], labelled["mixture_style"])
    alone = labelled["stem_effects"]
    assert set(alone.unique().tolist()) <= {0.0, 1.0} and (alone.sum(dim=1) >= 1).all()


def test_heads_learn_labels_and_leave_the_unknown_alone() -> None:
    torch.manual_seed(0)
    heads = StyleHeads(16, HeadSettings(effects=1.0, parameters=1.0, order=1.0, hidden=64))
    z = F.normalize(torch.randn(32, 16), dim=1)
    labels = {
        "effects": (torch.rand(32, len(EFFECTS)) < 0.5).float(),
        "parameters": torch.rand(32, len(PARAMETERS)),
        "order": (torch.rand(32, len(ORDERED)) < 0.5).float(),
    }
    labels["parameters"][:, 3] = float("nan")
    labels["order"][:] = float("nan")
    optimizer = torch.optim.Adam(heads.parameters(), 1e-2)
    first = heads(z, labels)
    assert first["order"] == 0.0 and torch.isfinite(heads.total(first))
    for _ in range(100):
        optimizer.zero_grad()
        heads.total(heads(z, labels)).backward()
        optimizer.step()
    last = heads(z, labels)
    assert last["effects"] < 0.2 * first["effects"] and last["parameters"] < 0.5 * first["parameters"]
    gradient = heads.heads[1][2].weight.grad
    assert gradient is not None and (gradient[3] == 0.0).all() and (gradient[4] != 0.0).any()


def test_a_head_without_weight_is_not_built() -> None:
    heads = StyleHeads(16, HeadSettings(effects=0.5))
    assert len(heads.heads) == 1
    losses = heads(F.normalize(torch.randn(4, 16), dim=1), {"effects": torch.ones(4, len(EFFECTS))})
    torch.testing.assert_close(heads.total(losses), 0.5 * losses["effects"])


def test_heads_teach_the_encoder(pool: Path) -> None:
    torch.manual_seed(0)
    loss = LossSettings(contrast=0.0, stem_view=True, instrument_weight=0.0, heads=HeadSettings(effects=1.0))
    model = dataclasses.replace(MODEL, extractor=ExtractorConfig("none"))
    task = ContrastiveTask(FxEncoder(model), None, loss, QuerySettings())
    named = task(batch_of(pool, STEMS), 0, seed=1)
    assert set(named) == {"total", "effects"} and torch.equal(named["total"], named["effects"])
    named["total"].backward()
    gradients = [p.grad for p in task.encoder.backbone.parameters() if p.grad is not None]
    assert gradients and any(g.abs().max() > 0 for g in gradients)
    assert {p.data_ptr() for p in task.heads.parameters()} <= {p.data_ptr() for p in task.parameters()}


def test_heads_stand_beside_the_contrast_and_change_nothing_of_it(pool: Path) -> None:
    loss = LossSettings(stem_view=True, instrument_weight=0.0)
    both = dataclasses.replace(loss, heads=HeadSettings(effects=0.5, parameters=1.0, order=0.2))
    found = []
    for settings in (loss, both):
        torch.manual_seed(0)
        task = ContrastiveTask(FxEncoder(MODEL), None, settings, QuerySettings())
        found.append((task, task(batch_of(pool, STEMS), 0, seed=1)))
    (_, plain), (task, headed) = found
    for name in ("mixture", "stem"):
        assert torch.equal(plain[name], headed[name])
    told = {name: headed[name] for name in ("effects", "parameters", "order")}
    torch.testing.assert_close(headed["total"], plain["total"] + task.heads.total(told))


def test_negatives_of_a_memory_against_a_slow_loop() -> None:
    torch.manual_seed(1)
    first, second = (F.normalize(torch.randn(5, 8, dtype=torch.float64), dim=1) for _ in range(2))
    keys = F.normalize(torch.randn(7, 8, dtype=torch.float64), dim=1)
    negative = torch.rand(5, 7) < 0.6
    z = torch.cat([first, second])
    total = 0.0
    for i in range(10):
        partner = (i + 5) % 10
        others = [torch.exp(z[i] @ z[k] / 0.2) for k in range(10) if k != i]
        others += [torch.exp(z[i] @ keys[k] / 0.2) for k in range(7) if negative[i % 5, k]]
        total -= float(torch.log(torch.exp(z[i] @ z[partner] / 0.2) / sum(others)))
    assert float(nt_xent_with_memory(first, second, keys, negative, 0.2)) == pytest.approx(total / 10, rel=1e-5)
    nobody = torch.zeros(5, 0, dtype=torch.bool)
    torch.testing.assert_close(nt_xent_with_memory(first, second, keys[:0], nobody, 0.2), nt_xent(first, second, 0.2))


def test_a_memory_forgets_the_oldest_and_no_style_is_its_own_negative() -> None:
    memory = StyleMemory(4, 2)
    keys, negative = memory.negatives(torch.tensor([1, 2]))
    assert keys.shape == (0, 2) and negative.shape == (2, 0)
    memory.remember(torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]), torch.tensor([1, 2, 3]))
    memory.remember(torch.tensor([[4.0, 0.0], [5.0, 0.0]]), torch.tensor([4, 5]))
    keys, negative = memory.negatives(torch.tensor([2, 9]))
    assert sorted(keys[:, 0].tolist()) == [2.0, 3.0, 4.0, 5.0]
    assert negative.sum(dim=1).tolist() == [3, 4]
    assert set(memory.state_dict()) == {"keys", "styles", "written"}


def test_remembered_mixtures_make_the_task_harder(pool: Path) -> None:
    torch.manual_seed(0)
    loss = LossSettings(instrument_weight=0.0, memory=64)
    task = ContrastiveTask(FxEncoder(MODEL), None, loss, QuerySettings())
    batches = StyleBatches(pool, dataclasses.replace(BATCH, extraction_groups=0), seed=2, batches=4, labels=True)
    first = task(batches[0], 0, seed=1)
    again = task(batches[0], 0, seed=1)  # every style is in the memory, and none is a negative of itself
    assert int(task.memory.written) == 16
    own = int(task.memory.negatives(batches[0]["mixture_style"])[1].sum())
    assert own == 16 * 4 - 4 * 4  # four pairs of two views, twice
    assert torch.isfinite(again["total"]) and bool(again["total"] > first["total"])
    task.eval()
    task(batches[1], 0, seed=1)
    assert int(task.memory.written) == 16  # only training is remembered


def test_a_wet_query_is_the_stem_in_the_mixture(pool: Path) -> None:
    paper = dataclasses.replace(BATCH, same_mixtures=True, controlled=False, extraction_groups=0)
    plain, wet = (batch_of(pool, dataclasses.replace(paper, wet_queries=on), False) for on in (False, True))
    assert torch.equal(plain["mixture"], wet["mixture"])
    assert wet["own"].shape == (4, 2, 44100) and wet["own"].dtype == torch.float16
    queries = load_query_encoder("offline")
    model = dataclasses.replace(MODEL, extractor=ExtractorConfig("mlp", (0.0, 0.0)))
    task = ContrastiveTask(FxEncoder(model), queries, LossSettings(ramp_steps=0), QuerySettings(audio_share=1.0))
    asked = task._own_queries(wet, None, 4)  # type: ignore[arg-type]
    clip = wet["own"][1, 1].float().expand(1, 2, -1)
    torch.testing.assert_close(asked[4 + 1], F.normalize(queries.embed_audio(clip, 44100), dim=-1)[0])
    named = task(wet, 10, seed=1)
    assert torch.isfinite(named["total"]) and "instrument" in named


def test_every_group_may_have_a_composition_of_its_own(pool: Path) -> None:
    mixed = dataclasses.replace(BATCH, one_composition=False, extraction_groups=0, mixture_groups=6, instruments=(1, 1))
    own = dataclasses.replace(mixed, one_composition=True)
    one, other = (StyleBatches(pool, s, seed=2, batches=3, labels=True) for s in (own, mixed))
    styles = [len(set(b["mixture_style"].tolist())) for b in (one[0], other[0])]
    assert other[0]["mixture"].shape == one[0]["mixture"].shape and min(styles) > 1
    assert torch.equal(other[1]["mixture"], StyleBatches(pool, mixed, seed=2, batches=3)[1]["mixture"])


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="nothing would be learnt"):
        LossSettings(contrast=0.0)
    with pytest.raises(ConfigError, match=r"loss\.memory"):
        LossSettings(contrast=0.0, memory=4, heads=HeadSettings(effects=1.0))
    with pytest.raises(ConfigError, match="weights are 0 or more"):
        HeadSettings(effects=-1.0)
    with pytest.raises(ConfigError, match=r"batch\.same_mixtures"):
        BatchSettings(wet_queries=True)
    with pytest.raises(ConfigError, match=r"batch\.one_composition"):
        BatchSettings(one_composition=False, same_mixtures=True)


def test_the_mean_is_over_what_is_known() -> None:
    losses = torch.tensor([1.0, 2.0, 30.0], requires_grad=True)
    assert over_known(losses, torch.tensor([True, True, False])).item() == 1.5
    over_known(losses, torch.zeros(3, dtype=torch.bool)).backward()
    assert losses.grad is not None and (losses.grad == 0.0).all()
