"""Search without gradients: CMA-ES, for losses whose slope leads nowhere, such as that of a delay's time.

The covariance matrix adaptation evolution strategy (Hansen and Ostermeier, *Evolutionary Computation* 9(2), 2001) as
PyPI ``cma`` has it, one population for each item, all populations rendered and embedded together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fxlens.errors import MissingExtraError
from fxlens.matching.descent import Descent
from fxlens.matching.problem import Problem
from fxlens.matching.settings import MatchSettings, Stop
from fxlens.matching.start_points import item_generator

FIRST_SPREAD = 0.25
"""Standard deviation of the first generation, in the unit range."""

_LEAST_GAIN = 1e-4


def evolve(
    problem: Problem,
    start: Tensor,
    settings: MatchSettings,
    keys: Sequence[int],
    stepped: Callable[[Tensor, int], None] | None = None,
    stop: Stop | None = None,
) -> Descent:
    """Let a population evolve for every item.

    Args:
        problem: what is optimised.
        start: ``[B, P]`` in 0-1, the means of the first generations.
        settings: ``steps`` generations at most, of ``4 + 3 ln P`` settings each; patience in generations.
        keys: a number for each item, to seed by.
        stepped: called after every generation with the best losses ``[B]`` and the number of generations done.
        stop: ends all items after the generation at which it says so.

    Returns:
        As from :func:`fxlens.matching.descent.descend`; the curve has the best loss of every generation.

    Raises:
        MissingExtraError: ``cma`` is not installed.
    """
    cma = require_cma()
    free = problem.free.cpu().numpy()
    points = start.detach().cpu().double().numpy()
    strategies = [_strategy(cma, point[free], settings, key) for point, key in zip(points, keys, strict=True)]
    best, loss = points.copy(), np.full(len(points), np.inf)
    since = np.zeros(len(points), dtype=int)
    curve = np.full((settings.steps + 1, len(points)), np.nan)
    curve[0] = loss[:] = _values(problem, settings, points, np.arange(len(points)))
    for generation in range(1, settings.steps + 1):
        running = [i for i, s in enumerate(strategies) if not s.stop() and _goes_on(settings, since[i])]
        if not running or (stop is not None and stop()):
            break
        asked = {i: np.asarray(strategies[i].ask()) for i in running}
        units = np.concatenate([_whole(points[i], free, asked[i]) for i in running])
        owners = np.concatenate([np.full(len(asked[i]), i) for i in running])
        values = _values(problem, settings, units, owners)
        for i in running:
            own, mine = values[owners == i], units[owners == i]
            # What broke counts as worse than anything that did not.
            worst = own[np.isfinite(own)].max(initial=1.0)
            strategies[i].tell(list(asked[i]), [float(v) if np.isfinite(v) else 2.0 * worst + 1.0 for v in own])
            curve[generation, i] = own.min() if np.isfinite(own.min()) else np.nan
            gained = own.min() < loss[i] * (1.0 - _LEAST_GAIN) or (np.isinf(loss[i]) and np.isfinite(own.min()))
            since[i] = 0 if gained else since[i] + 1
            if own.min() < loss[i]:
                best[i], loss[i] = mine[own.argmin()], own.min()
        if stepped is not None:
            stepped(torch.from_numpy(loss), generation)
    if stepped is not None:
        stepped(torch.from_numpy(loss), settings.steps)
    device = problem.dry.device
    found = (torch.from_numpy(x).to(device) for x in (best, loss, curve))
    return Descent(*found)


def require_cma() -> ModuleType:
    """PyPI ``cma``.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import cma
    except ImportError:
        raise MissingExtraError("Matching by evolution (method cma)", "match") from None
    return cma


def _strategy(cma: ModuleType, mean: np.ndarray, settings: MatchSettings, key: int) -> Any:
    seed = int(item_generator(settings, key, 1).integers(1, 2**31 - 1))  # 0 would take the clock
    options = {"seed": seed, "bounds": [0.0, 1.0], "verbose": -9, "CMA_diagonal": len(mean) > 200}
    return cma.CMAEvolutionStrategy(np.clip(mean, 0.0, 1.0), FIRST_SPREAD, options)


def _goes_on(settings: MatchSettings, since: int) -> bool:
    return not settings.patience or since < settings.patience


def _whole(point: np.ndarray, free: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Put the free settings among those that are held: ``[N, P]``."""
    units = np.repeat(point[None], len(asked), axis=0)
    units[:, free] = asked
    return units


def _values(problem: Problem, settings: MatchSettings, units: np.ndarray, owners: np.ndarray) -> np.ndarray:
    unit, items = torch.from_numpy(units), torch.from_numpy(owners)
    device, size = problem.dry.device, settings.rows_at_once
    parts = zip(unit.split(size), items.split(size), strict=True)
    return torch.cat([problem.values(rows.to(device), which.to(device)).cpu() for rows, which in parts]).numpy()
