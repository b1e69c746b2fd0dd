"""The sensitivity of systems, from stems and specs to results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxlens.dsp.compilation import compile_kernels
from fxlens.errors import DataError
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.embeddings import load_arrays, save_arrays
from fxlens.evaluation.benchmark.instrument_stems import stems_of_instrument, usable_stems
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings
from fxlens.evaluation.benchmark.run import SystemSource
from fxlens.evaluation.benchmark.system_opening import ReadySystem
from fxlens.evaluation.benchmark.work_pool import run_units
from fxlens.evaluation.results import Origin, Result
from fxlens.evaluation.sensitivity.rank_correlation import interval_of_mean, rank_correlations
from fxlens.evaluation.sensitivity.settings import (
    UNIT_STEPS,
    SensitivityRecipe,
    SensitivitySettings,
    embed_base,
    embeddings_file,
    parameter_names,
)

ALL = "all parameters"
"""Pool of an effect's mean over its parameters."""


@dataclass(frozen=True)
class _Unit:
    recipe: SensitivityRecipe
    source: SystemSource
    cache: Path
    type: str
    number: int

    @property
    def path(self) -> Path:
        return embeddings_file(self.cache, self.recipe, self.source.identity, self.type, self.number)


def evaluate_sensitivity(
    material: Material,
    settings: SensitivitySettings,
    specs: Sequence[str],
    conditions: Conditions,
    command: str = "",
) -> Iterator[list[Result]]:
    """Embed every step of every parameter, and correlate.

    Args:
        material: the songs.
        settings: what is tried.
        specs: the systems.
        conditions: how to work.
        command: the command line, for the results.

    Yields:
        The results of one system after the other: a figure for every parameter and every effect.

    Raises:
        DataError: no stem of an instrument, or an embedding that is not finite.
        AudioError: a stem cannot be read.
        OutputError: the cache cannot be written.
    """
    recipe = make_sensitivity_recipe(material, settings)
    songs = {name: sorted({s.song for s in own}) for name, own in recipe.stems.items()}
    origin = Origin(settings.seed, material.manifest_sha256, settings.told(), songs, command=command)
    # Systems that learn from pairs learn from the pairs of a benchmark of the same kind.
    like = BenchmarkSettings(settings.instruments, ranges=settings.ranges, seed=settings.seed)
    for system in conditions.open(specs, material, like):
        if system.source is not None:
            _embed_all(recipe, system.source, conditions)
        yield _score(recipe, system, conditions.cache, origin)


def make_sensitivity_recipe(material: Material, settings: SensitivitySettings) -> SensitivityRecipe:
    """Choose the stems of every instrument.

    Raises:
        DataError: there is none of an instrument.
    """
    stems = {}
    for name in settings.instruments:
        own = stems_of_instrument(usable_stems(material.evaluation, settings.seconds), name)
        if not own:
            raise DataError(f"{name}: no stem of it to evaluate on; leave it out, or add a manifest that has one")
        stems[name] = tuple(sorted(own, key=lambda s: (s.song, s.name)))
    return SensitivityRecipe(settings, stems)


def _embed_all(recipe: SensitivityRecipe, source: SystemSource, conditions: Conditions) -> None:
    settings = recipe.settings
    units = [
        _Unit(recipe, source, conditions.cache, type, number)
        for type in settings.types
        for number in range(settings.bases)
    ]
    todo = [unit for unit in units if not unit.path.exists()]
    if todo:
        compile_kernels()
        run_units(_embed, todo, conditions.jobs, conditions.stage(source.spec))


def _embed(unit: _Unit) -> None:
    embedded = embed_base(unit.recipe, unit.type, unit.number, unit.source.system().embed)
    save_arrays(unit.path, {"steps": embedded})


def _score(recipe: SensitivityRecipe, ready: ReadySystem, cache: Path, origin: Origin) -> list[Result]:
    settings, found = recipe.settings, []
    for type in settings.types:
        task = f"sensitivity/{type}"
        if ready.source is None:
            found.append(Result("sensitivity", task, ready.facts, origin, pool=ALL, missing=ready.reason))
            continue
        files = [embeddings_file(cache, recipe, ready.source.identity, type, k) for k in range(settings.bases)]
        steps = np.stack([np.asarray(load_arrays(file)["steps"]) for file in files])  # [bases, parameters, steps, D]
        try:
            judged = [rank_correlations(steps[:, p], UNIT_STEPS) for p in range(steps.shape[1])]
        except DataError as error:
            raise DataError(f"{ready.facts.name}, {type}: {error}") from error
        names = parameter_names(type, settings.ranges)
        together = (np.mean([rho for rho, _ in judged], axis=0), np.mean([ends for _, ends in judged], axis=0))
        for name, (rho, ends) in [(ALL, together), *zip(names, judged, strict=True)]:
            interval = interval_of_mean(rho, settings.seed)
            found.append(
                Result(
                    "sensitivity",
                    task,
                    ready.facts,
                    origin,
                    pool=name,
                    metrics={"rho": float(rho.mean()), "distance": float(ends.mean())},
                    intervals={"rho": interval, "distance": interval_of_mean(ends, settings.seed)},
                    chance={"rho": 0.0},
                    counts={"bases": settings.bases, "steps": steps.shape[2]},
                )
            )
    return found
