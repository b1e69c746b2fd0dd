"""A style block: what one instrument contributes to a contrastive batch.

A block holds C chains (graded hard negatives of one another), each applied to the same two contents, and a dry
excerpt of a third content for audio queries:

    wet[c, k] = chain c on content k     c = 0..C-1,  k = 0, 1

Same chain, other content: a positive pair. Same content, other chain: a hard negative. The two contents come from
different songs where the instrument has them, so that music can never be what makes two views alike. And the two may
be rendered in different dialects (:mod:`fxlens.data.dialects.dialect`), so that nor can an implementation be. A dialect
belongs to a content, not to a chain: within a block only the effects themselves tell near twins apart.

The block is a pure function of (stems, instrument, seed, settings): :func:`draw_block` draws, :func:`render_block`
applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fxlens.audio.loudness import integrated_loudness, normalize_loudness
from fxlens.data.codecs import check_codecs, through_codec
from fxlens.data.dialects.dialect import NUMBERS, moves_the_image, render_in_dialect
from fxlens.data.excerpts import Excerpt, draw_excerpt, load_excerpt
from fxlens.data.manifest import Stem
from fxlens.data.past import Past, PastSettings, draw_past
from fxlens.effects.chain import EffectChain
from fxlens.effects.processor import Range
from fxlens.effects.recorded_rooms import RecordedRooms
from fxlens.effects.sampling import Grade, RoomDraw, draw_chain, hard_negative
from fxlens.errors import ConfigError, DataError

CHAIN_INPUT_LUFS = -18.0
"""Every dry excerpt meets its chain at this loudness, so that thresholds mean the same for all recordings."""

GRADES: tuple[Grade, ...] = ("effect", "parameter", "other", "order")
"""Grades of the hard negatives of a block; which of them come first is drawn."""


@dataclass(frozen=True)
class BlockSettings:
    """What a block is made of.

    Args:
        seconds: length of every excerpt.
        chains: chains per block (1 + hard negatives).
        grades: what the hard negatives are, see :func:`fxlens.effects.sampling.hard_negative`.
        n_effects: smallest and largest number of audible effects.
        paper_range_share: share of blocks drawn from the paper's parameter ranges instead of the wider default.
        other_song_share: share of blocks whose second content is of another song, where there is one.
        recorded_room_share: share of reverbs that have a recorded room, where rooms are given.
        real_share: share of contents taken from recordings rather than synthesised stems, where both exist.
        dialect_share: share of blocks rendered in drawn dialects, one for each content; the others in fxlens' own.
        same_dialect_share: share of these whose two contents have one dialect after all.
        codec_share: share of wet clips that pass a lossy codec, each by itself.
        codecs: those they pass, all equally often; see :data:`fxlens.data.codecs.CODECS`.
        past: what contents have been through before.
        sample_rate: Hz.
    """

    seconds: float = 5.0
    chains: int = 4
    grades: tuple[Grade, ...] = GRADES
    n_effects: tuple[int, int] = (1, 8)
    paper_range_share: float = 0.4
    other_song_share: float = 0.75
    recorded_room_share: float = 0.4
    real_share: float = 0.5
    dialect_share: float = 0.0
    same_dialect_share: float = 0.0
    codec_share: float = 0.0
    codecs: tuple[str, ...] = ("mp3-64", "mp3-96", "mp3-128", "mp3-192", "ogg-64", "ogg-96", "ogg-128", "ogg-192")
    past: PastSettings = PastSettings()
    sample_rate: int = 44100

    def __post_init__(self) -> None:
        check_codecs(self.codecs, "block.codecs")
        if self.codec_share > 0.0 and not self.codecs:
            raise ConfigError("block.codecs is empty, but block.codec_share is not 0")
        if self.chains > 1 and not self.grades:
            raise ConfigError("block.grades is empty, but block.chains asks for hard negatives")


@dataclass(frozen=True)
class BlockPlan:
    """Everything that was drawn for a block; rendering adds no randomness.

    Attributes:
        dialects: of each content; None is fxlens' own.
        codecs: by chain and content; None is none.
        pasts: of each content, and of the query.
    """

    instrument: str
    contents: tuple[Excerpt, Excerpt]
    query: Excerpt
    chains: tuple[EffectChain, ...]
    seed: int
    dialects: tuple[int | None, int | None]
    codecs: tuple[tuple[str | None, str | None], ...]
    pasts: tuple[Past, Past, Past]


@dataclass
class StyleBlock:
    """A rendered block.

    Attributes:
        wet: float32 ``[C, 2, 2, T]``: chain, content, channel, sample.
        wet_lufs: ``[C, 2]`` integrated loudness of each clip.
        dry: float32 ``[2, T]``, the query excerpt.
    """

    instrument: str
    wet: np.ndarray
    wet_lufs: np.ndarray
    dry: np.ndarray
    info: dict[str, object] = field(default_factory=dict)


class StemShelf:
    """Stems of a set of songs, grouped by instrument and by whether they are recordings or synthesised."""

    def __init__(self, stems: Sequence[Stem], minimum_active_seconds: float = 8.0) -> None:
        self._groups: dict[str, dict[bool, dict[str, list[Stem]]]] = {}
        for stem in stems:
            if sum(end - start for start, end in stem.active) < minimum_active_seconds:
                continue
            songs = self._groups.setdefault(stem.instrument, {}).setdefault(stem.dry, {})
            songs.setdefault(stem.song, []).append(stem)
        for groups in self._groups.values():
            for songs in groups.values():
                for items in songs.values():
                    items.sort(key=lambda s: s.name)

    def instruments(self) -> list[str]:
        """Instruments with at least one usable stem, sorted."""
        return sorted(self._groups)

    def song_count(self, instrument: str) -> int:
        return sum(len(songs) for songs in self._groups.get(instrument, {}).values())

    def draw(self, instrument: str, rng: np.random.Generator, real_share: float, avoid_song: str | None = None) -> Stem:
        """Draw kind, then song, then stem; songs count equally however many stems they have.

        Raises:
            DataError: there is no stem of that instrument.
        """
        groups = self._groups.get(instrument)
        if not groups:
            raise DataError(f"no stem of {instrument!r}; there are: {', '.join(self.instruments())}")
        real_first = rng.random() < real_share
        kinds = [k for k in (not real_first, real_first) if k in groups]  # dry=False is a recording
        for kind in kinds:
            songs = sorted(s for s in groups[kind] if s != avoid_song)
            if songs:
                stems = groups[kind][songs[rng.integers(len(songs))]]
                return stems[rng.integers(len(stems))]
        songs_left = groups[kinds[0]]
        stems = songs_left[sorted(songs_left)[0]]
        return stems[rng.integers(len(stems))]


def draw_block(
    shelf: StemShelf,
    instrument: str,
    seed: int,
    settings: BlockSettings,
    probabilities: Mapping[str, float] | None = None,
    rooms: RecordedRooms | None = None,
) -> BlockPlan:
    """Draw contents, chains, dialects and codecs of one block.

    Args:
        shelf: where contents come from.
        instrument: canonical instrument class.
        seed: the same seed and shelf give the same plan.
        settings: see :class:`BlockSettings`.
        probabilities: per effect type, from the Fx probability schedule; None draws all alike.
        rooms: recorded rooms that reverbs may have.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xB10C]))
    first = shelf.draw(instrument, rng, settings.real_share)
    other = rng.random() < settings.other_song_share
    second = shelf.draw(instrument, rng, settings.real_share, first.song) if other else first
    third = shelf.draw(instrument, rng, settings.real_share)
    own = np.random.default_rng(np.random.SeedSequence([seed, 0x9A57]))  # other draws do not depend on pasts
    past_a, past_b, past_q = (draw_past(own, settings.past, not stem.dry) for stem in (first, second, third))
    seconds = settings.seconds
    content_a = draw_excerpt(first, seconds * past_a.speed, rng)
    content_b = draw_excerpt(second, seconds * past_b.speed, rng, avoid=content_a if second is first else None)
    query = draw_excerpt(third, seconds * past_q.speed, rng)

    ranges: Range = "paper" if rng.random() < settings.paper_range_share else "default"
    count = int(rng.integers(settings.n_effects[0], settings.n_effects[1] + 1))
    recorded = None if rooms is None else RoomDraw(rooms, settings.recorded_room_share)
    base = draw_chain(rng, n_effects=count, ranges=ranges, probabilities=probabilities, rooms=recorded)
    chains = [base]
    grades = list(settings.grades)
    rng.shuffle(grades)
    for k in range(settings.chains - 1):
        grade = grades[k % len(grades)]
        chains.append(hard_negative(base, rng, grade, ranges, probabilities, rooms=recorded))
    # From a generator of their own: what is drawn above does not depend on these settings.
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xD1A1]))
    dialects = _draw_dialects(rng, settings)
    codecs = tuple((_draw_codec(rng, settings), _draw_codec(rng, settings)) for _ in chains)
    return BlockPlan(
        instrument, (content_a, content_b), query, tuple(chains), seed, dialects, codecs, (past_a, past_b, past_q)
    )


def _draw_dialects(rng: np.random.Generator, settings: BlockSettings) -> tuple[int | None, int | None]:
    first, second = (int(n) for n in rng.integers(NUMBERS, size=2))
    drawn, same = rng.random() < settings.dialect_share, rng.random() < settings.same_dialect_share
    return (first, first if same else second) if drawn else (None, None)


def _draw_codec(rng: np.random.Generator, settings: BlockSettings) -> str | None:
    passed, which = rng.random() < settings.codec_share, rng.random()
    return settings.codecs[int(which * len(settings.codecs))] if passed else None


def render_block(plan: BlockPlan, settings: BlockSettings) -> StyleBlock:
    """Render a plan, by the fast forms of the effects.

    Args:
        plan: from :func:`draw_block`.
        settings: the settings it was drawn with.
    """
    rate = settings.sample_rate
    samples = round(settings.seconds * rate)
    excerpts = (*plan.contents, plan.query)
    dry = [_content(excerpt, past, rate, samples) for excerpt, past in zip(excerpts, plan.pasts, strict=True)]
    wet = np.zeros((len(plan.chains), 2, 2, samples), dtype=np.float32)
    for c, chain in enumerate(plan.chains):
        for k in range(2):
            wet[c, k] = render_in_dialect(chain, dry[k], rate, plan.dialects[k])
    for c, codecs in enumerate(plan.codecs):
        for k, codec in enumerate(codecs):
            if codec is not None:
                wet[c, k] = through_codec(wet[c, k], rate, codec)
    lufs = np.asarray(integrated_loudness(wet, rate), dtype=np.float64)
    info: dict[str, object] = {
        "instrument": plan.instrument,
        "seed": plan.seed,
        "songs": [e.stem.song for e in plan.contents],
        "stems": [e.stem.name for e in (*plan.contents, plan.query)],
        "chains": [chain.to_json() for chain in plan.chains],
        "dialects": list(plan.dialects),
        "codecs": [list(pair) for pair in plan.codecs],
        "pasts": [_told(past) for past in plan.pasts],
        "moves_the_image": [[moves_the_image(chain, d) for d in plan.dialects] for chain in plan.chains],
    }
    return StyleBlock(plan.instrument, wet, lufs, dry[2], info)


def _content(excerpt: Excerpt, past: Past, sample_rate: int, samples: int) -> np.ndarray:
    """An excerpt behind its past, at the loudness at which chains are met: float32 ``[2, samples]``."""
    audio = load_excerpt(excerpt, round(sample_rate / past.speed))  # read at another rate, played at this one
    short = samples - audio.shape[1]
    audio = np.pad(audio, ((0, 0), (0, max(0, short))), mode="wrap")[:, :samples]
    if past.effects is not None:
        audio, _ = normalize_loudness(audio, sample_rate, CHAIN_INPUT_LUFS)
        audio = past.effects.render(np.asarray(audio, dtype=np.float32)[None], sample_rate)[0]
    audio, _ = normalize_loudness(audio, sample_rate, CHAIN_INPUT_LUFS)
    return np.asarray(audio, dtype=np.float32)


def _told(past: Past) -> dict[str, object]:
    return {"speed": round(past.speed, 6), "effects": None if past.effects is None else past.effects.to_json()}
