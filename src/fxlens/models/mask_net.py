"""A small U-shaped network over the log-mel spectrogram: which place sounds like which instrument.

It goes down to a twentieth of the time resolution, where an instrument is known by its company of partials and by its
rhythm, and comes back up to a quarter of the mel bands and half of the frames, where it says so. The answer is a
vector for every place; a query has its mask by a scalar product with them, so the network runs once however many
instruments are asked for.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.models.resnet import ResidualBlock

_CHANNELS_LAST = torch.channels_last
BAND_STRIDE, FRAME_STRIDE = 4, 2
"""Mel bands and frames to one place of the mask."""


class MaskNet(nn.Module):
    """Log-mel spectrogram to a vector for every place.

    Args:
        in_channels: channels of the spectrogram.
        width: channels w of the first stage; the stages have w, 2w, 4w, 4w.
        place_dim: length D of the vectors.
    """

    def __init__(self, in_channels: int, width: int = 32, place_dim: int = 64) -> None:
        super().__init__()
        w1, w2, w3 = width, 2 * width, 4 * width
        strides = (BAND_STRIDE, FRAME_STRIDE)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, w1, (7, 5), strides, (3, 2), bias=False), nn.BatchNorm2d(w1), nn.ReLU()
        )
        self.stage1 = nn.Sequential(ResidualBlock(w1, w1))
        self.stage2 = nn.Sequential(ResidualBlock(w1, w2, 2))
        self.down1 = nn.Sequential(ResidualBlock(w2, w3, 2), ResidualBlock(w3, w3))
        self.down2 = nn.Sequential(ResidualBlock(w3, w3, 2), ResidualBlock(w3, w3))
        self.lat2 = nn.Conv2d(w3, w3, 1)
        self.lat1 = nn.Conv2d(w3, w2, 1)
        self.lat0 = nn.Conv2d(w2, w1, 1)
        self.mix1 = ResidualBlock(w2, w2)
        self.mix0 = ResidualBlock(w1, w1)
        self.place = nn.Conv2d(w1, place_dim, 1)
        self.to(memory_format=_CHANNELS_LAST)  # type: ignore[call-overload]

    def forward(self, logmel: Tensor) -> Tensor:
        """``[B, C, mel, frame]`` -> ``[B, D, mel / 4, frame / 2]``, rounded up, float32."""
        fine = self.stage1(self.stem(logmel.contiguous(memory_format=_CHANNELS_LAST)))
        middle = self.stage2(fine)
        coarse = self.down1(middle)
        deep = self.down2(coarse)
        deep = deep + deep.mean(dim=(2, 3), keepdim=True)  # what is heard anywhere in the clip helps everywhere
        coarse = coarse + _onto(self.lat2(deep), coarse)
        middle = self.mix1(middle + _onto(self.lat1(coarse), middle))
        fine = self.mix0(fine + _onto(self.lat0(middle), fine))
        return self.place(fine).float()


def _onto(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="nearest")
