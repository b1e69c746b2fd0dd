"""What the network has heard in a batch of windows. Every embedding is read from it, and each part is made once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from fxlens.models.folding import FoldedNetwork
    from fxlens.models.fx_network import FxNetwork


class Heard:
    """A batch of spectrograms with what the network makes of them, computed when it is first asked for.

    A mixture embedding needs no survey for instruments and an instrument may need no mixture embedding; with several
    queries both are made once. Made by :meth:`FxNetwork.hear`.

    Args:
        network: the one that hears.
        spectrogram: ``[B, C, mel + rows, frame]``, of its front end; without rows of the wave there is no
            :attr:`mixture` for a network that reads them.
    """

    def __init__(self, network: FxNetwork | FoldedNetwork, spectrogram: Tensor) -> None:
        self._network, self.spectrogram = network, spectrogram
        self.logmel = spectrogram[:, :, : network.n_mels]

    def __len__(self) -> int:
        return len(self.logmel)

    @cached_property
    def feature_map(self) -> Tensor:
        """The backbone's map ``[B, D, F', T']``."""
        backbone = self._network.backbone
        return backbone.feature_map(self.logmel.to(next(backbone.parameters()).dtype))

    @cached_property
    def features(self) -> Tensor:
        """The backbone's pooled vectors ``[B, feature_dim]``, float32."""
        return self._network.backbone.pool(self.feature_map).float()

    @cached_property
    def mixture(self) -> Tensor:
        """Embeddings of the whole mixtures ``[B, E]``, float32, unit length."""
        reader = self._network.measured
        return self._network.projection(self.features, None if reader is None else reader(self.spectrogram))

    @cached_property
    def survey(self) -> Tensor:
        """What the extractor needs for every query, see :meth:`Extractor.survey`."""
        extractor = self._network.extractor
        assert extractor is not None, "asked for by an extractor only"
        return extractor.survey(self)

    def split(self, sizes: list[int]) -> list[Heard]:
        """Parts of the batch, which share the one pass through the backbone's trunk made for all of it."""
        parts = []
        for rows, feature_map in zip(self.spectrogram.split(sizes), self.feature_map.split(sizes), strict=True):
            part = Heard(self._network, rows)
            part.feature_map = feature_map
            parts.append(part)
        return parts
