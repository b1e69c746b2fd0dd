"""Where the optimisation begins: the most promising of many settings that are only listened to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fxlens.matching.problem import Problem
from fxlens.matching.settings import MatchSettings

MARGIN = 0.03
"""Distance that start points keep from the ends of the unit range, where a sigmoid hardly moves."""


def item_generator(settings: MatchSettings, key: int, purpose: int) -> np.random.Generator:
    """Random numbers of one item, which do not depend on the batch it is in."""
    return np.random.default_rng(np.random.SeedSequence([settings.seed, 0x3A7C, purpose, key]))


def start_points(problem: Problem, settings: MatchSettings, keys: Sequence[int]) -> Tensor:
    """Choose the start points of every item by the loss.

    The candidates are the chain's own settings, the middle of all ranges, and ``settings.candidates`` random ones.

    Args:
        problem: what is optimised.
        settings: how many there shall be.
        keys: a number for each item, to seed by.

    Returns:
        ``float64 [restarts, B, P]`` in 0-1, the best first. Where there are fewer candidates than restarts, the
        remaining ones are drawn at random and not compared.
    """
    count = problem.own.numel()
    drawn = max(settings.candidates, settings.restarts - 2)
    table = np.empty((len(problem), 2 + drawn, count))
    table[:, 0] = problem.own.cpu().numpy()
    table[:, 1] = 0.5
    for item, key in enumerate(keys):
        table[item, 2:] = item_generator(settings, key, 0).random((drawn, count))
    candidates = torch.from_numpy(np.clip(table, MARGIN, 1.0 - MARGIN)).to(problem.dry.device)
    candidates = torch.where(problem.free, candidates, problem.own)
    if settings.restarts == candidates.shape[1]:
        return candidates.transpose(0, 1)
    losses = torch.stack([_values(problem, settings, candidates[:, i]) for i in range(candidates.shape[1])], dim=1)
    best = losses.argsort(dim=1, stable=True)[:, : settings.restarts]
    return candidates.gather(1, best.unsqueeze(-1).expand(-1, -1, count)).transpose(0, 1)


def _values(problem: Problem, settings: MatchSettings, unit: Tensor) -> Tensor:
    items = torch.arange(len(problem), device=unit.device)
    parts = zip(unit.split(settings.rows_at_once), items.split(settings.rows_at_once), strict=True)
    return torch.cat([problem.values(rows, which) for rows, which in parts])
