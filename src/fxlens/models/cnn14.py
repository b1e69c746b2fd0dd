"""CNN14 of PANNs (Kong et al., *PANNs: Large-Scale Pretrained Audio Neural Networks*, TASLP 2020), for
stereo.

Six blocks of two 3x3 convolutions, halved in time and frequency after each but the last; mean over frequency,
then mean plus maximum over time, then a fully connected layer. The channels of the spectrogram (left and
right, perhaps mid and side) enter the first convolution together, so level differences between them can be
seen.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.errors import ConfigError
from fxlens.models.backbone import Backbone

_HALVINGS = 5
_SILENCE = -1.0  # the floor of the scaled spectrogram


class ConvBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and ReLU.

    Args:
        in_channels: channels in.
        out_channels: channels out.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        nn.init.xavier_uniform_(self.conv1.weight)
        nn.init.xavier_uniform_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, in, F, T]`` -> ``[B, out, F, T]``."""
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))


class Cnn14(Backbone):
    """CNN14; at width 64 the channels are 64, 128 ... 2048 as in the paper.

    Args:
        in_channels: channels of the spectrogram.
        n_mels: its bands, at least 32.
        width: channels of the first block; each further block doubles them.
        dropout: probability after every block, in training.

    Raises:
        ConfigError: too few bands to be halved five times.
    """

    def __init__(self, in_channels: int, n_mels: int, width: int = 64, dropout: float = 0.2) -> None:
        super().__init__()
        if n_mels < 2**_HALVINGS:
            raise ConfigError(f"cnn14 needs n_mels of at least {2**_HALVINGS}, not {n_mels}")
        widths = [width * 2**index for index in range(_HALVINGS + 1)]
        pairs = zip([in_channels, *widths[:-1]], widths, strict=True)
        self.blocks = nn.ModuleList(ConvBlock(before, after) for before, after in pairs)
        self.dropout = dropout
        self.map_dim = self.feature_dim = widths[-1]
        self.fc = nn.Linear(self.map_dim, self.feature_dim)
        nn.init.xavier_uniform_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def feature_map(self, logmel: Tensor) -> Tensor:
        """``[B, C, mel, frame]`` -> ``[B, 32 width, mel // 32, frame // 32]``.

        Fewer than 32 frames are followed by silent ones, so that one column remains.
        """
        x = logmel
        missing = 2**_HALVINGS - x.shape[-1]
        if missing > 0:
            x = F.pad(x, (0, missing), value=_SILENCE)
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index < _HALVINGS:
                x = F.avg_pool2d(x, 2)
            x = F.dropout(x, self.dropout, self.training)
        return x

    def pool(self, feature_map: Tensor) -> Tensor:
        """``[B, D, F', T']`` -> ``[B, D]``: mean over frequency, mean + maximum over time, linear, ReLU."""
        over_time = feature_map.mean(dim=2)
        pooled = over_time.amax(dim=2) + over_time.mean(dim=2)
        return torch.relu(self.fc(pooled))
