"""From embeddings of a benchmark to results: every task, every pool, the mean over numbers of effects, every song."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fxlens.errors import DataError
from fxlens.evaluation.benchmark.embeddings import Arrays, Family
from fxlens.evaluation.benchmark.pools import Pool, effect_count
from fxlens.evaluation.benchmark.recipe import draw_songs
from fxlens.evaluation.benchmark.retrieval import PRIMARY, per_group, ranks, summarize
from fxlens.evaluation.benchmark.run import BenchmarkRun, load_pool
from fxlens.evaluation.benchmark.system_opening import ReadySystem
from fxlens.evaluation.results import Origin, Result

MEAN = "mean"
"""Pool of figures that are averaged over a pool for each number of effects."""

ISOLATED = " -> isolated stems"
"""Ending of columns in which what was extracted searches isolated stems, not what else was extracted."""

_MOST_PAIRS = 60


@dataclass(frozen=True)
class Task:
    """One search.

    Args:
        protocol, name, column: see :class:`Result`.
        query: family and key of the embeddings of both sides.
        candidates: of what is searched, where it is not the same.
    """

    protocol: str
    name: str
    column: str
    query: tuple[Family, str]
    candidates: tuple[Family, str] | None = None


def retrieval_tasks(instruments: Sequence[str]) -> list[Task]:
    """``stem/<instrument>`` and ``mixture``."""
    tasks = [Task("retrieval", f"stem/{n}", "", ("whole", f"stem/{n}")) for n in instruments]
    return tasks + ([Task("retrieval", "mixture", "", ("whole", "mixture"))] if len(instruments) > 1 else [])


def extraction_tasks(instruments: Sequence[str], asked: bool = True) -> list[Task]:
    """``extract/<instrument>`` as in the paper and controlled; each among its like and among isolated stems.

    Args:
        instruments: of the benchmark.
        asked: whether a system is asked by text and audio; otherwise (separation) the text column is ``separated``.
    """
    tasks = []
    columns = {"text": "text query", "audio": "audio query"} if asked else {"text": "separated"}
    for n in instruments:
        stem: tuple[Family, str] = ("whole", f"stem/{n}")
        sources: list[tuple[str, str, dict[str, tuple[Family, str]]]] = [
            ("extraction", f"extract/{n}", {"no query": ("whole", "mixture")}),
            ("extraction-controlled", f"extract-controlled/{n}", {"no query": ("controlled", f"{n}/none")}),
        ]
        for protocol, name, arrays in sources:
            family: Family = "extract" if protocol == "extraction" else "controlled"
            arrays |= {column: (family, f"{n}/{key}") for key, column in columns.items()}
            tasks.append(Task(protocol, name, "oracle stem", stem))
            for column, place in arrays.items():
                tasks.append(Task(protocol, name, column, place))
                tasks.append(Task(protocol, name, column + ISOLATED, place, stem))
    return tasks


def score_system(run: BenchmarkRun, ready: ReadySystem, tasks: Sequence[Task], origin: Origin) -> list[Result]:
    """All results of one system; a reason instead of figures where it has none.

    Raises:
        DataError: an embedding is not finite; the message names the system and the task.
    """
    pools = run.recipe.settings.pools
    blanks = [Result(t.protocol, t.name, ready.facts, origin, t.column, pool.label) for pool in pools for t in tasks]
    if ready.source is None:
        return [replace(blank, missing=ready.reason) for blank in blanks]
    families = families_of(tasks)
    found: list[Result] = []
    ranked: dict[Task, list[np.ndarray]] = {}
    for pool in pools:
        arrays = load_pool(run, ready.source, families, pool)
        for task in tasks:
            blank = Result(task.protocol, task.name, ready.facts, origin, task.column, pool.label)
            both = _ranks(task, arrays, ready)
            if isinstance(both, str):
                found.append(replace(blank, missing=both))
                continue
            if len(pool.types) > 1:
                ranked.setdefault(task, []).append(both)
            found.append(_figures(blank, both, run, [pool]))
            found.extend(_by_count(blank, both, run, pool))
    for task, parts in ranked.items():
        if len(parts) > 1:
            counted = [pool for pool in pools if len(pool.types) > 1]
            blank = Result(task.protocol, task.name, ready.facts, origin, task.column, MEAN)
            found.append(_figures(blank, np.concatenate(parts, axis=1), run, counted))
    return found


def families_of(tasks: Sequence[Task]) -> tuple[Family, ...]:
    """The embeddings that tasks need, ``whole`` first."""
    needed = {task.query[0] for task in tasks} | {task.candidates[0] for task in tasks if task.candidates}
    return tuple(family for family in ("whole", "extract", "controlled") if family in needed)


def _ranks(task: Task, arrays: dict[Family, Arrays], ready: ReadySystem) -> np.ndarray | str:
    """``[2, N]``, or the reason why there are none."""
    family, key = task.query
    other, other_key = task.candidates or task.query
    query, candidates = arrays[family][key], arrays[other][other_key]
    if isinstance(query, str) or isinstance(candidates, str):
        return query if isinstance(query, str) else str(candidates)
    try:
        # Each side of the one searches the other side of the other.
        return np.stack([ranks(query[:, 0], candidates[:, 1]), ranks(query[:, 1], candidates[:, 0])])
    except DataError as error:
        raise DataError(f"{ready.facts.name}, {task.name}, {task.column or 'query'}: {error}") from error


def _figures(blank: Result, both: np.ndarray, run: BenchmarkRun, pools: Sequence[Pool]) -> Result:
    settings = run.recipe.settings
    found = summarize(both, settings.styles, settings.seed)
    per_song = {}
    if blank.task != "mixture":
        per_song = _per_song(blank.instrument, both, run, pools)
    counts = {"styles": both.shape[1], "candidates": settings.styles}
    return replace(
        blank, metrics=found.metrics, intervals=found.intervals, chance=found.chance, per_song=per_song, counts=counts
    )


def _per_song(
    instrument: str, both: np.ndarray, run: BenchmarkRun, pools: Sequence[Pool]
) -> dict[str, dict[str, float]]:
    """By the song of the query, and by pairs of songs where there are few."""
    pairs = [draw_songs(run.recipe, instrument, p, i) for p in pools for i in range(run.recipe.settings.styles)]
    found = {PRIMARY: per_group(both, [[a for a, _ in pairs], [b for _, b in pairs]])}
    named = [" | ".join(sorted(pair)) for pair in pairs]
    if len(set(named)) <= _MOST_PAIRS:
        found[f"{PRIMARY} of pairs"] = per_group(both, [named, named])
    return found


def _by_count(blank: Result, both: np.ndarray, run: BenchmarkRun, pool: Pool) -> Iterator[Result]:
    """Figures of the queries of each number of effects, where a pool has several."""
    if len(pool.counts) < 2:
        return
    settings = run.recipe.settings
    numbers = np.array([effect_count(pool, i) for i in range(settings.styles)])
    for n in sorted(set(pool.counts)):
        own = both[:, numbers == n]
        if own.shape[1]:
            found = summarize(own, settings.styles, settings.seed)
            counts = {"styles": own.shape[1], "candidates": settings.styles}
            yield replace(
                blank, pool=f"{n} of {pool.label}", metrics=found.metrics, intervals=found.intervals,
                chance=found.chance, counts=counts,
            )  # fmt: skip
