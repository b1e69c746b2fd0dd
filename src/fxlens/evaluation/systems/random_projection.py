"""A random projection of the log-mel spectrogram: what any network gets for nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fxlens.evaluation.systems.network_system import NetworkSystem
from fxlens.models.frontend import FrontendConfig, LogMel

DIM = 128
_SEED = 0
_FRONTEND = FrontendConfig(channels="lrms")


class RandomProjection(nn.Module):
    """Mean and standard deviation over time of every band of left, right, mid and side, times a Gaussian matrix.

    Args:
        dim: length of the embedding.
        seed: of the matrix.
    """

    matrix: Tensor

    def __init__(self, dim: int = DIM, seed: int = _SEED) -> None:
        super().__init__()
        self.frontend = LogMel(_FRONTEND)
        features = 2 * _FRONTEND.n_channels * _FRONTEND.n_mels
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("matrix", torch.randn(features, dim, generator=generator) / features**0.5)

    def forward(self, audio: Tensor) -> Tensor:
        """``[B, 2, T]`` at 44.1 kHz -> ``[B, dim]``."""
        bands = self.frontend(audio)
        spread = (bands.var(dim=-1, correction=0) + 1e-8).sqrt()
        return torch.cat([bands.mean(dim=-1), spread], dim=1).flatten(1) @ self.matrix


def open_random_projection(device: str) -> NetworkSystem:
    """The same matrix at every call."""
    network = RandomProjection()
    identity = f"random-projection-{DIM}-{_SEED}"
    return NetworkSystem(
        "random projection", identity, "Apache-2.0", network, network, _FRONTEND.sample_rate, device=device
    )
