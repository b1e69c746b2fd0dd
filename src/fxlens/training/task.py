"""What a task is: a batch to named losses. The only place where data and model meet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from fxlens.models.fx_encoder import FxEncoder


class Task(nn.Module, ABC):
    """Base of all tasks; parameters that shall not learn do not require a gradient."""

    encoder: FxEncoder
    """The model in training."""

    @abstractmethod
    def forward(self, batch: Mapping[str, Any], step: int, seed: int) -> dict[str, Tensor]:
        """Compute ``total`` and its parts.

        Args:
            batch: an item of the task's data set.
            step: optimiser step.
            seed: seeds whatever is random in the losses, so that a resumed run repeats itself.
        """
