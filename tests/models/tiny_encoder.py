"""A model of a few thousand weights with queries out of a table, and sounds for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig
from fxlens.models.instrument_query import QueryEncoder

RATE = 8000
FRONT = FrontendConfig(sample_rate=RATE, n_fft=512, hop_length=128, n_mels=32, f_min_hz=50.0, f_max_hz=4000.0)


class Queries(QueryEncoder):
    """Random but fixed vectors for a few words."""

    query_id = "test-1"
    dim = 8
    words = ("vocals", "drums", "bass")

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        table = nn.functional.normalize(torch.randn(3, self.dim, generator=torch.Generator().manual_seed(5)), dim=-1)
        return torch.stack([table[self.words.index(text)] for text in texts])

    def embed_audio(self, audio: Tensor, sample_rate: int) -> Tensor:
        assert audio.shape[1] == 2 and sample_rate == 48000
        return nn.functional.normalize(audio[:, 0, : self.dim] + audio[:, 1, : self.dim], dim=-1)


def make(extractor: str = "mlp", backbone: str = "cnn14", **changes: object) -> FxEncoder:
    torch.manual_seed(0)
    config = FxEncoderConfig(
        name="tiny",
        frontend=FRONT,
        backbone=BackboneConfig(backbone, 2),  # type: ignore[arg-type]
        projection_dims=(8, 16),
        extractor=ExtractorConfig(extractor, (0.5, 0.5)),  # type: ignore[arg-type]
        query_dim=8,
        window_seconds=1.0,
        **changes,  # type: ignore[arg-type]
    )
    encoder = FxEncoder(config).eval()
    for module in encoder.modules():  # fresh statistics would make all embeddings alike
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0.0, 0.3)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)
    encoder.attach_query_encoder(Queries())
    return encoder


def sound(seconds: float, channels: int = 2, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = rng.uniform(0.01, 0.3, (channels, int(seconds * 4) + 1)).repeat(RATE // 4, axis=1)
    length = round(seconds * RATE)
    return (steps[:, :length] * rng.standard_normal((channels, length))).astype(np.float32)
