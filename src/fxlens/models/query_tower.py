"""The ear of the offline query encoder: which instrument is this? A small CNN on a log-mel spectrogram.

It is trained to place a dry sound at its class's vector of the text table
(``fxlens.training.query_tower``), so that a query by sound and a query by name mean the same to the
extractor.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.models.frontend import FrontendConfig, LogMel

SAMPLE_RATE = 22050
WINDOW_SECONDS = 4.0
SHORTEST_SECONDS = 2.0
FRONTEND = FrontendConfig(
    sample_rate=SAMPLE_RATE, n_fft=2048, hop_length=1024, n_mels=64, f_min_hz=40.0, f_max_hz=10500.0
)
_TARGET_RMS = 0.1


class QueryTower(nn.Module):
    """Mono audio to query vectors.

    Args:
        dim: length of the vectors.
        widths: channels of the blocks; each halves time and frequency.
    """

    def __init__(self, dim: int = 64, widths: tuple[int, ...] = (16, 32, 64, 96, 128)) -> None:
        super().__init__()
        self.frontend = LogMel(FRONTEND)
        layers: list[nn.Module] = []
        for before, after in zip((1, *widths[:-1]), widths, strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.AvgPool2d(2)]
        self.blocks = nn.Sequential(*layers)
        bands = FRONTEND.n_mels // 2 ** len(widths)
        self.head = nn.Linear(2 * widths[-1] * bands, dim)

    def spectrogram(self, audio: Tensor) -> Tensor:
        """``[B, T]`` at :data:`SAMPLE_RATE` -> ``[B, 1, mel, frame]``, whatever the level of the audio."""
        shortest = round(SHORTEST_SECONDS * SAMPLE_RATE)
        if audio.shape[-1] < shortest:
            audio = audio.repeat(1, -(-shortest // audio.shape[-1]))[:, :shortest]
        level = audio.square().mean(dim=-1, keepdim=True).sqrt().clamp(min=1e-7)
        audio = audio * (_TARGET_RMS / level)
        return self.frontend(audio[:, None].expand(-1, 2, -1))[:, :1]

    def forward(self, spectrogram: Tensor) -> Tensor:
        """``[B, 1, mel, frame]`` -> ``[B, dim]``, unit length."""
        features = self.blocks(spectrogram)  # [B, C, mel, frame]: mean and maximum over time, bands kept apart
        pooled = torch.cat((features.mean(dim=-1), features.amax(dim=-1)), dim=1).flatten(1)
        return F.normalize(self.head(pooled), dim=-1)
