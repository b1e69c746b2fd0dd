"""What stands between the data set and the network: which batch comes next, and views made into spectrograms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

from fxlens.models.frontend import FrontendConfig, LogMel


class StepSampler(Sampler[int]):
    """Batch numbers from the step that training has reached, so that a resumed run sees what comes next.

    Args:
        per_epoch: batches in an epoch.
        position: tells the step, asked whenever an epoch begins or goes on.
    """

    def __init__(self, per_epoch: int, position: Callable[[], int]) -> None:
        self.per_epoch, self.position = per_epoch, position

    def __len__(self) -> int:
        return self.per_epoch

    def __iter__(self) -> Iterator[int]:
        start = self.position()
        return iter(range(start, start + self.per_epoch))


class SpectrogramView:
    """The frontend as a transform of single clips, on one thread: the loader's process has one core."""

    def __init__(self, config: FrontendConfig) -> None:
        self.config = config
        self._logmel: LogMel | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config, "_logmel": None}

    def __call__(self, clip: Tensor) -> Tensor:
        if self._logmel is None:
            self._logmel = LogMel(self.config)
        with torch.no_grad():
            return self._logmel(clip.unsqueeze(0)).squeeze(0)
