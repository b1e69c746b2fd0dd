"""Gradient descent of many rows of settings at once, each for itself.

Adam (Kingma and Ba, ICLR 2015) on the logits of the unit range, its rate along a cosine to 1 %. A row whose loss or
gradient is not finite goes back to near its best settings; after three times it is given up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fxlens.matching.problem import Problem
from fxlens.matching.settings import MatchSettings, Stop

_LEAST_GAIN = 1e-4  # share of the loss that counts as an improvement, for the patience
_MOST_BREAKS = 3
_LAST_RATE = 0.01
_RETREAT = 0.9  # of the logits of the best settings: a little towards the middle, or it would break there again


@dataclass(frozen=True)
class Descent:
    """What came of it.

    Attributes:
        unit: ``float64 [R, P]``, the best settings of every row.
        loss: ``float64 [R]`` at these; infinite where no loss was ever finite.
        curve: ``float64 [steps + 1, R]``, the loss at every step; NaN once a row has ended, and where it broke.
    """

    unit: Tensor
    loss: Tensor
    curve: Tensor


class _Rows:
    """The best of every row, and who still runs."""

    def __init__(self, start: Tensor, settings: MatchSettings) -> None:
        rows = len(start)
        self.settings = settings
        self.best = start.detach().clone()
        self.loss = start.new_full((rows,), torch.inf)
        self.since = torch.zeros(rows, dtype=torch.long, device=start.device)
        self.breaks = torch.zeros(rows, dtype=torch.long, device=start.device)
        self.runs = torch.ones(rows, dtype=torch.bool, device=start.device)

    def hear(self, at: Tensor, logits: Tensor, loss: Tensor) -> Tensor:
        """Take in the losses of the rows ``at``; return which of them are finite."""
        finite = loss.isfinite()
        before = self.loss[at]
        better = finite & (loss < before)
        self.loss[at] = torch.where(better, loss, before)
        self.best[at] = torch.where(better.unsqueeze(1), logits, self.best[at])
        gained = better & ~(loss > before * (1.0 - _LEAST_GAIN))
        self.since[at] = torch.where(gained, 0, self.since[at] + 1)
        if self.settings.patience:
            self.runs &= self.since < self.settings.patience
        return finite

    def broke(self, at: Tensor) -> None:
        """Count rows that could not be stepped."""
        self.breaks[at] += 1
        self.runs &= self.breaks < _MOST_BREAKS


def descend(
    problem: Problem,
    start: Tensor,
    items: Tensor,
    settings: MatchSettings,
    stepped: Callable[[Tensor, int], None] | None = None,
    stop: Stop | None = None,
) -> Descent:
    """Follow the gradient from a start point of every row.

    Args:
        problem: what is optimised.
        start: ``[R, P]`` in 0-1.
        items: ``[R]``, the item of every row.
        settings: steps, rate, patience, clip.
        stepped: called after every step with the best losses ``[R]`` and the number of steps done; the last number is
            ``settings.steps`` also where all rows ended early.
        stop: ends all rows after the step at which it says so.
    """
    tiny = 1e-6
    logits = torch.logit(start.double().clamp(tiny, 1.0 - tiny)).requires_grad_()
    adam = torch.optim.Adam([logits], lr=settings.learning_rate)
    rows = _Rows(logits, settings)
    curve = logits.new_full((settings.steps + 1, len(start)), torch.nan).detach()
    for step in range(settings.steps + 1):
        last = step == settings.steps
        at = rows.runs.nonzero().squeeze(1)
        with torch.set_grad_enabled(not last):
            gradient, loss = _gradient(problem, logits, at, items, None if last else settings.clip)
        curve[step, at] = loss
        finite = rows.hear(at, logits.detach()[at], loss)
        stuck = at[~finite | ~gradient[at].isfinite().all(dim=1)]
        rows.broke(stuck)
        if stepped is not None:
            stepped(rows.loss, settings.steps if not bool(rows.runs.any()) else step)
        if last or not bool(rows.runs.any()) or (stop is not None and stop()):
            break
        _step(adam, logits, gradient, rows, stuck, settings.learning_rate * _rate(step, settings.steps))
    return Descent(problem.unit(rows.best).detach(), rows.loss, curve)


def _gradient(problem: Problem, logits: Tensor, at: Tensor, items: Tensor, clip: float | None) -> tuple[Tensor, Tensor]:
    """Gradient ``[R, P]``, clipped row by row (zero for rows not in ``at``), and losses of the rows ``at``."""
    rows = logits[at]
    loss = problem.losses(problem.unit(rows), items[at]).double()
    gradient = torch.zeros_like(logits)
    if clip is None or not loss.requires_grad:
        return gradient, loss.detach()
    finite = loss.isfinite()
    found = torch.autograd.grad(torch.where(finite, loss, torch.zeros_like(loss)).sum(), logits)[0]
    norm = found.norm(dim=1, keepdim=True)
    return found * (clip / norm.clamp_min(clip)), loss.detach()


@torch.no_grad()
def _step(
    adam: torch.optim.Adam, logits: Tensor, gradient: Tensor, rows: _Rows, stuck: Tensor, learning_rate: float
) -> None:
    """One step of the rows that still run; those that are stuck go back near their best instead."""
    held = logits.detach().clone()
    held[stuck] = _RETREAT * rows.best[stuck]
    stays = ~rows.runs
    stays[stuck] = True
    gradient[stays] = 0.0
    for group in adam.param_groups:
        group["lr"] = learning_rate
    logits.grad = gradient
    adam.step()
    for moment in ("exp_avg", "exp_avg_sq"):
        adam.state[logits][moment][stuck] = 0.0
    logits[stays] = held[stays]


def _rate(step: int, steps: int) -> float:
    """From 1 at the first step along half a cosine to ``_LAST_RATE`` at the last."""
    share = step / max(steps - 1, 1)
    return _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * share))
