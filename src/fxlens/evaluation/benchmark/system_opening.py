"""Getting systems ready: opened, and fitted on pairs of training songs where they have to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fxlens.data.manifest import Stem
from fxlens.errors import DataError, FxLensError
from fxlens.evaluation.benchmark.embeddings import separates
from fxlens.evaluation.benchmark.instrument_stems import instruments_with_songs
from fxlens.evaluation.benchmark.pools import balanced_pool
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, make_recipe
from fxlens.evaluation.benchmark.run import BenchmarkRun, Opener, Stage, SystemSource, render_all, shard_clips
from fxlens.evaluation.results import SystemFacts
from fxlens.evaluation.systems.system import FittedSystem

PAIRS = 200
_OTHER_SEED = 1_000_003  # training pairs must not have the chains of the evaluation

Pairs = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class ReadySystem:
    """A system that can be evaluated, or the reason why it cannot.

    Args:
        facts: for results.
        source: how a process gets it; ``None`` if it cannot be had.
        separates: whether it takes an instrument out of the mixture first; asking by name and by sound is then one.
        reason: why it cannot be had.
    """

    facts: SystemFacts
    source: SystemSource | None
    separates: bool = False
    reason: str | None = None


def open_systems(
    specs: Sequence[str],
    opener: Opener,
    device: str,
    pairs: Callable[[], Pairs],
    on_failure: Callable[[str], None],
    sample_rate: int = 44100,
) -> list[ReadySystem]:
    """Open every system once, to know what it is called and whether it is there.

    Args:
        specs: see :func:`fxlens.evaluation.systems.registry.open_system`.
        opener: that function, or another of its kind.
        device: where networks run.
        pairs: makes the training pairs ``[N, 2, T]`` twice; called if a system asks for them.
        on_failure: told why a system cannot be had; the others go on.
        sample_rate: Hz of the pairs.
    """
    ready: list[ReadySystem] = []
    made: list[Pairs] = []
    for spec in specs:
        try:
            system = opener(spec, device)
            fitted = None
            if isinstance(system, FittedSystem):
                made = made or [pairs()]
                first, second = made[0]
                system.fit(first, second, sample_rate)
                fitted = system
        except FxLensError as error:
            on_failure(f"{spec}: {error}")
            # "+": a separator, whose results have other columns.
            ready.append(ReadySystem(SystemFacts.unavailable(spec), None, "+" in spec, str(error)))
            continue
        source = SystemSource(spec, device, opener, system.identity, fitted)
        ready.append(ReadySystem(SystemFacts.of(system, spec), source, separates(system)))
    return ready


def training_pairs(stems: Sequence[Stem], settings: BenchmarkSettings, cache: Path, jobs: int, stage: Stage) -> Pairs:
    """Render pairs as a benchmark's, of training songs and of other chains: stems of every instrument and mixtures.

    Args:
        stems: of training songs only.
        settings: of the benchmark; its instruments are used where two training songs have them, otherwise all that
            two training songs have.
        cache: where the audio is kept.
        jobs: processes.
        stage: see :mod:`fxlens.evaluation.benchmark.run`.

    Raises:
        DataError: there are not two training songs of any instrument.
    """
    there = instruments_with_songs(stems, settings.seconds)
    names = tuple(n for n in settings.instruments if n in there) or there
    if not names:
        raise DataError(
            "it learns from training songs, and the manifests have no instrument in two of them; "
            "add a manifest with songs of split train"
        )
    counts = sorted({n for pool in settings.pools for n in pool.counts})
    styles = max(2, -(-PAIRS // (len(names) + (len(names) > 1))))
    seed = settings.seed + _OTHER_SEED
    wanted = replace(settings, instruments=names, pools=balanced_pool(counts), styles=styles, seed=seed)
    run = BenchmarkRun(make_recipe(stems, wanted), cache, jobs=jobs)
    render_all(run, stage)
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for pool, number in run.places():
        shard = shard_clips(run, pool, number)
        for side, clips in enumerate(sides):
            for name in names:
                clips.extend(shard.stem(name, side))
            if len(names) > 1:
                clips.extend(shard.mixture(side))
    return np.stack(sides[0]), np.stack(sides[1])
