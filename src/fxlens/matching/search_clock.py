"""How far a search is: its steps, the time that is left, and whether it shall end early."""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import Tensor

from fxlens.matching.settings import Progress, Report, Stop


class Clock:
    """Adds up steps of parts that run one after another, and estimates what is left.

    Args:
        total: steps of all parts and items.
        report: who is told; ``None``: nobody.
    """

    def __init__(self, total: int, report: Report | None) -> None:
        self.total, self.report = total, report
        self.before, self.began = 0, time.monotonic()

    def follow(self, rows: int, steps: int) -> Callable[[Tensor, int], None]:
        """A listener for one part."""
        base, self.before = self.before, self.before + rows * steps

        def stepped(loss: Tensor, done: int) -> None:
            if self.report is None:
                return
            finite = loss[loss.isfinite()]
            count = base + rows * done
            left = (time.monotonic() - self.began) * (self.total - count) / max(count, 1)
            self.report(Progress(count, self.total, float(finite.mean()) if len(finite) else float("nan"), left))

        return stepped


class Stopping:
    """Whether somebody has said stop; once said, it is not asked again.

    Args:
        stop: who is asked; ``None``: nobody.

    Attributes:
        said: whether it was said when asked last.
    """

    def __init__(self, stop: Stop | None) -> None:
        self._stop, self.said = stop, False

    def __call__(self) -> bool:
        self.said = self.said or (self._stop is not None and self._stop())
        return self.said
