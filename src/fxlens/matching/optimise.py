"""Optimisation of chains for a batch of items: start points, restarts, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fxlens.effects.chain import EffectChain
from fxlens.errors import UsageError
from fxlens.matching.descent import Descent, descend
from fxlens.matching.evolution import evolve
from fxlens.matching.problem import Centre, EmbeddingObjective, Problem
from fxlens.matching.search_clock import Clock, Stopping
from fxlens.matching.settings import MatchSettings, Report, Stop
from fxlens.matching.start_points import start_points

LEAST_IMPROVEMENT = 0.2
"""Share of the dry audio's loss that a gradient must take off for ``method="auto"`` to be content with it."""


@dataclass(frozen=True)
class Optimised:
    """The chain of one item.

    Attributes:
        chain: with the best settings; the chain's own where no loss was ever finite.
        loss: of the objective at these settings, without the pull; infinite where none was ever finite.
        dry_loss: of the dry audio as it is.
        restart: which restart was the best, by objective and pull together: neither knows a truth.
        curves: objective and pull at every step of each restart; NaN after an early end.
        method: what found it: ``"gradient"`` or ``"cma"``.
        interrupted: whether it was told to stop before its end.
    """

    chain: EffectChain
    loss: float
    dry_loss: float
    restart: int
    curves: tuple[tuple[float, ...], ...]
    method: str
    interrupted: bool = False

    @property
    def failed(self) -> bool:
        """Whether no loss was finite, so that nothing was found."""
        return self.loss == float("inf")


def optimise(
    chain: EffectChain,
    dry: Tensor,
    sample_rate: int,
    embed: Callable[[Tensor], Tensor],
    target: Tensor,
    settings: MatchSettings | None = None,
    *,
    locks: Sequence[str] = (),
    centre: Centre = "own",
    level_lufs: float | Tensor | None = -18.0,
    keys: Sequence[int] | None = None,
    report: Report | None = None,
    stop: Stop | None = None,
) -> list[Optimised]:
    """Set a chain so that the embedding of the processed audio meets a given one, for every item of a batch.

    Args:
        chain: the effects to set, and a first guess; what is locked keeps its settings.
        dry: ``[B, 2, T]``, or ``[B, W, 2, T]`` for W excerpts of each item under one chain.
        sample_rate: Hz.
        embed: clips ``[N, 2, T]`` at that rate to embeddings ``[N, D]``, with gradients; its rows must not depend on
            one another.
        target: ``[B, D]``.
        settings: the search; defaults where ``None``.
        locks: see :func:`fxlens.matching.chain_parts.free_settings`.
        centre: what ``settings.pull`` draws to, see :class:`fxlens.matching.problem.Problem`.
        level_lufs: loudness of what is embedded, see :class:`EmbeddingObjective`.
        keys: a number for each item, to seed by; 0, 1, 2, ... where ``None``.
        report: called as the work goes on.
        stop: asked after every step; once it says so, the best so far is the result.

    Raises:
        UsageError: shapes that do not fit, a lock that holds nothing.
        MissingExtraError: the method needs ``cma``, which is not installed.
    """
    objective = EmbeddingObjective(embed, target, sample_rate, level_lufs)
    if dry.ndim == 3:
        dry = dry.unsqueeze(1)
    settings = settings or MatchSettings()
    problem = Problem(chain, dry, sample_rate, objective, tuple(locks), settings.ranges, settings.pull, centre)
    if len(target) != len(problem):
        raise UsageError(f"{len(problem)} dry items need as many embeddings to meet, not {len(target)}")
    return solve(problem, settings, keys, report, stop)


def solve(
    problem: Problem,
    settings: MatchSettings,
    keys: Sequence[int] | None = None,
    report: Report | None = None,
    stop: Stop | None = None,
) -> list[Optimised]:
    """:func:`optimise` for any loss. The restart is chosen by that loss.

    Args:
        problem: chain, dry audio and loss.
        settings: the search; its ``ranges`` and ``pull`` are the problem's.
        keys: a number for each item, to seed by; 0, 1, 2, ... where ``None``. An item's result depends on its key, and
            neither on its place in the batch nor, up to rounding, on its neighbours.
        report: called as the work goes on.
        stop: see :func:`optimise`.
    """
    keys = list(range(len(problem))) if keys is None else list(keys)
    settings = replace(settings, ranges=problem.ranges, pull=problem.pull)
    items = torch.arange(len(problem), device=problem.dry.device)
    whole = [problem.objective(problem.dry[rows], rows).detach() for rows in items.split(settings.rows_at_once)]
    dry_loss = torch.cat(whole).double()
    starts = start_points(problem, settings, keys)
    told = Stopping(stop)
    clock = Clock(settings.restarts * settings.steps * len(problem), report)
    runs: list[Descent] = []
    for restart in range(settings.restarts):
        if runs and told():
            break
        if settings.method == "cma":
            runs.append(_evolve_all(problem, starts[restart], settings, keys, clock, restart, told))
        else:
            runs.append(_descend_all(problem, starts[restart], items, settings, clock, told))
    found = _choose(problem, runs, dry_loss, "cma" if settings.method == "cma" else "gradient")
    if settings.method == "auto" and not told():
        _second_chance(problem, settings, keys, found, report, told)
    return [replace(one, interrupted=told.said) for one in found]


def _descend_all(
    problem: Problem, start: Tensor, items: Tensor, settings: MatchSettings, clock: Clock, told: Stopping
) -> Descent:
    """One restart of all items, as many at a time as the settings say; of each at least one step."""
    parts = []
    for rows in items.split(settings.rows_at_once):
        parts.append(descend(problem, start[rows], rows, settings, clock.follow(len(rows), settings.steps), told))
    return Descent(
        torch.cat([p.unit for p in parts]), torch.cat([p.loss for p in parts]), torch.cat([p.curve for p in parts], 1)
    )


def _evolve_all(
    problem: Problem,
    start: Tensor,
    settings: MatchSettings,
    keys: Sequence[int],
    clock: Clock,
    restart: int,
    told: Stopping,
) -> Descent:
    # Another seed for every restart, or populations that begin alike would end alike.
    own = [key + restart * 0x1000003 for key in keys]
    return evolve(problem, start, settings, own, clock.follow(len(problem), settings.steps), told)


def _choose(problem: Problem, runs: Sequence[Descent], dry_loss: Tensor, method: str) -> list[Optimised]:
    losses = torch.stack([run.loss for run in runs])
    found = []
    for item, restart in enumerate(losses.argmin(dim=0).tolist()):
        unit, loss = runs[restart].unit[item], float(losses[restart, item])
        curves = tuple(tuple(run.curve[:, item].tolist()) for run in runs)
        chain = problem.chain if loss == float("inf") else problem.chain_at(unit)
        loss -= float(problem.pulled(unit.unsqueeze(0)))
        found.append(Optimised(chain, loss, float(dry_loss[item]), restart, curves, method))
    return found


def _second_chance(
    problem: Problem,
    settings: MatchSettings,
    keys: Sequence[int],
    found: list[Optimised],
    report: Report | None,
    told: Stopping,
) -> None:
    """Evolve the items that the gradient has hardly improved; keep what is better."""
    poor = [i for i, one in enumerate(found) if not one.loss <= (1.0 - LEAST_IMPROVEMENT) * one.dry_loss]
    if not poor:
        return
    at = torch.tensor(poor, device=problem.dry.device)

    def objective(wet: Tensor, items: Tensor) -> Tensor:
        return problem.objective(wet, at[items])

    part = replace(problem, dry=problem.dry[at], objective=objective)
    start = torch.stack([found[i].chain.unit(problem.ranges).double().to(at.device) for i in poor]).clamp(0.0, 1.0)
    start = torch.where(problem.free, start, problem.own)
    clock = Clock(settings.steps * len(poor), report)
    run = _evolve_all(part, start, settings, [keys[i] for i in poor], clock, 0, told)
    dry_loss = torch.tensor([found[i].dry_loss for i in poor])
    for i, one in zip(poor, _choose(part, [run], dry_loss, "cma"), strict=True):
        if one.loss < found[i].loss:
            found[i] = replace(one, restart=0, curves=(*found[i].curves, *one.curves))
