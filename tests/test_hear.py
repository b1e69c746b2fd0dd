"""HEAR's interface: the rules of its validator, and that it says what FxEncoder.encode says."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fxlens import hear
from fxlens.audio.waveform import MonoWarning
from fxlens.errors import (
    AudioChannelsError,
    AudioEmptyError,
    AudioNotFiniteError,
    ModelUnavailableError,
    UsageError,
)
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

RATE = 16000


def make(rate: int = RATE, lufs: float | None = -18.0) -> FxEncoder:
    torch.manual_seed(0)
    config = FxEncoderConfig(
        name="tiny",
        frontend=FrontendConfig(sample_rate=rate, n_fft=512, hop_length=160, n_mels=32, f_max_hz=rate / 2),
        backbone=BackboneConfig("cnn14", 2),
        projection_dims=(24, 16),
        extractor=ExtractorConfig("mlp"),
        query_encoder="offline",
        query_dim=64,
        window_seconds=1.0,
        input_lufs=lufs,
    )
    encoder = FxEncoder(config).eval()
    for module in encoder.modules():  # fresh statistics would make all embeddings alike
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0.0, 0.3)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)
    return encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hear") / "tiny"
    make().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> hear.HearModel:
    return hear.load_model(str(folder))


def noise(sounds: int, seconds: float, rate: int = RATE, seed: int = 1) -> Tensor:
    """White noise whose level changes every 100 ms."""
    draw = torch.Generator().manual_seed(seed)
    samples = round(seconds * rate)
    level = 0.02 + 0.5 * torch.rand(sounds, samples * 10 // rate + 1, generator=draw)
    level = level.repeat_interleave(rate // 10, dim=1)[:, :samples]
    return level * (2.0 * torch.rand(sounds, samples, generator=draw) - 1.0)


def encoded(model: hear.HearModel, sound: Tensor, query: str | None = None) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MonoWarning)
        if model.output == "features":
            return model.encoder.features(sound, model.sample_rate)
        return model.encoder.encode(sound, model.sample_rate, query=query)


@pytest.mark.parametrize("options", [{}, {"output": "features"}, {"query": "drums"}], ids=str)
def test_the_rules_of_the_specification(folder: Path, options: dict) -> None:
    # Those that PyPI's hearvalidator checks, on its shapes.
    model = hear.load_model(folder, **options)
    assert isinstance(model, nn.Module) and not model.training
    assert model.sample_rate in (16000, 22050, 44100, 48000)
    assert type(model.scene_embedding_size) is int and type(model.timestamp_embedding_size) is int
    audio = noise(16, 2.0)
    embeddings, timestamps = hear.get_timestamp_embeddings(audio, model)
    assert embeddings.dtype == torch.float32 and len(embeddings) == 16
    assert embeddings.shape[:2] == timestamps.shape
    assert embeddings.shape[2] == model.timestamp_embedding_size
    steps = torch.diff(timestamps)
    assert float(steps.mean()) <= 50.0 and float((steps - steps.mean()).abs().max()) < 1e-3
    assert timestamps[0, 0] == 0.0 and 1950.0 <= float(timestamps.max()) < 2000.0
    scenes = hear.get_scene_embeddings(noise(8, 3.74), model)
    assert scenes.dtype == torch.float32 and scenes.shape == (8, model.scene_embedding_size)


@pytest.mark.parametrize("seconds", [0.02, 0.5, 1.0, 1.05, 2.6, 3.0])
@pytest.mark.parametrize("options", [{}, {"output": "features"}, {"query": "drums"}], ids=str)
def test_a_scene_is_what_encode_gives(folder: Path, options: dict, seconds: float) -> None:
    model = hear.load_model(folder, **options)
    audio = noise(3, seconds)
    scenes = hear.get_scene_embeddings(audio, model)
    for sound, scene in zip(audio, scenes, strict=True):
        expected = encoded(model, sound, options.get("query"))
        assert np.abs(scene.numpy() - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


def test_pauses_do_not_count(model: hear.HearModel) -> None:
    audio = noise(2, 3.0)
    audio[0, RATE : 2 * RATE] = 0.0  # one whole window
    scenes = hear.get_scene_embeddings(audio, model)
    assert np.abs(scenes[0].numpy() - encoded(model, audio[0])).max() <= 1e-5


def test_a_timestamp_is_the_window_around_it(model: hear.HearModel) -> None:
    audio = noise(2, 2.5)
    embeddings, timestamps = hear.get_timestamp_embeddings(audio, model)
    assert embeddings.shape[1] == 50
    for index in (0, 10, 11, 25, 39, 49):
        start = min(max(round((float(timestamps[0, index]) / 1000.0 - 0.5) * RATE), 0), round(1.5 * RATE))
        for sound in range(2):
            alone = encoded(model, audio[sound, start : start + RATE])
            assert np.abs(embeddings[sound, index].numpy() - alone).max() <= 1e-5
    assert torch.equal(embeddings[:, 0], embeddings[:, 10]) and not torch.equal(embeddings[:, 10], embeddings[:, 11])


def test_timestamps_follow_a_change(model: hear.HearModel) -> None:
    time = torch.arange(4 * RATE) / RATE
    audio = torch.where(time < 2.0, torch.sin(2 * torch.pi * 220.0 * time), noise(1, 4.0)[0])[None]
    embeddings, timestamps = hear.get_timestamp_embeddings(0.5 * audio, model)
    to_first, to_last = embeddings[0] @ embeddings[0, 0], embeddings[0] @ embeddings[0, -1]
    changed = timestamps[0][to_last > to_first]
    assert abs(float(changed[0]) - 2000.0) <= 500.0  # half a window


def test_hop_and_window_are_options(folder: Path) -> None:
    model = hear.load_model(folder, hop_ms=12.5, window_seconds=0.25)
    embeddings, timestamps = hear.get_timestamp_embeddings(noise(1, 1.0), model)
    assert embeddings.shape == (1, 80, 16)
    assert torch.equal(timestamps[0, :3], torch.tensor([0.0, 12.5, 25.0]))
    assert np.abs(embeddings[0, 40].numpy() - encoded(model, noise(1, 1.0)[0, 6000:10000])).max() <= 1e-5


def test_silence_and_shortest_sounds_are_embedded(model: hear.HearModel) -> None:
    for samples in (1, 7, 3 * RATE):
        scenes = hear.get_scene_embeddings(torch.zeros(2, samples), model)
        embeddings, timestamps = hear.get_timestamp_embeddings(torch.zeros(2, samples), model)
        assert torch.allclose(scenes.norm(dim=1), torch.ones(2), atol=1e-5)
        assert torch.isfinite(embeddings).all() and timestamps.shape == (2, max(1, samples * 20 // RATE))
    assert hear.get_scene_embeddings(torch.zeros(0, RATE), model).shape == (0, 16)
    assert hear.get_timestamp_embeddings(torch.zeros(0, RATE), model)[0].shape == (0, 20, 16)


def test_sounds_do_not_know_each_other(model: hear.HearModel) -> None:
    audio = noise(5, 1.7)
    together, _ = hear.get_timestamp_embeddings(audio, model)
    alone, _ = hear.get_timestamp_embeddings(audio[3:4], model)
    assert float((together[3] - alone[0]).abs().max()) <= 1e-5
    scenes = hear.get_scene_embeddings(audio, model)
    assert float((scenes[3] - hear.get_scene_embeddings(audio[3:4], model)[0]).abs().max()) <= 1e-5


def test_what_is_no_sound_is_named(model: hear.HearModel) -> None:
    broken = noise(3, 0.1)
    broken[1, 5] = torch.nan
    for function in (hear.get_scene_embeddings, hear.get_timestamp_embeddings):
        with pytest.raises(AudioChannelsError, match="n_sounds, n_samples"):
            function(torch.zeros(2, 2, 100), model)
        with pytest.raises(AudioChannelsError, match="int16"):
            function(torch.zeros(2, 100, dtype=torch.int16), model)
        with pytest.raises(AudioEmptyError):
            function(torch.zeros(2, 0), model)
        with pytest.raises(AudioNotFiniteError, match="sound 1 of the batch"):
            function(broken, model)


def test_models_and_options_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    assert hear.load_model(folder / "model.safetensors").encoder.model_id == hear.load_model(folder).encoder.model_id
    with pytest.raises(UsageError, match="output"):
        hear.load_model(folder, output="logits")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="leave out the query"):
        hear.load_model(folder, output="features", query="drums")
    for hop_ms in (0.0, 1001.0, float("nan")):
        with pytest.raises(UsageError, match="hop_ms"):
            hear.load_model(folder, hop_ms=hop_ms)
    with pytest.raises(ModelUnavailableError):
        hear.load_model(tmp_path / "nothing")
    make(rate=8000).save_pretrained(tmp_path / "low")
    with pytest.raises(ModelUnavailableError, match="8000 Hz"):
        hear.load_model(tmp_path / "low")


def test_the_shipped_model_comes_without_a_path() -> None:
    model = hear.load_model()
    assert model.sample_rate == 44100
    scene = hear.get_scene_embeddings(noise(1, 1.2, 44100), model)
    assert scene.shape == (1, model.encoder.embedding_dim)
    assert np.abs(scene[0].numpy() - encoded(model, noise(1, 1.2, 44100)[0])).max() <= 1e-5
    weights = nn.Linear(model.scene_embedding_size, 1)
    weights(scene).sum().backward()  # a classifier can be trained on top
    assert weights.weight.grad is not None
