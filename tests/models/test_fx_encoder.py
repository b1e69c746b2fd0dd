"""The network: its pieces agree, its geometry is as stated, queries that do not fit are refused."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from tiny_encoder import FRONT, RATE, Queries, make, sound
from torch import nn

from fxlens.errors import ConfigError, ModelUnavailableError, UsageError
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig, MlpExtractor, QueryDropout
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig
from fxlens.models.instrument_query import QueryEncoder
from fxlens.models.query_mask import LEVEL_DB, QueryMask


@pytest.fixture(scope="module")
def encoder() -> FxEncoder:
    return make()


@pytest.mark.parametrize("extractor", ["mlp", "attention", "mask"])
def test_pieces_and_whole_agree(extractor: str) -> None:
    model = make(extractor, "resnet" if extractor == "mask" else "cnn14")
    audio = torch.from_numpy(np.stack([sound(1.0, seed=k) for k in range(3)]))
    query = Queries().embed_text(["vocals", "drums", "bass"])
    with torch.no_grad():
        heard = model.hear(audio)
        mixture = heard.mixture
        instrument = model.instrument_embedding(heard, query)
        assert heard.feature_map.shape[:2] == (3, model.backbone.map_dim)
        assert torch.equal(model(audio), mixture) and torch.equal(model(audio, query), instrument)
        assert torch.equal(model.instrument_embedding(heard, query), instrument)
        for z in (mixture, instrument):
            assert z.shape == (3, 16) and z.dtype == torch.float32
            assert torch.allclose(z.norm(dim=1), torch.ones(3))
        other = model.instrument_embedding(heard, query.roll(1, 0))
        assert (other - instrument).abs().max() > 1e-3


@pytest.mark.parametrize("extractor", ["mlp", "attention", "mask"])
def test_several_queries_share_one_pass(extractor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(extractor)
    passes: list[int] = []
    inner = model.backbone.feature_map
    monkeypatch.setattr(model.backbone, "feature_map", lambda x: passes.append(len(x)) or inner(x))
    audio = torch.from_numpy(sound(1.0))[None]
    query = Queries().embed_text(["vocals", "drums", "bass"])
    with torch.no_grad():
        heard = model.hear(audio)
        rows = [model.instrument_embedding(heard, one[None]) for one in query]
        shared = len(passes)
        for row, one in zip(rows, query, strict=True):
            assert torch.equal(row, model(audio, one[None]))
    assert shared == (0 if extractor == "mask" else 1)  # a masking extractor reads with a backbone of its own


def test_parts_of_a_batch_are_what_they_are_alone(encoder: FxEncoder) -> None:
    audio = torch.from_numpy(np.stack([sound(1.0, seed=k) for k in range(3)]))
    with torch.no_grad():
        first, second = encoder.hear(audio).split([1, 2])
        assert len(first) == 1 and len(second) == 2
        assert torch.allclose(second.mixture, encoder(audio[1:]), atol=1e-6)


def test_a_mask_passes_what_it_should() -> None:
    model = make("mask", "resnet")
    assert isinstance(model.extractor, QueryMask)
    with torch.no_grad():
        logmel = model.hear(torch.from_numpy(sound(1.0))[None]).logmel
        places = model.extractor.masks(logmel).shape[2:]
        everything = model.extractor.masked(logmel, torch.full((1, *places), 30.0))
        assert everything.shape[1] == logmel.shape[1] + 1 and everything[:, -1].min() > 0.999
        everything = everything[:, :-1]
        level = 10.0 * torch.log10(_power(everything, model)[:, :2].mean(dim=1).sum(dim=1).mean(dim=1))
        assert level.item() == pytest.approx(LEVEL_DB, abs=0.1)
        # An open mask is a change of level, and nothing else.
        change = (_decibels(everything, model) - _decibels(logmel, model))[(logmel > -0.9) & (everything < 0.99)]
        assert change.max() - change.min() < 0.05
        # A closed place lies 40 dB below an open one.
        half = torch.full((1, *places), 30.0)
        half[:, : places[0] // 2] = -30.0
        masked = _decibels(model.extractor.masked(logmel, half)[:, :-1], model) - _decibels(logmel, model)
        bands = logmel.shape[2] // 2 // 4 * 4
        loud = logmel[:, :, :bands] > 0.3
        opened = masked[:, :, bands + 4 :][logmel[:, :, bands + 4 :] > 0.0].median()
        assert (masked[:, :, :bands][loud].median() - opened).item() == pytest.approx(-40.0, abs=0.2)


def test_a_reader_begins_as_the_reader_of_wholes() -> None:
    config = dataclasses.replace(make("mask", "resnet").config, extractor=ExtractorConfig("mask", options={"width": 2}))
    model = FxEncoder(config).eval()
    assert isinstance(model.extractor, QueryMask)
    model.extractor.start_from(model.backbone, model.projection, model.measured)
    with torch.no_grad():
        heard = model.hear(torch.from_numpy(sound(1.0))[None])
        for mask in (-1.0, 1.0):  # which says nothing to it yet
            seen = torch.cat([heard.logmel, torch.full_like(heard.logmel[:, :1], mask)], dim=1)
            assert torch.allclose(model.extractor.read(seen), heard.mixture, atol=1e-6)
        assert torch.equal(model.extractor.masks.stem[0].weight, model.backbone.stem[0].weight)  # type: ignore


def _decibels(logmel: torch.Tensor, model: FxEncoder) -> torch.Tensor:
    front = model.config.frontend
    return (logmel + 1.0) * (0.5 * (front.ceiling_db - front.floor_db)) + front.floor_db


def _power(logmel: torch.Tensor, model: FxEncoder) -> torch.Tensor:
    return 10.0 ** (_decibels(logmel, model) / 10.0)


def test_mlp_extractor_sees_the_normalised_mixture(encoder: FxEncoder) -> None:
    audio, query = torch.from_numpy(sound(1.0))[None], Queries().embed_text(["drums"])
    assert isinstance(encoder.extractor, MlpExtractor)
    first, second, third = encoder.extractor.layers
    with torch.no_grad():
        x = torch.cat([encoder(audio), query], dim=1)
        hidden = nn.functional.leaky_relu(second(nn.functional.leaky_relu(first(x), 0.1)), 0.1)
        expected = third(hidden)
        assert torch.allclose(encoder(audio, query), expected / expected.norm(), atol=1e-6)
    assert first.weight.shape == (128, 16 + 8) and second.weight.shape == (128, 128)


@pytest.mark.parametrize(("extractor", "least"), [("mlp", 0.99), ("attention", 0.99), ("mask", -1.0)])
def test_bfloat16_autocast_stays_close(extractor: str, least: float) -> None:
    # Rounded spectra would give 0.65. An untrained head of group normalisations over two channels is chaotic,
    # so it is only shown to run.
    model = make(extractor, "resnet" if extractor == "mask" else "cnn14")
    audio = torch.from_numpy(np.stack([sound(1.0, seed=k) for k in range(3)]))
    query = Queries().embed_text(["vocals", "drums", "bass"])
    with torch.no_grad():
        exact = model(audio), model(audio, query)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert model.frontend(audio).dtype == torch.float32
            assert model.hear(audio).feature_map.dtype == torch.bfloat16
            rounded = model(audio), model(audio, query)
    for a, b in zip(exact, rounded, strict=True):
        assert b.dtype == torch.float32
        assert torch.isfinite(b).all() and (a * b).sum(dim=1).min() > least


def test_query_dropout() -> None:
    drop = QueryDropout(0.75, 0.95)
    torch.manual_seed(0)
    query = torch.ones(400, 512)
    dropped = drop(query)
    share = (dropped == 0).float().mean(dim=1)
    assert 0.68 < share.min() < 0.78 and 0.92 < share.max() < 0.99  # drawn for each item anew
    assert share.mean().item() == pytest.approx(0.85, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)
    values = dropped[0][dropped[0] > 0]
    assert values.min() == values.max() and 4.0 <= values.max() <= 20.0
    assert torch.equal(drop.eval()(query), query)
    assert torch.equal(QueryDropout(0.0, 0.0).train()(query), query)


def test_dropout_of_the_query_is_for_training(encoder: FxEncoder) -> None:
    model = copy.deepcopy(encoder)
    model.backbone.dropout = 0.0  # type: ignore[assignment]
    audio, query = (
        torch.from_numpy(sound(1.0))[None].repeat(2, 1, 1),
        Queries().embed_text(["vocals", "vocals"]),
    )
    assert torch.equal(*model(audio, query))
    model.train()
    assert not torch.equal(*model(audio, query))


@pytest.mark.parametrize("extractor", ["mlp", "attention", "mask"])
def test_gradients_reach_every_weight(extractor: str) -> None:
    model = make(extractor, "resnet" if extractor == "mask" else "cnn14").train()
    audio = torch.from_numpy(np.stack([sound(1.0, seed=k) for k in range(4)]))
    query = Queries().embed_text(["vocals", "drums", "bass", "bass"])
    target = torch.randn(4, 16, generator=torch.Generator().manual_seed(1))
    # Both readings: a masking extractor has a reader of its own.
    ((model(audio, query) + model(audio)) * target).sum().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_wrong_queries(encoder: FxEncoder) -> None:
    audio = torch.from_numpy(sound(1.0))[None]
    with pytest.raises(UsageError, match=r"expects queries \[1, 8\], got \[1, 9\]"):
        encoder(audio, torch.zeros(1, 9))
    with pytest.raises(UsageError, match=r"got \[3, 8\]"):
        encoder(audio, torch.zeros(3, 8))
    silent_on_queries = make("none")
    with pytest.raises(UsageError, match="no extractor"):
        silent_on_queries(audio, torch.zeros(1, 8))
    with pytest.raises(UsageError, match="no extractor"):
        silent_on_queries.encode(sound(1.0), RATE, query="vocals")


def test_impossible_configurations() -> None:
    with pytest.raises(ConfigError, match="query_dropout"):
        ExtractorConfig(query_dropout=(0.9, 0.5))
    with pytest.raises(ConfigError, match=r"extractor.options do not fit mlp"):
        FxEncoder(FxEncoderConfig(frontend=FRONT, backbone=BackboneConfig(width=1),
                                  extractor=ExtractorConfig("mlp", options={"depth": 3})))  # fmt: skip
    with pytest.raises(ConfigError, match="projection_dims"):
        FxEncoderConfig(projection_dims=())


def test_query_encoder_is_loaded_at_the_first_query_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(spec: str) -> QueryEncoder:
        asked.append(spec)
        return Queries()

    monkeypatch.setattr("fxlens.models.instrument_query.load_query_encoder", load)
    model = FxEncoder(make().config)
    model.encode(sound(1.0), RATE)
    assert asked == [] and model.query_id is None
    model.encode(sound(1.0), RATE, query="vocals")
    model.encode(sound(1.0), RATE, query="vocals")
    assert asked == ["clap"] and model.query_id == "test-1"


def test_another_query_encoder_is_refused(encoder: FxEncoder) -> None:
    stranger = Queries()
    stranger.query_id = "test-2"
    with pytest.raises(ModelUnavailableError, match=r"trained with the query encoder test-1, this is test-2"):
        encoder.attach_query_encoder(stranger)
    longer = Queries()
    longer.dim = 9
    with pytest.raises(ModelUnavailableError, match=r"length 8, test-1 gives 9"):
        encoder.attach_query_encoder(longer)


def test_query_encoder_is_no_part_of_the_model(encoder: FxEncoder) -> None:
    model = make()
    table = nn.Linear(2, 2)
    queries = Queries()
    queries.table = table  # type: ignore[assignment]
    model.attach_query_encoder(queries)
    assert set(model.state_dict()) == set(FxEncoder(model.config).state_dict())
    assert all(p is not table.weight for p in model.parameters())


def test_model_id_follows_the_weights(encoder: FxEncoder) -> None:
    model = copy.deepcopy(encoder)
    first = model.model_id
    assert first == encoder.model_id and first.startswith("tiny-") and len(first) == len("tiny-") + 12
    with torch.no_grad():
        next(model.extractor.parameters()).mul_(1.001)  # type: ignore[union-attr]
    assert model.model_id != first
    again = make()
    assert again.model_id == first
    again.load_state_dict(model.state_dict())
    assert again.model_id == model.model_id
