"""The evaluations on rendered benchmarks, from stems and specs of systems to results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fxlens.errors import UsageError
from fxlens.evaluation.benchmark.audio_queries import AudioQueries, draw_audio_queries
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, Recipe, make_recipe
from fxlens.evaluation.benchmark.renderer import Renderer
from fxlens.evaluation.benchmark.run import BenchmarkRun, Opener, Stage, embed_all
from fxlens.evaluation.benchmark.scoring import Task, extraction_tasks, families_of, retrieval_tasks, score_system
from fxlens.evaluation.benchmark.shard_rendering import fits_on_disk
from fxlens.evaluation.benchmark.system_opening import ReadySystem, open_systems, training_pairs
from fxlens.evaluation.results import Origin, Result
from fxlens.evaluation.systems.registry import open_system

Protocol = Literal["retrieval", "extraction"]


@dataclass(frozen=True)
class Conditions:
    """How to work; no figure depends on it.

    Args:
        cache: where clips and embeddings are kept.
        jobs: processes.
        device: where networks run.
        keep_audio: whether rendered clips are kept; ``None`` if the disk has room.
        opener: opens systems by their specs; importable by name.
        stage: called with the name of a stage of the work; returns a progress callback or ``None``.
        say: called with what the user should know.
    """

    cache: Path
    jobs: int = 2
    device: str = "cpu"
    keep_audio: bool | None = None
    opener: Opener = open_system
    stage: Stage = lambda _: None
    say: Callable[[str], None] = lambda _: None


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
    keep = fits_on_disk(recipe, conditions.cache) if conditions.keep_audio is None else conditions.keep_audio
    run = BenchmarkRun(recipe, conditions.cache, queries, conditions.jobs, keep)
    conditions.say(recipe.statement() + ("" if keep else "; clips are not kept"))
    origin = origin_of(material, recipe, command)

    ready = open_systems(
        specs,
        conditions.opener,
        conditions.device,
        lambda: training_pairs(material.training, settings, conditions.cache, conditions.jobs, conditions.stage),
        conditions.say,
    )
    tasks = [tasks_of(protocol, settings.instruments, system) for system in ready]
    if not keep:
        sources = [system.source for system in ready if system.source is not None]
        needed = families_of([task for own in tasks for task in own])
        embed_all(run, sources, needed, conditions.stage)
    for system, own in zip(ready, tasks, strict=True):
        if keep and system.source is not None:
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
