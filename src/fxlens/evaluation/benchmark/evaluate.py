"""The evaluations on rendered benchmarks, from stems and specs of systems to results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from fxlens.errors import UsageError
from fxlens.evaluation.benchmark.audio_queries import AudioQueries, draw_audio_queries
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, Recipe, make_recipe
from fxlens.evaluation.benchmark.renderer import Renderer
from fxlens.evaluation.benchmark.run import embed_all
from fxlens.evaluation.benchmark.scoring import Task, extraction_tasks, families_of, retrieval_tasks, score_system
from fxlens.evaluation.benchmark.system_opening import ReadySystem
from fxlens.evaluation.results import Origin, Result

Protocol = Literal["retrieval", "extraction"]


def evaluate_benchmark(
    protocol: Protocol,
    material: Material,
    settings: BenchmarkSettings,
    specs: Sequence[str],
    conditions: Conditions,
    command: str = "",
    renderer: Renderer | None = None,
) -> Iterator[list[Result]]:
    """Render what is missing, embed it and score it.

    Args:
        protocol: ``retrieval`` (stems and mixtures) or ``extraction`` (one instrument inside a mixture).
        material: the songs.
        settings: the benchmark.
        specs: the systems.
        conditions: how to work.
        command: the command line, for the results.
        renderer: applies the chains instead of fxlens. Systems that are fitted learn from chains that fxlens applied.

    Yields:
        The results of one system after the other, those of systems that cannot be had among them.

    Raises:
        DataError: too few songs of an instrument, or an embedding that is not finite.
        UsageError: extraction of one instrument alone.
        AudioError: a stem cannot be read.
        OutputError: the cache cannot be written.
    """
    if protocol == "extraction" and len(settings.instruments) < 2:
        raise UsageError("an instrument can only be found in company: extraction needs two instruments or more")
    recipe = make_recipe(material.evaluation, settings, renderer)
    queries = draw_audio_queries(recipe, material.others) if protocol == "extraction" else None
    run = conditions.run(recipe, queries)
    conditions.say(recipe.statement() + ("" if run.keep_audio else "; clips are not kept"))
    origin = origin_of(material, recipe, command)

    ready = conditions.open(specs, material, settings)
    tasks = [tasks_of(protocol, settings.instruments, system) for system in ready]
    if not run.keep_audio:
        sources = [system.source for system in ready if system.source is not None]
        needed = families_of([task for own in tasks for task in own])
        embed_all(run, sources, needed, conditions.stage)
    for system, own in zip(ready, tasks, strict=True):
        if run.keep_audio and system.source is not None:
            embed_all(run, [system.source], families_of(own), conditions.stage)
        yield [_noted(result, queries) for result in score_system(run, system, own, origin)]


def _noted(result: Result, queries: AudioQueries | None) -> Result:
    """Say which recordings asked."""
    if queries is None or not result.column.startswith("audio query"):
        return result
    return replace(result, notes={"audio query": queries.statement(result.instrument)})


def tasks_of(protocol: Protocol, instruments: Sequence[str], system: ReadySystem) -> list[Task]:
    """What one system is tried in."""
    if protocol == "retrieval":
        return retrieval_tasks(instruments)
    return extraction_tasks(instruments, asked=not system.separates)


def origin_of(material: Material, recipe: Recipe, command: str) -> Origin:
    """Where the figures of a benchmark come from."""
    told = recipe.settings.told()
    if recipe.renderer is not None:
        told["renderer"] = recipe.renderer.identity
    return Origin(recipe.settings.seed, material.manifest_sha256, told, recipe.songs(), command=command)
