"""A small residual network that trains on two CPU cores, built around what effects look like in a spectrogram.

    trunk    7x5 convolution, stride (4, 2); two residual stages -> map [B, 2w, mel/8, frame/4]
    head     two more residual stages; statistics over time      -> features

Frequency is never averaged away: an equaliser is a matter of *where*, so the pooled statistics are kept for every
remaining band. Time is summarised by mean, spread and an attentive mean: compression is spread that is missing, a
reverb is energy between the notes.

The trunk normalises by batch (cheap, folds away at inference), the head within each clip (group normalisation), so
that how loud or how full a clip is does not decide what its statistics look like.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.models.backbone import Backbone


def group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(8 if channels % 8 == 0 else 1, channels)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a short cut; a stride of 2 halves both axes, rounding up."""

    def __init__(self, before: int, after: int, stride: int = 1, grouped: bool = False) -> None:
        super().__init__()
        norm = group_norm if grouped else nn.BatchNorm2d
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = norm(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = norm(after)
        self.short: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
            self.short = nn.Sequential(pool, nn.Conv2d(before, after, 1, bias=False), norm(after))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.short(x))


class ResNet(Backbone):
    """Residual backbone.

    Args:
        in_channels: channels of the spectrogram.
        n_mels: mel bands of the spectrogram.
        width: channels w of the first stage; the stages have w, 2w, 4w, 8w.
        blocks: residual blocks in each of the four stages.
        summary: channels that are pooled over time.
    """

    def __init__(
        self,
        in_channels: int,
        n_mels: int,
        width: int = 32,
        blocks: Sequence[int] = (1, 1, 2, 1),
        summary: int = 128,
    ) -> None:
        super().__init__()
        w1, w2, w3, w4 = (width * k for k in (1, 2, 4, 8))
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, w1, (7, 5), (4, 2), (3, 2), bias=False), nn.BatchNorm2d(w1), nn.ReLU()
        )
        self.stage1 = nn.Sequential(*(ResidualBlock(w1, w1) for _ in range(blocks[0])))
        self.stage2 = nn.Sequential(
            *(ResidualBlock(w1 if k == 0 else w2, w2, 2 if k == 0 else 1) for k in range(blocks[1]))
        )
        head = [ResidualBlock(w2 if k == 0 else w3, w3, 2 if k == 0 else 1, True) for k in range(blocks[2])]
        head += [ResidualBlock(w3 if k == 0 else w4, w4, 2 if k == 0 else 1, True) for k in range(blocks[3])]
        self.head = nn.ModuleList(head)
        self.summary = nn.Sequential(nn.Conv2d(w4, summary, 1, bias=False), group_norm(summary), nn.ReLU())
        self.attention = nn.Conv2d(w4, summary, 1)
        bands = n_mels
        for stride in (4, 2, 2, 2):
            bands = -(-bands // stride)
        self.map_dim = w2
        self.feature_dim = 3 * summary * bands
        # All spectrograms look alike before anything is learnt: without the mean taken out, every two embeddings have
        # a cosine near one and contrast has nothing to start from.
        self.norm = nn.BatchNorm1d(self.feature_dim)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def feature_map(self, logmel: Tensor) -> Tensor:
        x = logmel.contiguous(memory_format=torch.channels_last)
        return self.stage2(self.stage1(self.stem(x)))

    def pool(self, feature_map: Tensor) -> Tensor:
        x = feature_map
        for block in self.head:
            x = block(x)
        values = self.summary(x).float()
        weight = torch.softmax(self.attention(x).float(), dim=3)
        mean = values.mean(dim=3)
        spread = (values - mean.unsqueeze(3)).pow(2).mean(dim=3).add(1e-6).sqrt()
        attended = (values * weight).sum(dim=3)
        return self.norm(torch.cat([mean, spread, attended], dim=1).flatten(1))
