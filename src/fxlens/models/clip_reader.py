"""A small network that reads measurements of a whole clip, beside the large one that looks at its spectrogram."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fxlens.models.band_statistics import band_statistics, statistics_count, statistics_of
from fxlens.models.wave_shape import shape_count, shapes

HIDDEN = 64
"""Units of each of the two hidden layers."""


class ClipReader(nn.Module):
    """What measurements say of a clip, as a shift of its embedding; at first nothing.

    Args:
        channels: of the spectrogram.
        n_mels: its bands; what lies below them are rows of the wave.
        statistics: read the statistics of the bands.
        wave: read the shape of the wave; only where the spectrogram has its rows.
        embedding_dim: length of the embedding.
        span_db: decibels from end to end of the spectrogram's scale.
        hidden: units between.
    """

    def __init__(
        self,
        channels: int,
        n_mels: int,
        statistics: bool,
        wave: bool,
        embedding_dim: int,
        span_db: float,
        hidden: int = HIDDEN,
    ) -> None:
        super().__init__()
        self.n_mels, self.statistics, self.wave, self.span_db = n_mels, statistics, wave, span_db
        count = (statistics_count(channels) if statistics else 0) + (shape_count(channels) if wave else 0)
        self.net = nn.Sequential(
            nn.Linear(count, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, embedding_dim)
        )
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    @torch.no_grad()
    def start_from(self, reader: ClipReader, channels: int, own_channels: int) -> None:
        """Take over what another reader makes of the bands' statistics; it may see fewer channels, and the wave.

        Args:
            reader: trained, of ``channels`` channels, with statistics and as many hidden units.
            channels: its.
            own_channels: of this one, at least as many.
        """
        state = reader.state_dict()
        first = self.net[0]
        assert isinstance(first, nn.Linear)
        own = torch.zeros_like(first.weight)
        for mine, others in zip(statistics_of(own_channels, channels), statistics_of(channels, channels), strict=True):
            own[:, mine] = state["net.0.weight"][:, others]
        self.load_state_dict({**state, "net.0.weight": own})

    def measure(self, spectrogram: Tensor) -> Tensor:
        """Everything that is read, ``[B, C, mel + rows, frame]`` -> ``[B, count]`` float32."""
        found = [band_statistics(spectrogram[:, :, : self.n_mels], self.span_db)] if self.statistics else []
        if self.wave:
            found.append(shapes(spectrogram[:, :, self.n_mels :].float()))
        return torch.cat(found, dim=1)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """``[B, C, mel + rows, frame]`` -> ``[B, E]`` float32."""
        with torch.autocast(device_type=spectrogram.device.type, enabled=False):
            return self.net(self.measure(spectrogram))
