"""CNN14: its dimensions as published, and what its pooling hears."""

from __future__ import annotations

import pytest
import torch

from fxlens.errors import ConfigError
from fxlens.models.backbone import BackboneConfig, build_backbone
from fxlens.models.cnn14 import Cnn14


def picture(batch: int = 2, channels: int = 2, mels: int = 64, frames: int = 100) -> torch.Tensor:
    return 2 * torch.rand(batch, channels, mels, frames, generator=torch.Generator().manual_seed(1)) - 1


def test_published_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("xavier_uniform_", "kaiming_uniform_"):  # only shapes matter, and there are 80 M values
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)
    net = Cnn14(2, 64)
    weights = sum(p.numel() for p in net.parameters())
    # Six blocks of 9 (in out + out out) kernels and 4 out of normalisation, then 2048 x 2048 + 2048.
    pairs = [(2, 64), (64, 128), (128, 256), (256, 512), (512, 1024), (1024, 2048)]
    assert weights == sum(9 * (a * b + b * b) + 4 * b for a, b in pairs) + 2048 * 2048 + 2048
    assert (net.map_dim, net.feature_dim, net.dropout) == (2048, 2048, 0.2)


@pytest.mark.parametrize(("frames", "columns"), [(1, 1), (31, 1), (32, 1), (63, 1), (64, 2), (862, 26)])
def test_shape_of_the_map(frames: int, columns: int) -> None:
    net = Cnn14(4, 128, width=1).eval()
    x = net.feature_map(picture(1, 4, 128, frames))
    assert x.shape == (1, 32, 4, columns)
    assert net.pool(x).shape == (1, 32)


def test_few_frames_are_followed_by_silence() -> None:
    net = Cnn14(2, 64, width=1).eval()
    x = picture(1, frames=10)
    padded = torch.cat([x, -torch.ones(1, 2, 64, 22)], dim=3)
    assert torch.equal(net(x), net(padded))


def test_pooling_is_mean_over_frequency_then_mean_plus_maximum_over_time() -> None:
    net = Cnn14(2, 64, width=1).eval()
    with torch.no_grad():
        net.fc.weight.copy_(torch.eye(32))
        net.fc.bias.zero_()
    x = torch.zeros(1, 32, 2, 3)
    x[0, 5] = torch.tensor([[1.0, 2.0, 6.0], [3.0, 4.0, 0.0]])  # means over frequency: 2, 3, 3
    x[0, 6] = -1.0
    expected = torch.zeros(32)
    expected[5] = 3.0 + 8.0 / 3.0  # the sixth is negative, so ReLU
    assert torch.allclose(net.pool(x)[0], expected)


def test_channels_meet_in_the_first_convolution() -> None:
    torch.manual_seed(0)
    net = Cnn14(2, 64, width=2).eval()
    x = picture(1)
    assert not torch.allclose(net(x), net(x.flip(1)), atol=1e-4)


def test_dropout_in_training_only() -> None:
    torch.manual_seed(0)
    net = Cnn14(2, 64, width=2).eval()
    assert torch.equal(net(picture()), net(picture()))
    net.train()
    assert not torch.equal(net(picture()), net(picture()))
    still = Cnn14(2, 64, width=2, dropout=0.0).train()
    assert torch.equal(still(picture()), still(picture()))


def test_trains() -> None:
    torch.manual_seed(0)
    net = Cnn14(2, 64, width=2)
    net(picture()).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_built_from_a_configuration() -> None:
    net = build_backbone(BackboneConfig("cnn14", 3, {"dropout": 0.5}), in_channels=4, n_mels=64)
    assert isinstance(net, Cnn14) and net.dropout == 0.5 and net.map_dim == 96
    with pytest.raises(ConfigError, match=r"backbone.options do not fit cnn14.*depth"):
        build_backbone(BackboneConfig("cnn14", 3, {"depth": 5}), in_channels=4, n_mels=64)
    with pytest.raises(ConfigError, match="at least 32"):
        build_backbone(BackboneConfig("cnn14", 3), in_channels=4, n_mels=16)
    with pytest.raises(ConfigError, match="width"):
        BackboneConfig(width=0)
