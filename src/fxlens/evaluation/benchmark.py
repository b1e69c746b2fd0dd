"""Retrieval benchmarks: a recipe (stems, settings, seed), rendered once into a cache.

For every instrument, S *styles* are drawn: a chain with 1 ... 8 audible effects (balanced) and two excerpts of
different songs. From these wet stems come all tasks:

* ``stem``: the query clip of style i against the target clips of all styles;
* ``mixture``: style i of every instrument, summed: all chains shared by query and target;
* ``extract``: a target instrument's style i in company. Controlled: the company of query and target are other
  clips with other chains and levels, so that only the target's effects can link the two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fxlens.audio.loudness import integrated_loudness, normalize_loudness
from fxlens.data.excerpts import draw_excerpt, load_excerpt
from fxlens.data.manifest import Stem
from fxlens.data.mixture import draw_track_levels, mix
from fxlens.data.style_block import CHAIN_INPUT_LUFS
from fxlens.effects.processor import Range
from fxlens.effects.sampling import draw_chain
from fxlens.errors import DataError


@dataclass(frozen=True)
class BenchmarkSettings:
    """A benchmark's recipe, apart from the stems.

    Args:
        instruments: canonical classes; each needs stems of two songs.
        styles: candidates of every task.
        seconds: length of a clip.
        effects: numbers of effects, balanced over the styles.
        ranges: parameter ranges of the chains.
        company: other instruments in an extraction mixture.
    """

    instruments: tuple[str, ...]
    styles: int = 500
    seconds: float = 10.0
    effects: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    ranges: Range = "default"
    company: int = 2
    seed: int = 0
    sample_rate: int = 44100


class Benchmark:
    """A rendered benchmark. Built by :func:`build_benchmark`."""

    def __init__(self, folder: Path, settings: BenchmarkSettings) -> None:
        self.folder, self.settings = folder, settings
        self._clips: dict[str, np.ndarray] = {}
        self._lufs: dict[str, np.ndarray] = {}
        self.songs: dict[str, list[tuple[str, str]]] = {}
        for name in settings.instruments:
            place = folder / name.replace(" ", "_")
            self._clips[name] = np.load(place.with_suffix(".npy"), mmap_mode="r")
            header = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
            self._lufs[name] = np.array(header["lufs"])
            self.songs[name] = [tuple(s) for s in header["songs"]]

    def effect_counts(self) -> np.ndarray:
        """Number of audible effects of every style, ``[styles]``."""
        counts = self.settings.effects
        return np.array([counts[i % len(counts)] for i in range(self.settings.styles)])

    def stem(self, instrument: str, side: int) -> Iterator[np.ndarray]:
        """Clips ``[2, T]`` of one instrument at -18 LUFS; side 0 are queries, side 1 targets."""
        for i in range(self.settings.styles):
            yield self._mix([(instrument, i)], side, np.array([-16.0]))

    def mixture(self, side: int) -> Iterator[np.ndarray]:
        """Mixtures of all instruments, style i of each; levels differ between query and target."""
        for i in range(self.settings.styles):
            rng = self._rng(1, i, side)
            tracks = [(name, i) for name in self.settings.instruments]
            yield self._mix(tracks, side, draw_track_levels(rng, len(tracks)))

    def extraction(self, target: str, side: int, controlled: bool = True) -> Iterator[np.ndarray]:
        """Style i of the target in company."""
        s = self.settings
        others = [n for n in s.instruments if n != target]
        for i in range(s.styles):
            rng = self._rng(2, i, side if controlled else 0)
            chosen = rng.choice(len(others), size=min(s.company, len(others)), replace=False)
            # Another style than i: the company's chains must say nothing about the target's.
            shift = rng.integers(1, s.styles, size=len(chosen))
            company = [(others[int(o)], int((i + d) % s.styles)) for o, d in zip(chosen, shift, strict=True)]
            levels = draw_track_levels(self._rng(3, i, side), 1 + len(company))
            yield self._mix([(target, i), *company], side, levels)

    def dry_song(self, instrument: str, side: int, style: int) -> str:
        """Song of a clip."""
        return self.songs[instrument][style][side]

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self.settings.seed, 0xE7A1, *key]))

    def _mix(self, tracks: Sequence[tuple[str, int]], side: int, levels: np.ndarray) -> np.ndarray:
        clips, lufs = [], []
        for name, i in tracks:
            stored = self._clips[name][i, side].astype(np.float32)
            clips.append(stored / 32767.0)
            lufs.append(float(self._lufs[name][i, side]))
        return mix(clips, lufs, levels, self.settings.sample_rate)


def build_benchmark(stems: Sequence[Stem], settings: BenchmarkSettings, cache: Path, jobs: int = 2) -> Benchmark:
    """Render a benchmark, or open it where it has been rendered before.

    Args:
        stems: of evaluation songs only.
        settings: the recipe.
        cache: folder under which benchmarks are kept, each under the hash of its recipe and stems.
        jobs: processes; the result does not depend on it.

    Raises:
        DataError: an instrument has stems of fewer than two songs.
    """
    key = json.dumps([asdict(settings), sorted((s.song, s.name, s.sha256) for s in stems)])
    folder = cache / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for name in settings.instruments:
        place = folder / name.replace(" ", "_")
        if place.with_suffix(".json").exists():
            continue
        own = [s for s in stems if s.instrument == name]
        songs = sorted({s.song for s in own})
        if len(songs) < 2:
            raise DataError(f"{name}: {len(songs)} song(s) to evaluate on; retrieval needs at least 2")
        samples = round(settings.seconds * settings.sample_rate)
        part = place.with_suffix(".part.npy")
        shape = (settings.styles, 2, 2, samples)
        clips = np.lib.format.open_memmap(part, mode="w+", dtype=np.int16, shape=shape)
        lufs = np.zeros((settings.styles, 2))
        names: list[list[str]] = []
        work = [(own, settings, name, i) for i in range(settings.styles)]
        with ProcessPoolExecutor(jobs) as pool:
            for i, (pair, loudness, pair_songs) in enumerate(pool.map(_render_style, work, chunksize=4)):
                clips[i], lufs[i] = pair, loudness
                names.append(pair_songs)
        clips.flush()
        del clips
        part.replace(place.with_suffix(".npy"))
        header = place.with_suffix(".json.part")
        header.write_text(json.dumps({"lufs": lufs.tolist(), "songs": names}), encoding="utf-8")
        header.replace(place.with_suffix(".json"))
    return Benchmark(folder, settings)


def _render_style(
    work: tuple[list[Stem], BenchmarkSettings, str, int],
) -> tuple[np.ndarray, list[float], list[str]]:
    own, settings, name, index = work
    tag = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, tag, index]))
    songs = sorted({s.song for s in own})
    first, second = rng.choice(len(songs), size=2, replace=False)
    count = settings.effects[index % len(settings.effects)]
    chain = draw_chain(rng, n_effects=count, ranges=settings.ranges)
    pair, lufs, used = [], [], []
    samples = round(settings.seconds * settings.sample_rate)
    for song in (songs[first], songs[second]):
        choice = sorted((s for s in own if s.song == song), key=lambda s: s.name)
        stem = choice[int(rng.integers(len(choice)))]
        audio = load_excerpt(draw_excerpt(stem, settings.seconds, rng), settings.sample_rate)
        audio, _ = normalize_loudness(audio, settings.sample_rate, CHAIN_INPUT_LUFS)
        wet = np.zeros((2, samples), dtype=np.float32)
        out = chain.apply(np.asarray(audio, dtype=np.float32), settings.sample_rate)[:, :samples]
        wet[:, : out.shape[1]] = out
        wet /= max(float(np.abs(wet).max()), 1e-9)
        pair.append(np.round(wet * 32767.0).astype(np.int16))
        lufs.append(float(integrated_loudness(wet, settings.sample_rate)))
        used.append(song)
    return np.stack(pair), lufs, used
