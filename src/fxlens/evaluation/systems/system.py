"""What a benchmark asks of a system: embeddings of clips, and perhaps of one instrument inside them.

Every system that can be compared is one of these, whether it is ours, another laboratory's network or a handful of
measurements. A benchmark knows no more of it than this file says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class InstrumentQuery:
    """Which instrument of a mixture is meant.

    Args:
        instrument: canonical class, see :mod:`fxlens.instruments`, or any name a system may understand.
        audio: ``float32 [2, T]``, the instrument alone and dry, playing other music; ``None`` asks by name.
    """

    instrument: str
    audio: np.ndarray | None = None

    @property
    def kind(self) -> str:
        """``text`` or ``audio``, as tables call it."""
        return "text" if self.audio is None else "audio"


class System(ABC):
    """Embeds clips.

    Attributes:
        name: short, for the rows of tables.
        identity: changes whenever the embeddings would; embeddings are cached under it. A hash of the weights is part
            of it where there are weights.
        licence: of the weights, or of the code where there are none.
    """

    name: str
    identity: str
    licence: str

    @abstractmethod
    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        """``float32 [B, 2, T]`` -> ``float32 [B, D]``; rows do not depend on the batch they are in."""


class FittedSystem(System):
    """A system with something to learn from pairs of clips of **training** songs before it can embed."""

    @abstractmethod
    def fit(self, first: np.ndarray, second: np.ndarray, sample_rate: int) -> None:
        """Learn from clips ``[N, 2, T]`` of which ``first[i]`` and ``second[i]`` are different music under one chain.

        Sets ``identity`` to one that depends on what was learnt.
        """


class InstrumentSystem(System):
    """A system that can be asked for one instrument of a mixture."""

    @abstractmethod
    def embed_instrument(
        self, mixtures: np.ndarray, sample_rate: int, queries: Sequence[InstrumentQuery]
    ) -> np.ndarray:
        """``float32 [B, 2, T]`` and K queries -> ``float32 [B, K, D]``, comparable with :meth:`embed` of the stem."""


class DifferentiableSystem(System):
    """A system through which gradients flow, so that effects can be matched by it."""

    device: torch.device

    @abstractmethod
    def embed_tensor(self, clips: Tensor, sample_rate: int) -> Tensor:
        """``float32 [B, 2, T]`` -> ``float32 [B, D]`` with gradients to ``clips``; the same numbers as ``embed``."""


class Separator(ABC):
    """Takes one instrument out of a mixture, for systems that can only hear whole clips.

    Attributes:
        name: short, for the rows of tables.
        identity: changes whenever the output would.
        licence: of the weights.
    """

    name: str
    identity: str
    licence: str

    @abstractmethod
    def separate(self, mixtures: np.ndarray, sample_rate: int, query: InstrumentQuery) -> np.ndarray:
        """``float32 [B, 2, T]`` -> ``float32 [B, 2, T]`` at the same rate.

        Raises:
            UsageError: it has no output for this instrument.
        """
