"""Embeddings of earlier batches as further negatives (X. Wang et al., "Cross-batch memory for embedding learning", CVPR
2020): the network moves slowly, so what it heard a few steps ago still says where other styles lie.

A style that comes again, as styles of a pool do, is no negative of itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StyleMemory(nn.Module):
    """The last ``size`` embeddings with the numbers of their styles; part of a checkpoint.

    Args:
        size: how many are kept.
        embedding_dim: their length.
    """

    keys: Tensor
    styles: Tensor
    written: Tensor

    def __init__(self, size: int, embedding_dim: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("keys", torch.zeros(size, embedding_dim))
        self.register_buffer("styles", torch.full((size,), -1, dtype=torch.int64))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    def negatives(self, styles: Tensor) -> tuple[Tensor, Tensor]:
        """What is kept, and what of it counts.

        Args:
            styles: int64 ``[N]``, of those who ask.

        Returns:
            Keys ``[K, D]`` without gradient, and bool ``[N, K]``: is a negative.
        """
        filled = min(int(self.written), self.size)
        return self.keys[:filled], self.styles[None, :filled] != styles[:, None]

    @torch.no_grad()
    def remember(self, embeddings: Tensor, styles: Tensor) -> None:
        """Keep ``[N, D]`` with their styles ``[N]``; the oldest are forgotten."""
        embeddings, styles = embeddings[-self.size :], styles[-self.size :]
        at = (int(self.written) + torch.arange(len(styles), device=styles.device)) % self.size
        self.keys[at] = embeddings.detach().to(self.keys)
        self.styles[at] = styles
        self.written += len(styles)
