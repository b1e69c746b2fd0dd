"""The network behind E(x, q): tensors in, tensors out.

    audio [B, 2, T] --frontend--> log-mel [B, C, mel, frame] --backbone--> map [B, D, F', T']
    map --pool, projection, + what measurements of the clip say, L2--> mixture embedding [B, E]
    log-mel, map or mixture embedding, and query --extractor, L2--> instrument embedding [B, E]

:class:`fxlens.models.heard.Heard` keeps these on the way, so that each is made once and only if it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.errors import ConfigError, UsageError
from fxlens.models.backbone import BackboneConfig, build_backbone
from fxlens.models.clip_reader import ClipReader
from fxlens.models.extractor import ExtractorConfig, QueryDropout, build_extractor
from fxlens.models.frontend import FrontendConfig, LogMel
from fxlens.models.heard import Heard
from fxlens.models.projection import Projection


@dataclass(frozen=True)
class FxEncoderConfig:
    """Everything that shapes the model.

    Args:
        name: name of the model, the first half of its id.
        frontend: the spectrogram.
        backbone: the network that looks at it.
        projection_dims: widths of the projection head; the last is the length of the embedding.
        extractor: how an instrument is picked out.
        query_encoder: where queries come from: ``"clap"``, ``"offline"``, or what ``load_query_encoder``
            takes.
        query_dim: length of a query vector, 512 for CLAP.
        window_seconds: length of the windows that longer audio is cut into.
        input_lufs: loudness every window is brought to before it is embedded; ``None`` takes it as it is. Models that
            were trained at one loudness should not be asked to tell a loud mix from a quiet one.
        statistics: measure the bands of each clip, too (:mod:`fxlens.models.band_statistics`), and of what an extractor
            that masks has left.
    """

    name: str = "fxlens"
    frontend: FrontendConfig = field(default_factory=FrontendConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    projection_dims: tuple[int, ...] = (128, 128)
    extractor: ExtractorConfig = field(default_factory=ExtractorConfig)
    query_encoder: str = "clap"
    query_dim: int = 512
    window_seconds: float = 10.0
    input_lufs: float | None = None
    statistics: bool = False

    def __post_init__(self) -> None:
        if not self.projection_dims or min(self.projection_dims) < 1:
            raise ConfigError("projection_dims needs at least one width, each at least 1")
        if self.query_dim < 1:
            raise ConfigError(f"query_dim must be at least 1, not {self.query_dim}")
        if not self.window_seconds > 0:
            raise ConfigError(f"window_seconds must be above 0, not {self.window_seconds:g}")


class FxNetwork(nn.Module):
    """Front end, backbone, projection head and extractor, composed from ``config``.

    Args:
        config: the architecture; weights are fresh.
    """

    def __init__(self, config: FxEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.frontend = LogMel(config.frontend)
        make_backbone = partial(build_backbone, config.backbone, n_mels=config.frontend.n_mels)
        self.backbone = make_backbone(config.frontend.n_channels)
        self.projection = Projection((self.backbone.feature_dim, *config.projection_dims))
        front, dim = config.frontend, config.projection_dims[-1]
        reads = config.statistics or front.wave
        self.measured = (
            ClipReader(front.n_channels, front.n_mels, config.statistics, front.wave, dim, front.span_db)
            if reads
            else None
        )
        self.query_dropout = QueryDropout(*config.extractor.query_dropout)
        self.extractor = build_extractor(
            config.extractor,
            self.backbone,
            make_backbone,
            config.frontend,
            config.query_dim,
            config.projection_dims,
            config.statistics,
        )

    def hear(self, audio: Tensor) -> Heard:
        """Make the spectrograms that all embeddings are read from.

        Args:
            audio: ``[B, 2, T]`` at :attr:`sample_rate`.
        """
        return Heard(self, self.frontend(audio))

    def instrument_embedding(self, heard: Heard, query: Tensor) -> Tensor:
        """Embedding of one instrument inside the mixture; that of the mixture itself is ``heard.mixture``.

        Args:
            heard: from :meth:`hear`; used again for another query, what both need is not made twice.
            query: ``[B, Q]``; in training the greater part of it is dropped here.

        Returns:
            ``[B, E]``, float32, unit length.

        Raises:
            UsageError: the model has no extractor, or the query has another length.
        """
        if self.extractor is None:
            raise UsageError(f"{self.config.name} has no extractor: it embeds mixtures only, so give no query")
        if query.shape != (len(heard), self.config.query_dim):
            raise UsageError(
                f"{self.config.name} expects queries [{len(heard)}, {self.config.query_dim}], got {list(query.shape)}"
            )
        return F.normalize(self.extractor(heard, self.query_dropout(query)).float(), dim=-1)

    def forward(self, audio: Tensor, query: Tensor | None = None) -> Tensor:
        """Embed a batch of windows.

        Args:
            audio: ``[B, 2, T]`` at :attr:`sample_rate`.
            query: ``[B, Q]``, or ``None`` for the mixture.

        Returns:
            ``[B, E]``, unit length.
        """
        heard = self.hear(audio)
        return heard.mixture if query is None else self.instrument_embedding(heard, query)

    @property
    def n_mels(self) -> int:
        """Bands of the spectrogram."""
        return self.config.frontend.n_mels

    @property
    def sample_rate(self) -> int:
        """Hz at which :meth:`forward` wants its audio."""
        return self.config.frontend.sample_rate

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return self.config.projection_dims[-1]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device
