"""The renderer that runs beside training, and the single-effect validation pairs."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fxlens.data.dataset import REMAINDER
from fxlens.data.manifest import Multitrack, Stem, load_manifest
from fxlens.data.style_block import StemShelf, draw_block, render_block
from fxlens.data.style_pool import block_path, fill_pool, load_rooms, read_block, write_block
from fxlens.effects.sampling import TRAINING_TYPES, draw_chain
from fxlens.errors import DataError
from fxlens.training.settings import TrainSettings


def load_stems(manifests: Sequence[Path], split: str) -> list[Stem]:
    """All stems of the songs of one split.

    Raises:
        DataError: there are none.
    """
    songs: list[Multitrack] = [song for path in manifests for song in load_manifest(path) if song.split == split]
    stems = [stem for song in songs for stem in song.stems]
    if not stems:
        names = ", ".join(str(m) for m in manifests) or "no manifest given"
        raise DataError(f"no stems of split {split!r} in {names}; run `fxlens data prepare` first")
    return stems


def pool_weights(shelf: StemShelf, weights: Mapping[str, float]) -> dict[str, float]:
    """How often each instrument is rendered: as told, else 1; instruments of a single song are left out.

    Raises:
        DataError: nothing is left.
    """
    usable = [n for n in shelf.instruments() if n == REMAINDER or shelf.song_count(n) >= 2]
    if not usable:
        raise DataError("no instrument has stems of two songs or more; content could not be told from effects")
    return {name: float(weights.get(name, 1.0)) for name in usable}


class BackgroundRenderer:
    """Fills the pool in processes of their own, in the order in which training asks for blocks.

    Use as a context manager; leaving it ends the processes. A block half written is left nowhere.
    """

    def __init__(self, folder: Path, settings: TrainSettings) -> None:
        self.folder, self.settings = folder, settings
        self._processes: list[multiprocessing.process.BaseProcess] = []

    def __enter__(self) -> BackgroundRenderer:
        context = multiprocessing.get_context("spawn")
        jobs = self.settings.material.render_jobs
        for job in range(jobs):
            share = (self.folder, self.settings, job, jobs, os.getpid())
            process = context.Process(target=_render_share, args=share, daemon=True)
            process.start()
            self._processes.append(process)
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            process.terminate()
            process.join(10)

    def check(self) -> None:
        """Raise when a renderer has died, instead of waiting for its blocks for ever.

        Raises:
            DataError: its exit code; what it had to say is on stderr.
        """
        for process in self._processes:
            if process.exitcode not in (None, 0):
                raise DataError(f"the renderer stopped with exit code {process.exitcode}; see its message above")


def _render_share(folder: Path, settings: TrainSettings, job: int, jobs: int, parent: int) -> None:
    if hasattr(os, "nice"):
        os.nice(5)  # training goes first where cores are short
    material = settings.material
    shelf = StemShelf(load_stems(material.manifests, "train"))
    fill_pool(
        folder,
        shelf,
        settings.block,
        settings.seed,
        pool_weights(shelf, material.instrument_weights),
        _while_parent_lives(range(job, settings.batch.total_blocks, jobs), parent),
        load_rooms(material.rooms, settings.block.sample_rate),
    )


def _while_parent_lives(numbers: Iterable[int], parent: int) -> Iterator[int]:
    """A killed trainer cannot end its renderer, so the renderer looks after itself."""
    for number in numbers:
        if os.getppid() != parent:
            return
        yield number


def validation_pairs(folder: Path, settings: TrainSettings) -> dict[str, np.ndarray]:
    """Render, or read, pairs whose chains hold one effect only, of songs of split ``validation``.

    Returns:
        Effect type -> float32 ``[blocks * chains, 2, 2, T]``. Gain is left out: alone it cannot be heard.
    """
    shelf = StemShelf(load_stems(settings.material.manifests, "validation"))
    names = [n for n in sorted(pool_weights(shelf, {})) if n != REMAINDER]
    pairs: dict[str, np.ndarray] = {}
    for e, effect in enumerate(t for t in TRAINING_TYPES if t != "gain"):
        clips = []
        for b in range(settings.validation_blocks):
            place, number = folder / effect, b
            if not block_path(place, number).with_suffix(".json").exists():
                rng = np.random.default_rng(np.random.SeedSequence([settings.seed, e, b, 0x7A11D]))
                plan = draw_block(shelf, names[(e + b) % len(names)], int(rng.integers(2**62)), settings.block)
                chains = tuple(draw_chain(rng, n_effects=1, types=(effect,)) for _ in plan.chains)
                alone = replace(plan, chains=chains)
                write_block(place, number, render_block(alone, settings.block))
            block = read_block(place, number)
            clips += [np.stack([block.wet(c, k) for k in (0, 1)]) for c in range(len(block.scale))]
        pairs[effect] = np.stack(clips)
    return pairs
