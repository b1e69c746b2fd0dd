"""From the mixture and a query to the effects on one instrument: z = extractor(Q, E(M)).

The paper's extractor is a small MLP on the pooled mixture embedding. Two others look where the parts still lie side
by side: ``query_pooling`` attends over the feature map, ``query_mask`` masks the spectrogram. The query is hidden for
the greater part in training, so that the extractor learns which instrument is meant and not what the one excerpt sounds
like.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.errors import ConfigError
from fxlens.models.backbone import Backbone
from fxlens.models.frontend import FrontendConfig
from fxlens.models.heard import Heard


@dataclass(frozen=True)
class ExtractorConfig:
    """Which extractor.

    Args:
        name: ``"mlp"``, the paper's; ``"attention"``, over the feature map; ``"mask"``, which masks the spectrogram
            and reads what is left; ``"none"``, mixture embeddings only.
        query_dropout: lowest and highest share of the query that is dropped in training.
        options: further arguments of the extractor's class, e.g. ``hidden``.
    """

    name: Literal["mlp", "attention", "mask", "none"] = "mlp"
    query_dropout: tuple[float, float] = (0.75, 0.95)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        low, high = self.query_dropout
        if not 0.0 <= low <= high < 1.0:
            raise ConfigError(f"query_dropout must be 0 <= low <= high < 1, not {low:g} and {high:g}")


class QueryDropout(nn.Module):
    """Inverted dropout whose rate is itself drawn for every item; the identity in evaluation.

    Args:
        low: smallest rate.
        high: largest rate, below 1.
    """

    def __init__(self, low: float = 0.75, high: float = 0.95) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, query: Tensor) -> Tensor:
        """``[B, Q]`` -> ``[B, Q]``; the expectation is the query itself."""
        if not self.training or self.high == 0.0:
            return query
        rate = self.low + (self.high - self.low) * torch.rand(len(query), 1, device=query.device)
        kept = torch.rand(query.shape, device=query.device) >= rate
        return query * (kept / (1.0 - rate)).to(query.dtype)


class Extractor(nn.Module, ABC):
    """Base of all extractors."""

    def survey(self, heard: Heard) -> Tensor:
        """What is the same for every query; :attr:`Heard.survey` keeps it. Few extractors have such a thing."""
        raise NotImplementedError(f"{type(self).__name__} has no survey")

    @abstractmethod
    def forward(self, heard: Heard, query: Tensor) -> Tensor:
        """Find the effects on one instrument.

        Args:
            heard: the mixtures.
            query: ``[B, Q]``, the vector that names the instrument.

        Returns:
            ``[B, D]``, not normalised; the caller does that.
        """


class MlpExtractor(Extractor):
    """The paper's extractor: three linear layers with LeakyReLU on (mixture embedding, query).

    Args:
        query_dim: length Q of the query.
        embedding_dim: length D of the embeddings.
        hidden: width of the two hidden layers.
        slope: slope of the LeakyReLU below zero.
    """

    def __init__(self, query_dim: int, embedding_dim: int, hidden: int = 128, slope: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Linear(embedding_dim + query_dim, hidden),
                nn.Linear(hidden, hidden),
                nn.Linear(hidden, embedding_dim),
            ]
        )
        self.slope = slope

    def forward(self, heard: Heard, query: Tensor) -> Tensor:
        # Too small to gain anything by rounding, so autocast ends here.
        with torch.autocast(device_type=query.device.type, enabled=False):
            x = torch.cat((heard.mixture, query), dim=-1)
            for layer in self.layers[:-1]:
                x = F.leaky_relu(layer(x), self.slope)
            return self.layers[-1](x)


def build_extractor(
    config: ExtractorConfig,
    backbone: Backbone,
    make_backbone: Callable[[int], Backbone],
    frontend: FrontendConfig,
    query_dim: int,
    projection_dims: Sequence[int],
    statistics: bool = False,
) -> Extractor | None:
    """Build the extractor that ``config`` names, with fresh weights; ``None`` where it names none.

    Args:
        config: which, and its options.
        backbone: the one whose map it will see.
        make_backbone: builds another one like it, for so many input channels, where an extractor has its own reader.
        frontend: the spectrogram it will see.
        query_dim: length of the query.
        projection_dims: widths of the projection head; the last is the length of the embeddings.
        statistics: what an extractor has left of a spectrogram is measured, too.

    Raises:
        ConfigError: an option that this extractor does not have.
    """
    make: Callable[..., Extractor]
    sizes: dict[str, Any] = {"query_dim": query_dim}
    if config.name == "none":
        return None
    if config.name == "mlp":
        make = MlpExtractor
        sizes["embedding_dim"] = projection_dims[-1]
    elif config.name == "attention":
        from fxlens.models.query_pooling import QueryPooling as make

        sizes |= {"embedding_dim": projection_dims[-1], "map_dim": backbone.map_dim}
    else:
        from fxlens.models.query_mask import QueryMask as make

        sizes |= {
            "backbone": make_backbone(frontend.n_channels + 1),
            "frontend": frontend,
            "projection_dims": projection_dims,
            "statistics": statistics,
        }
    try:
        return make(**sizes, **config.options)
    except TypeError as error:
        raise ConfigError(f"extractor.options do not fit {config.name}: {error}") from error
