"""Embeddings of a benchmark for scripts that score them in ways of their own, and figures of what they find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fxlens.errors import DataError
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, Recipe
from fxlens.evaluation.benchmark.retrieval import PRIMARY, gains, ranks
from fxlens.evaluation.benchmark.run import embed_all, load_pool
from fxlens.evaluation.benchmark.system_opening import ReadySystem

RESAMPLES = 1000


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"

    def told(self) -> list[float]:
        return [round(number, 4) for number in (self.value, self.low, self.high)]


def open_ready(
    specs: Sequence[str], material: Material, settings: BenchmarkSettings, conditions: Conditions
) -> list[ReadySystem]:
    """Open systems; fitted ones learn from training songs with our own effects.

    Raises:
        DataError: one of them cannot be had: a table without it would be another table.
    """
    ready = conditions.open(specs, material, settings)
    lacking = [system.facts.spec for system in ready if system.source is None]
    if lacking:
        raise DataError(f"{', '.join(lacking)}: cannot be had; see above, or leave it out")
    return ready


def whole_arrays(
    recipe: Recipe, systems: Sequence[ReadySystem], conditions: Conditions, pool: int = 0
) -> list[dict[str, np.ndarray]]:
    """``stem/<instrument>`` and ``mixture``, ``[S, 2, D]`` each, of every system; made where they are missing.

    Clips are kept where the disk has room; otherwise all systems hear each shard before it is forgotten.

    Raises:
        DataError: a system has a reason instead of embeddings.
    """
    run = conditions.run(recipe)
    sources = [system.source for system in systems if system.source is not None]
    assert len(sources) == len(systems), "open_ready refuses what cannot be had"
    embed_all(run, sources, ("whole",), conditions.stage)
    found = []
    for system, source in zip(systems, sources, strict=True):
        arrays: dict[str, np.ndarray] = {}
        for key, value in load_pool(run, source, ("whole",), recipe.settings.pools[pool])["whole"].items():
            if isinstance(value, str):
                raise DataError(f"{system.facts.name}, {key}: {value}")
            arrays[key] = value
        found.append(arrays)
    return found


def searched(query: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Ranks of both directions ``[2, S]``: each side of ``query`` searches the other side of ``target``.

    Args:
        query: ``[S, 2, D]``.
        target: ``[S, 2, D]``.
    """
    return np.stack([ranks(query[:, 0], target[:, 1]), ranks(query[:, 1], target[:, 0])])


def earned(both: np.ndarray, metric: str = PRIMARY) -> np.ndarray:
    """What every style earns, percent ``[S]``, of ranks ``[2, S]``."""
    return gains(both)[metric]


def mean_figure(values: np.ndarray, seed: int = 0) -> Figure:
    """Mean of what styles earn, with a bootstrap over styles."""
    means = values[_draws(len(values), seed)].mean(axis=1)
    return _with_interval(float(values.mean()), means)


def relative_change(before: np.ndarray, after: np.ndarray, seed: int = 0) -> Figure:
    """By how many percent the mean changes, of the same styles before and after, with a paired bootstrap."""
    draws = _draws(len(before), seed)
    then, now = before[draws].mean(axis=1), after[draws].mean(axis=1)
    whole = _percent(float(before.mean()), float(after.mean()))
    return _with_interval(whole, np.array([_percent(a, b) for a, b in zip(then, now, strict=True)]))


def difference(before: np.ndarray, after: np.ndarray, seed: int = 0) -> Figure:
    """After minus before, in points, with a paired bootstrap over styles."""
    return mean_figure(after - before, seed)


def over_stems(by_task: Mapping[str, np.ndarray]) -> np.ndarray:
    """What styles of all instruments earn alone, one after the other; each counts equally."""
    return np.concatenate([values for task, values in by_task.items() if task.startswith("stem/")])


def _percent(before: float, after: float) -> float:
    return 100.0 * (after / before - 1.0) if before > 0.0 else 0.0


def _draws(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))


def _with_interval(value: float, resampled: np.ndarray) -> Figure:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Figure(value, float(low), float(high))
