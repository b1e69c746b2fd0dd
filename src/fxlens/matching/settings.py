"""How an optimisation is run, and what it tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fxlens.effects.processor import Range
from fxlens.errors import UsageError

Method = Literal["gradient", "cma", "auto"]


@dataclass(frozen=True)
class MatchSettings:
    """How the settings of a chain are searched.

    Args:
        method: ``"gradient"`` Adam on the unit range; ``"cma"`` evolution without gradients (needs the extra
            ``match``); ``"auto"`` evolution after the gradient for the items that the gradient has not improved by
            ``LEAST_IMPROVEMENT``.
        steps: of each restart: steps of Adam, or generations of the evolution.
        learning_rate: of Adam at its first step, in logits of the unit range; it falls along a cosine to 1 %.
        restarts: how many start points are followed; the best is chosen by the loss, which knows no truth.
        candidates: random settings that are tried, without a gradient, beside the chain's own and the middle of all
            ranges; the start points are the best of them.
        patience: steps without improvement after which a restart ends; 0 never ends one early.
        pull: how strongly settings are drawn to their centre, see :class:`fxlens.matching.problem.Problem`.
        clip: largest norm of an item's gradient.
        seed: of the candidates and of the evolution.
        ranges: what the unit range stands for.
        rows_at_once: clips that pass through the effects and the encoder together; more need more memory.

    Raises:
        UsageError: a value that makes no optimisation.
    """

    method: Method = "gradient"
    steps: int = 200
    learning_rate: float = 0.05
    restarts: int = 3
    candidates: int = 16
    patience: int = 60
    pull: float = 0.0
    clip: float = 1.0
    seed: int = 0
    ranges: Range = "default"
    rows_at_once: int = 8

    def __post_init__(self) -> None:
        if self.method not in ("gradient", "cma", "auto"):
            raise UsageError(f"method must be gradient, cma or auto, not {self.method!r}")
        for name in ("steps", "restarts", "rows_at_once"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.candidates < 0 or self.patience < 0 or not self.pull >= 0.0:
            raise UsageError("candidates, patience and pull cannot be negative")
        if not self.learning_rate > 0.0 or not self.clip > 0.0:
            raise UsageError("learning_rate and clip must be above 0")


@dataclass(frozen=True)
class Progress:
    """Where an optimisation stands.

    Args:
        done: steps done, of all restarts and items together.
        total: steps there are at most; early stops let ``done`` jump.
        loss: mean over the items of the best loss so far.
        seconds_left: estimated from the steps done so far.
    """

    done: int
    total: int
    loss: float
    seconds_left: float


Report: TypeAlias = Callable[[Progress], None]

Stop: TypeAlias = Callable[[], bool]
"""Asked after every step whether to end with the best so far."""
