"""How evaluations work: where things are kept, on what, by how many, and whom to tell. No figure depends on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fxlens.evaluation.benchmark.audio_queries import AudioQueries
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, Recipe
from fxlens.evaluation.benchmark.run import BenchmarkRun, Opener, Stage
from fxlens.evaluation.benchmark.shard_rendering import fits_on_disk
from fxlens.evaluation.benchmark.system_opening import ReadySystem, open_systems, training_pairs
from fxlens.evaluation.systems.registry import open_system


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

    def run(self, recipe: Recipe, queries: AudioQueries | None = None) -> BenchmarkRun:
        """A benchmark under these conditions."""
        keep = fits_on_disk(recipe, self.cache) if self.keep_audio is None else self.keep_audio
        return BenchmarkRun(recipe, self.cache, queries, self.jobs, keep)

    def open(self, specs: Sequence[str], material: Material, like: BenchmarkSettings) -> list[ReadySystem]:
        """Open systems; those that are fitted learn from training songs.

        Args:
            specs: see :func:`fxlens.evaluation.systems.registry.open_system`.
            material: the songs.
            like: a benchmark whose pairs they learn from are of the same kind, with effects by fxlens.
        """
        return open_systems(
            specs,
            self.opener,
            self.device,
            lambda: training_pairs(material.training, like, self.cache, self.jobs, self.stage),
            self.say,
        )
