"""An extractor that attends: the query asks every place of the feature map, and pools where the answer is its own.

Several heads score each place (band, time) against the query; each head sums its values by softmax of the scores over
the whole map, mean and spread, so that level and its variation both survive. Works on any backbone's map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fxlens.models.extractor import Extractor
from fxlens.models.heard import Heard


class QueryPooling(Extractor):
    """Multi-head attention of one query over a feature map, then an MLP with the mixture embedding beside it.

    Args:
        query_dim: length Q of the query.
        embedding_dim: length D of the embeddings.
        map_dim: channels of the map.
        heads: number of heads.
        head_dim: width of keys and values of each head.
        hidden: width of the MLP.
    """

    def __init__(
        self,
        query_dim: int,
        embedding_dim: int,
        map_dim: int,
        heads: int = 8,
        head_dim: int = 32,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        self.ask = nn.Sequential(nn.Linear(query_dim, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, heads * head_dim))
        self.key = nn.Conv2d(map_dim, heads * head_dim, 1)
        self.value = nn.Conv2d(map_dim, heads * head_dim, 1)
        self.read = nn.Sequential(
            nn.Linear(2 * heads * head_dim + embedding_dim + query_dim, hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden, embedding_dim),
        )

    def forward(self, heard: Heard, query: Tensor) -> Tensor:
        feature_map = heard.feature_map
        batch = feature_map.shape[0]  # not len(): an exported graph would keep that as a constant
        shape = (batch, self.heads, self.head_dim, -1)
        keys = self.key(feature_map).reshape(shape).float()
        values = self.value(feature_map).reshape(shape).float()
        asked = self.ask(query).reshape(batch, self.heads, self.head_dim, 1).float()
        weight = torch.softmax((asked * keys).sum(dim=2, keepdim=True) / self.head_dim**0.5, dim=3)
        mean = (values * weight).sum(dim=3)
        spread = ((values - mean.unsqueeze(3)).pow(2) * weight).sum(dim=3).add(1e-6).sqrt()
        pooled = torch.cat([mean.flatten(1), spread.flatten(1), heard.mixture, query.float()], dim=1)
        return self.read(pooled)
