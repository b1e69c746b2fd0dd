"""Heads that read an embedding in training: which effects there are, their settings, their order.

They shape the embedding, or, without a contrastive loss beside them, are all that it learns from: the objective of
AFx-Rep (C. J. Steinmetz et al., "ST-ITO: controlling audio effects for style transfer with inference-time
optimization", ISMIR 2024), which tells effects apart. They stay behind when the model is saved.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.data.chain_labels import EFFECTS, ORDERED, PARAMETERS
from fxlens.losses import over_known
from fxlens.training.settings import HeadSettings


class StyleHeads(nn.Module):
    """One hidden layer for each kind of label that has a weight.

    Args:
        embedding_dim: length of the embeddings.
        settings: weights and width.
    """

    def __init__(self, embedding_dim: int, settings: HeadSettings) -> None:
        super().__init__()
        sizes = {"effects": len(EFFECTS), "parameters": len(PARAMETERS), "order": len(ORDERED)}
        self.weights = {name: weight for name in sizes if (weight := float(getattr(settings, name))) > 0.0}
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(embedding_dim, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, sizes[name]))
            for name in self.weights
        )
        self.scale = float(embedding_dim) ** 0.5  # components of unit vectors are small

    def forward(self, embeddings: Tensor, labels: dict[str, Tensor]) -> dict[str, Tensor]:
        """Losses by name, each a mean over what is known, not yet weighed.

        Args:
            embeddings: ``[B, D]``, unit length.
            labels: ``effects`` ``[B, E]``, ``parameters`` ``[B, P]``, ``order`` ``[B, O]``; NaN is not known.
        """
        found = {}
        with torch.autocast(device_type=embeddings.device.type, enabled=False):
            z = embeddings.float() * self.scale
            for name, head in zip(self.weights, self.heads, strict=True):
                target = labels[name].to(z)
                known = ~torch.isnan(target)
                answer, truth = head(z), target.nan_to_num()
                if name == "parameters":
                    losses = F.mse_loss(torch.sigmoid(answer), truth, reduction="none")
                else:
                    losses = F.binary_cross_entropy_with_logits(answer, truth, reduction="none")
                found[name] = over_known(losses, known)
        return found

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """Weighed sum of what :meth:`forward` returned."""
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
