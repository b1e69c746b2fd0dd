"""A benchmark in work: rendering its shards and embedding them by systems, in processes, resumable at every shard.

Where the disk has room, all shards are rendered first and kept, and each system reads them. Where it has not, each
shard is rendered, heard by all systems at once and forgotten; the embeddings are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fxlens.dsp.compilation import compile_kernels
from fxlens.evaluation.benchmark.audio_queries import AudioQueries
from fxlens.evaluation.benchmark.embeddings import (
    Arrays,
    Family,
    embed_family,
    embeddings_path,
    joined,
    load_arrays,
    save_arrays,
)
from fxlens.evaluation.benchmark.pools import Pool
from fxlens.evaluation.benchmark.recipe import Recipe
from fxlens.evaluation.benchmark.shard_rendering import load_or_render, render_shard, shard_path, write_shard
from fxlens.evaluation.benchmark.task_clips import ShardClips
from fxlens.evaluation.benchmark.work_pool import run_units
from fxlens.evaluation.systems.system import FittedSystem, System

Opener = Callable[[str, str], System]
Stage = Callable[[str], "Callable[[int, int], None] | None"]
"""Called with the name of a stage of the work; returns what to call with (shards done, shards in all)."""


@dataclass(frozen=True)
class SystemSource:
    """How a process gets a system.

    Args:
        spec: what to open.
        device: where it runs.
        opener: opens it; importable by name.
        identity: of the system once it is ready.
        fitted: the system itself, where it had to be fitted.
    """

    spec: str
    device: str
    opener: Opener
    identity: str
    fitted: FittedSystem | None = field(default=None, compare=False)

    def system(self) -> System:
        """The system, ready to embed."""
        return self.fitted if self.fitted is not None else _opened(self.spec, self.device, self.opener)


@cache
def _opened(spec: str, device: str, opener: Opener) -> System:
    return opener(spec, device)


@dataclass(frozen=True)
class BenchmarkRun:
    """A recipe with a place to work in.

    Args:
        recipe: what to render.
        cache: folder under which every benchmark has its own, named by its recipe.
        queries: recordings to ask with; ``None`` where only whole clips are embedded.
        jobs: processes; no figure depends on it.
        keep_audio: whether rendered shards are kept.
    """

    recipe: Recipe
    cache: Path
    queries: AudioQueries | None = None
    jobs: int = 2
    keep_audio: bool = True

    @property
    def folder(self) -> Path:
        """Where this benchmark's files are."""
        return self.cache / self.recipe.key

    def places(self) -> list[tuple[Pool, int]]:
        """Every shard of every pool."""
        return [(pool, number) for pool in self.recipe.settings.pools for number in range(len(self.recipe.shards()))]

    def path(self, identity: str, family: Family, pool: Pool, number: int) -> Path:
        """Where one system's embeddings of one shard are."""
        return embeddings_path(self.folder, self.recipe, identity, family, self.queries, pool, number)


@dataclass(frozen=True)
class _RenderUnit:
    run: BenchmarkRun
    instrument: str
    pool: Pool
    number: int

    def missing(self) -> bool:
        path = shard_path(self.run.folder, self.run.recipe, self.instrument, self.pool, self.number)
        return not (path.exists() and path.with_suffix(".json").exists())


@dataclass(frozen=True)
class _EmbedUnit:
    run: BenchmarkRun
    sources: tuple[SystemSource, ...]
    families: tuple[Family, ...]
    pool: Pool
    number: int

    def missing(self) -> list[tuple[SystemSource, Family]]:
        return [
            (source, family)
            for source in self.sources
            for family in self.families
            if not self.run.path(source.identity, family, self.pool, self.number).exists()
        ]


def render_all(run: BenchmarkRun, stage: Stage) -> None:
    """Render and keep every shard that is not there yet.

    Raises:
        AudioError: a stem cannot be read.
        OutputError: the cache cannot be written.
    """
    units = [_RenderUnit(run, name, pool, k) for pool, k in run.places() for name in run.recipe.settings.instruments]
    todo = [unit for unit in units if unit.missing()]
    if todo:
        compile_kernels()
        run_units(_render, todo, run.jobs, stage("rendering"))


def embed_all(run: BenchmarkRun, sources: Sequence[SystemSource], families: Sequence[Family], stage: Stage) -> None:
    """Embed every shard by every system, what is there already excepted.

    Raises:
        AudioError: a stem cannot be read.
        OutputError: the cache cannot be written.
    """
    if run.keep_audio:
        if any(_embed_units(run, [source], families) for source in sources):
            render_all(run, stage)
        for source in sources:  # one at a time: each set of processes holds one system only
            run_units(_embed, _embed_units(run, [source], families), run.jobs, stage(source.spec))
    elif sources:
        compile_kernels()
        told = f"rendering and {len(sources)} system(s)"
        run_units(_embed, _embed_units(run, sources, families), run.jobs, stage(told))


def load_pool(run: BenchmarkRun, source: SystemSource, families: Sequence[Family], pool: Pool) -> dict[Family, Arrays]:
    """Embeddings of all styles of a pool, by family; see :mod:`fxlens.evaluation.benchmark.embeddings`."""
    shards = range(len(run.recipe.shards()))
    return {f: joined([load_arrays(run.path(source.identity, f, pool, k)) for k in shards]) for f in families}


def _embed_units(run: BenchmarkRun, sources: Sequence[SystemSource], families: Sequence[Family]) -> list[_EmbedUnit]:
    units = [_EmbedUnit(run, tuple(sources), tuple(families), pool, number) for pool, number in run.places()]
    return [unit for unit in units if unit.missing()]


def _render(unit: _RenderUnit) -> None:
    recipe = unit.run.recipe
    path = shard_path(unit.run.folder, recipe, unit.instrument, unit.pool, unit.number)
    write_shard(path, render_shard(recipe, unit.instrument, unit.pool, unit.number), recipe.settings.sample_rate)


def _embed(unit: _EmbedUnit) -> None:
    shard = shard_clips(unit.run, unit.pool, unit.number)
    for source, family in unit.missing():
        arrays = embed_family(family, source.system(), shard, unit.run.queries)
        save_arrays(unit.run.path(source.identity, family, unit.pool, unit.number), arrays)


def shard_clips(run: BenchmarkRun, pool: Pool, number: int) -> ShardClips:
    """One shard of all instruments, from the cache or rendered."""
    names = run.recipe.settings.instruments
    shards = {n: load_or_render(run.folder, run.recipe, n, pool, number, run.keep_audio) for n in names}
    return ShardClips(run.recipe, pool, number, shards)
