"""The projection head: features to an embedding of unit length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Projection(nn.Sequential):
    """Linear layers with ReLU between them, then L2 normalisation; in float32, or rounding would reach the embedding.

    Args:
        widths: of the features, of each hidden layer, and of the embedding.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers[:-1])

    def forward(self, features: Tensor, shift: Tensor | None = None) -> Tensor:
        """``[B, widths[0]]`` -> ``[B, widths[-1]]`` float32; ``shift`` is added before the normalisation."""
        with torch.autocast(device_type=features.device.type, enabled=False):
            found = super().forward(features.float())
            return F.normalize(found if shift is None else found + shift, dim=-1)
