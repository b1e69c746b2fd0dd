"""Systems for the tests of the harness: some know everything, some nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from copy import copy

import numpy as np

from fxlens.evaluation.benchmark.recipe import draw_style, generator
from fxlens.evaluation.benchmark.task_clips import ShardClips
from fxlens.evaluation.systems.system import FittedSystem, InstrumentQuery, InstrumentSystem, System


def vector_of(text: str, dims: int = 16) -> np.ndarray:
    """A direction that only the text decides."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=dims).astype(np.float32)


def digest(clip: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(clip).tobytes()).hexdigest()


class Spectrum(System):
    """Log levels of 32 bands of the two channels: crude, but it hears."""

    name, identity, licence = "spectrum", "spectrum-1", "none"

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        power = np.abs(np.fft.rfft(clips, axis=-1)) ** 2
        bands = np.stack([b.mean(axis=-1) for b in np.array_split(power, 32, axis=-1)], axis=-1)
        return np.log(bands + 1e-6).reshape(len(clips), -1).astype(np.float32)


class Noise(InstrumentSystem):
    """Hears nothing."""

    name, identity, licence = "noise", "noise-1", "none"

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        return np.stack([vector_of(digest(clip)) for clip in clips])

    def embed_instrument(
        self, mixtures: np.ndarray, sample_rate: int, queries: Sequence[InstrumentQuery]
    ) -> np.ndarray:
        asked = [[vector_of(f"{digest(clip)} {query.kind}") for query in queries] for clip in mixtures]
        return np.array(asked, dtype=np.float32)


class NotANumber(System):
    name, identity, licence = "broken", "broken-1", "none"

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        return np.full((len(clips), 4), np.nan, dtype=np.float32)


class Learner(FittedSystem):
    """Remembers how many pairs it saw."""

    name, identity, licence = "learner", "learner", "none"

    def fit(self, first: np.ndarray, second: np.ndarray, sample_rate: int) -> None:
        assert first.shape == second.shape
        self.identity = f"learner-{len(first)}-{digest(first)[:8]}"

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        assert "-" in self.identity, "not fitted"
        return Spectrum().embed(clips, sample_rate)


class Told(InstrumentSystem):
    """Is told what it hears: of every clip, the chains of the tracks in it, the target's first."""

    licence = "none"

    name = identity = "told"

    def __init__(self, shards: Sequence[ShardClips]) -> None:
        self._choose: Callable[[list[str]], list[str]] = list
        self._known: dict[tuple[str, str], list[str]] = {}
        for shard in shards:
            names = shard.recipe.settings.instruments
            for side in (0, 1):
                for n in names:
                    for row, clip in enumerate(shard.stem(n, side)):
                        self._known[digest(clip), n] = [self._chain(shard, n, row)]
                    for row, clip in enumerate(shard.controlled(n, side)):
                        rng = generator(shard.recipe, "controlled", n, shard.pool.label, shard.styles[row], side)
                        company = shard.draw_company(n, side, rng)
                        self._known[digest(clip), n] = [self._chain(shard, *t) for t in [(n, row), *company]]
                for row, clip in enumerate(shard.mixture(side)):
                    for n in names:
                        order = [n, *(o for o in names if o != n)]
                        self._known[digest(clip), n] = [self._chain(shard, o, row) for o in order]
        self._first: dict[str, list[str]] = {}
        for (clip_digest, _), tracks in self._known.items():
            self._first.setdefault(clip_digest, tracks)

    def choosing(self, name: str, choose: Callable[[list[str]], list[str]]) -> Told:
        """The same knowledge, of which only a part is given away."""
        other = copy(self)
        other.name = other.identity = name
        other._choose = choose
        return other

    @staticmethod
    def _chain(shard: ShardClips, instrument: str, row: int) -> str:
        return draw_style(shard.recipe, instrument, shard.pool, shard.styles[row]).chain.to_json()

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        tracks = [self._first[digest(clip)] for clip in clips]
        return np.stack([vector_of("+".join(sorted(self._choose(own)))) for own in tracks])

    def embed_instrument(
        self, mixtures: np.ndarray, sample_rate: int, queries: Sequence[InstrumentQuery]
    ) -> np.ndarray:
        return np.array(
            [
                [vector_of("+".join(self._choose(self._known[digest(clip), q.instrument]))) for q in queries]
                for clip in mixtures
            ]
        )


SYSTEMS: dict[str, type[System]] = {"spectrum": Spectrum, "noise": Noise, "broken": NotANumber, "learner": Learner}


def open_listener(spec: str, device: str) -> System:
    return SYSTEMS[spec]()
