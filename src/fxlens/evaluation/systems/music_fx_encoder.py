"""FX-Encoder (Koo et al., *Music mixing style transfer: a contrastive learning approach to disentangle audio effects*,
ICASSP 2023): residual convolutions on stereo waveforms at 44.1 kHz, mean over time, 2048 features.

Weights: ``FXencoder_ps.pt``, linked from ``jhtonyKoo/music_mixing_style_transfer``; the repository states no licence of
its own for them, so take them as not free to pass on. Sizes and names of the tensors are known from the published
configuration and code; the file itself could not be read here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.evaluation.systems.network_system import NetworkSystem
from fxlens.evaluation.systems.weights_file import fit, identity_of, read_tensors

SAMPLE_RATE = 44100
_ADVICE = "get FXencoder_ps.pt by the link in the README of github.com/jhtonyKoo/music_mixing_style_transfer"


@dataclass(frozen=True)
class Block:
    """One residual block.

    Args:
        width: channels out.
        kernel: length of both kernels.
        stride: of the second convolution.
    """

    width: int
    kernel: int
    stride: int


BLOCKS = tuple(
    Block(width, kernel, stride)
    for width, kernel, stride in zip(
        (16, 32, 64, 128, 256, 256, 512, 512, 1024, 1024, 2048, 2048),
        (25, 25, 15, 15, 10, 10, 10, 10, 5, 5, 5, 5),
        (4, 4, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1),
        strict=True,
    )
)
"""The published encoder."""


class _Convolution(nn.Module):
    """Reflected edges, convolution, batch normalisation, ReLU, under the names of the checkpoint."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self._pad = ((kernel - 1) // 2, kernel - 1 - (kernel - 1) // 2)
        layers = {"conv1d": nn.Conv1d(before, after, kernel, stride), "batch_norm": nn.BatchNorm1d(after)}
        self.conv1d = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Tensor) -> Tensor:
        mode = "reflect" if x.shape[-1] > max(self._pad) else "replicate"  # the last blocks of very short clips
        return F.relu(self.conv1d(F.pad(x, self._pad, mode=mode)))


class _Residual(nn.Module):
    def __init__(self, before: int, block: Block) -> None:
        super().__init__()
        self.conv1 = _Convolution(before, before, block.kernel)
        self.conv2 = _Convolution(before, block.width, block.kernel, block.stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x) + x)


class MusicFxEncoder(nn.Module):
    """The network.

    Args:
        blocks: its residual blocks.
    """

    def __init__(self, blocks: tuple[Block, ...] = BLOCKS) -> None:
        super().__init__()
        widths = (2, *(block.width for block in blocks))
        self.encoder = nn.Sequential(*(_Residual(b, block) for b, block in zip(widths, blocks, strict=False)))

    def forward(self, audio: Tensor) -> Tensor:
        """``[B, 2, T]`` at 44.1 kHz -> ``[B, D]``."""
        return self.encoder(audio).mean(dim=-1)


def fx_encoder_system(network: MusicFxEncoder, device: str) -> NetworkSystem:
    """Hears stereo in windows of 10 s, the length it is used with."""
    identity = identity_of("fx-encoder", network)
    return NetworkSystem("FX-Encoder", identity, "not stated", network, network, SAMPLE_RATE, 10.0, device)


def open_fx_encoder(place: str, device: str) -> NetworkSystem:
    """FX-Encoder with the public weights.

    Raises:
        ModelUnavailableError: no such file, or not that checkpoint.
    """
    tensors = read_tensors(place, place, _ADVICE)
    network = MusicFxEncoder()
    fit(network, tensors, place)
    return fx_encoder_system(network, device)
