"""The paper's rules of losses and data, as its two configurations state them and as batches keep them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_run import BATCH, MODEL

from fxlens import config
from fxlens.audio.loudness import integrated_loudness
from fxlens.data.dataset import StyleBatches
from fxlens.data.mixture import MIXTURE_LUFS, TRACK_LUFS
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.instrument_query import load_query_encoder
from fxlens.training.contrast import ContrastiveTask
from fxlens.training.settings import LossSettings, QuerySettings, TrainSettings

CONFIGS = Path(config.__file__).parent / "configs"
PAPER = dataclasses.replace(BATCH, same_mixtures=True, controlled=False, extraction_groups=0)


@pytest.mark.parametrize("name", ["paper", "paper-small"])
def test_the_configuration_states_the_rules(name: str) -> None:
    s = config.load(TrainSettings, CONFIGS / f"{name}.yaml")
    assert s.model.frontend.n_fft == 2048 and s.model.frontend.hop_length == 512 and s.model.frontend.channels == "lr"
    assert (s.model.frontend.floor_db, s.model.frontend.ceiling_db) == (-80.0, 40.0)
    assert (s.model.extractor.name, s.model.extractor.query_dropout) == ("mlp", (0.75, 0.95))
    assert s.query.audio_share == 1.0 and s.query.noise == 0.0
    assert (s.loss.temperature, s.loss.instrument_weight, s.loss.stem_view) == (0.1, 0.2, False)
    assert s.loss.ramp_steps * 10 == s.steps
    assert s.batch.same_mixtures and not s.batch.controlled and s.batch.instruments == (1, 4)
    assert s.batch.chains == 4  # the same music under three graded hard negatives
    assert s.block.n_effects == (1, 8) and s.block.paper_range_share == 1.0 and s.block.other_song_share == 0.0
    assert s.block.dialect_share == 0.0 and s.block.codec_share == 0.0  # one implementation, nothing augmented
    assert s.augment == type(s.augment)()
    assert s.optimizer.weight_decay == 0.0 and s.optimizer.warmup_steps > 0 and s.optimizer.average_decay == 0.0
    assert s.validation_blocks > 0  # they steer the effect probabilities
    assert (TRACK_LUFS, MIXTURE_LUFS) == ((-18.0, -14.0), -18.0)


def test_queries_are_asked_in_the_mixtures_themselves(pool: Path) -> None:
    batches = StyleBatches(pool, PAPER, 2, 8)
    for index in range(4):
        item = batches[index]
        assert set(item) == {"mixture", "dry", "target"}
        assert item["mixture"].shape == (4, 2, 2, 44100) and item["dry"].shape == (2, 2, 44100)
        loudness = integrated_loudness(item["mixture"].numpy(), 44100)
        np.testing.assert_allclose(loudness, -18.0, atol=0.3)
        # Within a group the music is the same and the chains are not.
        assert not torch.equal(item["mixture"][0], item["mixture"][1])


def test_both_losses_learn_from_them(pool: Path) -> None:
    torch.manual_seed(0)
    model = dataclasses.replace(MODEL, extractor=ExtractorConfig("mlp", (0.75, 0.95)))
    encoder = FxEncoder(model)
    loss = LossSettings(instrument_weight=0.2, ramp_steps=10)
    task = ContrastiveTask(encoder, load_query_encoder("offline"), loss, QuerySettings(audio_share=1.0, noise=0.0))
    item = StyleBatches(pool, PAPER, 2, 8)[1]
    first = task(item, 0, seed=1)
    assert set(first) == {"total", "mixture"} and torch.equal(first["total"], first["mixture"])
    named = task(item, 10, seed=1)
    assert set(named) == {"total", "mixture", "instrument"}
    torch.testing.assert_close(named["total"], 0.8 * named["mixture"] + 0.2 * named["instrument"])
    named["instrument"].backward()
    gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert gradients and all(torch.isfinite(g).all() for g in gradients)
    assert any(g.abs().max() > 0 for g in (p.grad for p in encoder.extractor.parameters()) if g is not None)
