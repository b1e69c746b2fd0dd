"""Systems for the tests of parameter matching: one that hears levels of bands, one without a gradient."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from fxlens.evaluation.systems.system import DifferentiableSystem, System


class Bands(DifferentiableSystem):
    """Levels of 24 bands of left and right, in tens of dB."""

    name, identity, licence = "bands", "bands-1", "none"
    device = torch.device("cpu")

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        return self.embed_tensor(torch.from_numpy(clips), sample_rate).numpy()

    def embed_tensor(self, clips: Tensor, sample_rate: int) -> Tensor:
        power = torch.fft.rfft(clips).abs().square()
        edges = np.geomspace(4, power.shape[-1] - 1, 25).astype(int)
        parts = [power[..., a:b].mean(dim=-1) for a, b in pairwise(edges)]
        return torch.log10(torch.stack(parts, dim=-1).clamp_min(1e-6)).flatten(1)


class Opaque(System):
    """The same without a gradient."""

    name, identity, licence = "opaque", "opaque-1", "none"

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        return Bands().embed(clips, sample_rate)


class Broken(Bands):
    """Never a number."""

    identity = "broken-1"

    def embed_tensor(self, clips: Tensor, sample_rate: int) -> Tensor:
        return super().embed_tensor(clips, sample_rate) * torch.nan


def open_matcher(spec: str, device: str) -> System:
    return {"bands": Bands, "opaque": Opaque, "broken": Broken}[spec]()
