"""Separate, then embed: how a system that hears only whole clips is asked for one instrument of a mixture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fxlens.errors import UsageError
from fxlens.evaluation.systems.clips import check_clips
from fxlens.evaluation.systems.system import FittedSystem, InstrumentQuery, InstrumentSystem, Separator, System


class SeparateThenEmbed(InstrumentSystem):
    """The system's embedding of what the separator takes out of the mixture. Make it by :func:`separate_then_embed`.

    Args:
        separator: takes the instrument out.
        system: embeds it.
    """

    def __init__(self, separator: Separator, system: System) -> None:
        self.separator, self.system = separator, system
        self.name = f"{separator.name} + {system.name}"
        self.identity = f"{separator.identity}+{system.identity}"
        self.licence = f"{separator.licence}; {system.licence}"

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        """Of whole clips, without the separator: what isolated stems are embedded with."""
        return self.system.embed(clips, sample_rate)

    def embed_instrument(
        self, mixtures: np.ndarray, sample_rate: int, queries: Sequence[InstrumentQuery]
    ) -> np.ndarray:
        """See :meth:`InstrumentSystem.embed_instrument`.

        Raises:
            UsageError: the separator has no output for one of the instruments.
        """
        mixtures = check_clips(mixtures, sample_rate)
        if not queries:
            raise UsageError("the list of queries is empty")
        stems = [self.separator.separate(mixtures, sample_rate, query) for query in queries]
        return np.stack([self.system.embed(stem, sample_rate) for stem in stems], axis=1)


class FittedSeparateThenEmbed(SeparateThenEmbed, FittedSystem):
    """The same for a system that learns from pairs of clips first.

    Args:
        separator: takes the instrument out.
        system: learns and embeds.
    """

    system: FittedSystem

    def fit(self, first: np.ndarray, second: np.ndarray, sample_rate: int) -> None:
        """Fit the system; the separator is not asked."""
        self.system.fit(first, second, sample_rate)
        self.identity = f"{self.separator.identity}+{self.system.identity}"


def separate_then_embed(separator: Separator, system: System) -> SeparateThenEmbed:
    """Join the two; what comes is a :class:`FittedSystem` where the system is one."""
    if isinstance(system, FittedSystem):
        return FittedSeparateThenEmbed(separator, system)
    return SeparateThenEmbed(separator, system)
