"""One effect of a stream: samples in by blocks of any length, samples out as soon as they are complete."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from fxlens.effects.processor import Run


def nothing() -> np.ndarray:
    """Return no samples: ``float64 [2, 0]``."""
    return np.zeros((2, 0))


class Stage(ABC):
    """An effect with its settings and the state that it carries from block to block.

    All that :meth:`process` returned, and then what :meth:`finish` returns, is as long as all that went in,
    and is what the processor's reference makes of it in one block.
    """

    @abstractmethod
    def process(self, block: np.ndarray) -> np.ndarray:
        """Take the next samples and return those that are complete by now.

        Args:
            block: ``float64 [2, N]``; not changed.

        Returns:
            ``float64 [2, M]``; M may be 0, and differ from N.
        """

    @abstractmethod
    def finish(self) -> np.ndarray:
        """Return the rest, ``float64 [2, M]``: nothing comes after the samples so far."""


class Prompt(Stage):
    """An effect that answers every sample at once.

    Args:
        run: what it does; called with block after block.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def process(self, block: np.ndarray) -> np.ndarray:
        return self._run(block)

    def finish(self) -> np.ndarray:
        return nothing()
