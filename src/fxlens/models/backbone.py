"""What a backbone is: log-mel spectrogram to a time-frequency map of features, and the map to one vector.

The two steps are apart because an extractor wants to look at the map, where the instruments still lie side by
side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from fxlens.errors import ConfigError


@dataclass(frozen=True)
class BackboneConfig:
    """Which backbone, and how wide.

    Args:
        name: ``"cnn14"``, the paper's, or ``"resnet"``, small and quick on a CPU.
        width: channels of the first block; 64 is the paper's.
        options: further arguments of the backbone's class, e.g. ``dropout``.
    """

    name: Literal["cnn14", "resnet"] = "cnn14"
    width: int = 64
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ConfigError(f"width must be at least 1, not {self.width}")


class Backbone(nn.Module, ABC):
    """Base of all backbones; a new one implements two methods and sets two attributes."""

    map_dim: int
    """Channels D of the feature map."""
    feature_dim: int
    """Length of the pooled vector."""

    @abstractmethod
    def feature_map(self, logmel: Tensor) -> Tensor:
        """``[B, C, mel, frame]`` in [-1, 1] -> ``[B, map_dim, F', T']``, from one frame upward."""

    @abstractmethod
    def pool(self, feature_map: Tensor) -> Tensor:
        """``[B, map_dim, F', T']`` -> ``[B, feature_dim]``."""

    def forward(self, logmel: Tensor) -> Tensor:
        """Both steps: ``[B, C, mel, frame]`` -> ``[B, feature_dim]``."""
        return self.pool(self.feature_map(logmel))


def build_backbone(config: BackboneConfig, in_channels: int, n_mels: int) -> Backbone:
    """Build the backbone that ``config`` names, with fresh weights.

    Args:
        config: which, and how wide.
        in_channels: channels of the spectrogram.
        n_mels: bands of the spectrogram.

    Raises:
        ConfigError: an option that this backbone does not have.
    """
    make: Callable[..., Backbone]
    if config.name == "cnn14":
        from fxlens.models.cnn14 import Cnn14 as make
    else:
        from fxlens.models.resnet import ResNet as make
    try:
        return make(in_channels=in_channels, n_mels=n_mels, width=config.width, **config.options)
    except TypeError as error:
        raise ConfigError(f"backbone.options do not fit {config.name}: {error}") from error
