"""An extractor that listens before it sums: the query steers the head that reads the feature map.

A pooled mixture vector has already lost which energy belonged to whom. Here the query becomes a scale and a shift at
every steerable point of the backbone's head, which can so mute what the other instruments light up while the parts
still lie side by side in time and frequency. The head's own weights are shared with the reading of whole mixtures:
what says "this is a plate reverb" is the same in both cases. The last layer starts at zero, so training begins with
an extractor that reads the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class QuerySteering(nn.Module):
    """Query ``[B, Q]`` to scales and shifts for the head of a steerable backbone.

    Args:
        query_dim: length Q of the query.
        channels: channels at each steerable point, ``backbone.steer_channels``.
        hidden: width of the two hidden layers.
    """

    def __init__(self, query_dim: int, channels: Sequence[int], hidden: int = 128) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.body = nn.Sequential(
            nn.Linear(query_dim, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, hidden), nn.LeakyReLU(0.1)
        )
        self.out = nn.Linear(hidden, 2 * sum(channels))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, query: Tensor) -> list[tuple[Tensor, Tensor]]:
        points = self.out(self.body(query)).split([2 * c for c in self.channels], dim=1)
        return [(p[:, :c], p[:, c:]) for p, c in zip(points, self.channels, strict=True)]
