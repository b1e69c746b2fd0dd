"""Parameter matching as an evaluation: how near a system's gradient leads to a target that it never hears.

Requirement: for triplets (clean, reference, target), the settings of seven effects are optimised until the embedding
of the processed clean clip meets the reference's; the figure is L_d between result and target. Restarts are chosen by
what is minimised, never by L_d. The lines beside a system's tell how to read it: the floor (no effects at all), the
middle of all ranges, random chains, and the oracle, which minimises L_d itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fxlens.dsp.compilation import compile_kernels
from fxlens.errors import DataError
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings
from fxlens.evaluation.benchmark.run import SystemSource
from fxlens.evaluation.benchmark.system_opening import ReadySystem
from fxlens.evaluation.benchmark.work_pool import run_units
from fxlens.evaluation.matching.batch import Row, baseline_rows, oracle_rows, system_rows
from fxlens.evaluation.matching.figures import line_results, missing_results
from fxlens.evaluation.matching.triplets import (
    CONTENTS,
    Content,
    TripletRecipe,
    TripletSettings,
    draw_triplet,
    render_triplet,
    triplet_recipe,
)
from fxlens.evaluation.results import Origin, Result, SystemFacts
from fxlens.evaluation.systems.system import DifferentiableSystem
from fxlens.matching.settings import MatchSettings
from fxlens.whole_files import write_text

SEARCH = MatchSettings(learning_rate=0.1, pull=1.0)
"""How an evaluation searches. Rate and pull were chosen on training songs, see docs/matching.md."""

BATCH = 4
"""Triplets that are optimised together, and the unit of work that a kill can cost."""

_BASELINES = {"floor": "floor: no effects", "middle": "middle of all ranges", "random": "random chain"}


@dataclass(frozen=True)
class _Line:
    """A row of the table in work: its name in the cache, and who finds the settings (``None``: nobody, the oracle)."""

    kind: str
    content: Content = "other"
    source: SystemSource | None = None


@dataclass(frozen=True)
class _Unit:
    recipe: TripletRecipe
    search: MatchSettings
    line: _Line
    cache: Path
    instrument: str
    indices: tuple[int, ...]

    @property
    def path(self) -> Path:
        source = self.line.source
        search = None if self.line.kind == "baselines" else asdict(self.search)  # nothing is searched there
        told = [self.line.kind, None if source is None else source.identity, search]
        if source is not None:
            told.append(self.line.content)
        name = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
        place = f"{self.instrument.replace(' ', '_')}-{self.indices[0]:04d}-{self.indices[-1]:04d}.json"
        return self.cache / "matching" / self.recipe.key / name / place


def evaluate_matching(
    material: Material,
    settings: TripletSettings,
    specs: Sequence[str],
    conditions: Conditions,
    search: MatchSettings = SEARCH,
    contents: Sequence[Content] = CONTENTS,
    oracle: bool = True,
    command: str = "",
) -> Iterator[list[Result]]:
    """Match every triplet by every system, and measure.

    Args:
        material: the songs.
        settings: which triplets.
        specs: the systems; those that no gradient passes need ``search.method`` ``"cma"``.
        conditions: how to work; every batch is kept in the cache as soon as it is done.
        search: how settings are searched; its ranges are those of the triplets.
        contents: which references: ``"other"`` music, the ``"same"`` music.
        oracle: whether L_d is also minimised directly; that takes longer than a system.
        command: the command line, for the results.

    Yields:
        The results of one line after the other: baselines, oracle, systems.

    Raises:
        DataError: an instrument lacks songs, or an embedding of a reference is not finite.
        AudioError: a stem cannot be read.
        OutputError: the cache cannot be written.
        MissingExtraError: ``auraloss`` is not installed.
    """
    recipe = triplet_recipe(material.evaluation, settings)
    search = replace(search, ranges=settings.ranges)
    told = {**recipe.told(), "search": json.loads(json.dumps(asdict(search)))}
    origin = Origin(settings.seed, material.manifest_sha256, told, recipe.songs(), command=command)
    compile_kernels("exact", "gradient", "fast")
    rows = _run(recipe, search, _Line("baselines"), conditions, "baselines")
    floors = {(name, row["index"]): row["floor"]["L_d"] for name, own in rows.items() for row in own}
    for kind, name in _BASELINES.items():
        taken = {i: [{**row, **row[kind]} for row in own] for i, own in rows.items()}
        yield line_results(taken, SystemFacts(name, kind, f"matching-{kind}", ""), origin, "", floors)
    if oracle:
        direct = replace(search, pull=0.0)
        facts = SystemFacts("oracle: L_d minimised", "oracle", "matching-oracle", "")
        found = _run(recipe, direct, _Line("oracle"), conditions, "oracle")
        yield line_results(found, facts, origin, "", floors)
    # Systems that learn from pairs learn from the pairs of a benchmark of the same kind.
    like = BenchmarkSettings(settings.instruments, ranges=settings.ranges, seed=settings.seed)
    for system in conditions.open(specs, material, like):
        yield _system_results(recipe, search, system, contents, conditions, origin, floors)


def _system_results(
    recipe: TripletRecipe,
    search: MatchSettings,
    ready: ReadySystem,
    contents: Sequence[Content],
    conditions: Conditions,
    origin: Origin,
    floors: Mapping[tuple[str, int], float],
) -> list[Result]:
    reason = ready.reason
    gradient = search.method != "cma"
    if gradient and ready.source is not None and not isinstance(ready.source.system(), DifferentiableSystem):
        reason = "no gradient passes through it; match it with --method cma"
    found: list[Result] = []
    for content in contents:
        column = f"{content} content"
        if reason is not None or ready.source is None:
            found += missing_results(recipe.settings.instruments, ready.facts, origin, column, str(reason))
            continue
        line = _Line("system", content, ready.source)
        rows = _run(recipe, search, line, conditions, f"{ready.source.spec}, {column}")
        found += line_results(rows, ready.facts, origin, column, floors)
    return found


def _run(
    recipe: TripletRecipe, search: MatchSettings, line: _Line, conditions: Conditions, name: str
) -> dict[str, list[Row]]:
    """Do what is not done yet, and read all of it."""
    count = recipe.settings.triplets
    batches = [tuple(range(first, min(first + BATCH, count))) for first in range(0, count, BATCH)]
    units = [
        _Unit(recipe, search, line, conditions.cache, instrument, indices)
        for instrument in recipe.settings.instruments
        for indices in batches
    ]
    todo = [unit for unit in units if not unit.path.exists()]
    if todo:
        run_units(_match, todo, conditions.jobs, conditions.stage(name))
    found: dict[str, list[Row]] = {}
    for unit in units:
        found.setdefault(unit.instrument, []).extend(_read(unit.path))
    seconds = [row["seconds"] for own in found.values() for row in own if "seconds" in row]
    if todo and seconds:
        conditions.say(f"{name}: {sum(seconds) / len(seconds):.0f} s a triplet and process")
    return found


def _match(unit: _Unit) -> None:
    """One batch, in whatever process; leaves its figures in the cache."""
    rate = unit.recipe.settings.sample_rate
    triplets = [render_triplet(draw_triplet(unit.recipe, unit.instrument, index), rate) for index in unit.indices]
    if unit.line.kind == "baselines":
        rows = baseline_rows(triplets, unit.search, rate, unit.recipe.settings.seed)
    elif unit.line.source is None:
        rows = oracle_rows(triplets, unit.search, rate)
    else:
        rows = system_rows(unit.line.source.system(), triplets, unit.line.content, unit.search, rate)
    write_text(unit.path, json.dumps(rows, indent=1) + "\n")


def _read(path: Path) -> list[Row]:
    try:
        rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read ({problem}); delete it and run again") from problem
    return rows
