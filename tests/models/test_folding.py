"""A folded network has the numbers of the one it was made from; rounding to bfloat16 stays where it is harmless."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch
from tiny_encoder import RATE, Queries, make, sound
from torch import nn

from fxlens.errors import UsageError
from fxlens.models import folding
from fxlens.models.backbone import BackboneConfig
from fxlens.models.folding import FoldedNetwork, fold
from fxlens.models.fx_encoder import FxEncoder

KINDS = [("mlp", "cnn14"), ("attention", "resnet"), ("mask", "resnet"), ("mask", "cnn14"), ("none", "resnet")]


def trained(extractor: str, backbone: str) -> FxEncoder:
    """Statistics and gains of a network that has seen something: nothing is 0 or 1."""
    # Wider than the tiny one: a group normalisation over two channels blows rounding up a hundred times.
    torch.manual_seed(0)
    model = FxEncoder(dataclasses.replace(make(extractor).config, backbone=BackboneConfig(backbone, 8))).eval()  # type: ignore[arg-type]
    g = torch.Generator().manual_seed(3)
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor, low, high in (
                (layer.running_mean, -0.5, 0.5),
                (layer.running_var, 0.5, 2.0),
                (layer.weight.data, 0.5, 1.5),
                (layer.bias.data, -0.3, 0.3),
            ):
                assert tensor is not None
                tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=g))
    return model


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    audio = torch.from_numpy(np.stack([sound(1.0, seed=k) for k in range(3)]))
    return audio, Queries().embed_text(["vocals", "drums", "bass"])


@pytest.mark.parametrize(("extractor", "backbone"), KINDS)
def test_folding_changes_nothing_but_rounding(extractor: str, backbone: str) -> None:
    model = trained(extractor, backbone)
    before = copy.deepcopy(model.state_dict())
    audio, query = inputs()
    with torch.no_grad():
        exact = [model(audio)] + ([model(audio, query)] if extractor != "none" else [])
    with torch.inference_mode():
        used = [model(audio)] + ([model(audio, query)] if extractor != "none" else [])
    for a, b in zip(exact, used, strict=True):
        assert b.dtype == torch.float32
        assert float((a - b).abs().max()) < 1e-5
    twin = FoldedNetwork(model)
    assert not [name for name, layer in twin.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())


def test_one_convolution_by_hand() -> None:
    layer = nn.Sequential(nn.Conv2d(2, 3, 3, bias=True), nn.BatchNorm2d(3)).eval()
    norm = layer[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(torch.tensor([0.1, -0.2, 0.3]))
    norm.running_var.copy_(torch.tensor([0.5, 2.0, 1e-6]))
    norm.weight.data.copy_(torch.tensor([1.0, -2.0, 0.5]))
    x = torch.randn(2, 2, 6, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = layer(x)
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        whole = fold(copy.deepcopy(layer))
        assert isinstance(whole[1], nn.Identity)  # type: ignore[index]
        torch.testing.assert_close(whole[0].weight, layer[0].weight * scale[:, None, None, None])  # type: ignore[index]
        torch.testing.assert_close(whole(x), y, rtol=1e-5, atol=1e-5)


def test_the_copy_follows_the_weights_and_gradients_pass_it_by() -> None:
    model = trained("mlp", "resnet")
    audio, _ = inputs()
    first = model.encode(audio.numpy(), RATE)
    with torch.no_grad():
        model.projection[0].weight.mul_(-1.0)  # type: ignore[union-attr, operator]
    assert np.abs(model.encode(audio.numpy(), RATE) - first).max() > 0.1
    audio.requires_grad_()
    model(audio).sum().backward()
    assert audio.grad is not None and all(p.grad is not None for p in model.backbone.parameters())
    assert set(pickle.loads(pickle.dumps(model)).state_dict()) == set(model.state_dict())


@pytest.mark.parametrize(("extractor", "backbone"), KINDS[:2])
def test_bfloat16_is_close_and_the_rest_stays_exact(extractor: str, backbone: str) -> None:
    model = trained(extractor, backbone)
    audio, query = inputs()
    with torch.no_grad():
        exact = model(audio), model(audio, query), model.backbone.pool(model.hear(audio).feature_map)
    model.precision = "bfloat16"
    with torch.inference_mode():
        heard = model.hear(audio)
        rounded = heard.mixture, model.instrument_embedding(heard, query), heard.features
        assert heard.logmel.dtype == torch.float32
        assert not torch.equal(rounded[0], exact[0])
    for a, b in zip(exact, rounded, strict=True):
        assert b.dtype == torch.float32
        assert float(torch.cosine_similarity(a, b).min()) > 0.99
    with torch.no_grad():
        assert torch.equal(model(audio), exact[0])  # outside of inference mode nothing is rounded


def test_the_shipped_model_in_bfloat16() -> None:
    exact = FxEncoder.from_pretrained()
    rounded = FxEncoder.from_pretrained(precision="bfloat16")
    audio = 0.1 * np.random.default_rng(0).standard_normal((2, 3 * 44100)).astype(np.float32)
    audio[:, 44100:] *= np.exp(-np.arange(2 * 44100) / 20000)
    for query, least in ((None, 0.999), ("drums", 0.99)):
        a = exact.encode(audio, 44100, query=query)
        b = rounded.encode(audio, 44100, query=query)
        assert float(a @ b) > least
    assert exact.model_id == rounded.model_id


def test_which_precision() -> None:
    cpu = torch.device("cpu")
    wanted = "bfloat16" if folding.native_bfloat16(cpu) else "float32"
    assert folding.choose("auto", cpu) == wanted and folding.choose("float32", cpu) == "float32"
    with pytest.raises(UsageError, match="precision must be"):
        FxEncoder.from_pretrained(precision="float16")  # type: ignore[arg-type]
