"""Training material of the heads: a session of a few instruments, with every effect taken away once.

Drawing is separate from rendering. A session is one of three kinds: instruments with a chain each, as a mix is made;
dry instruments whose sum passes one chain, as a master is; or everything dry. Its instruments come from one song at one
time, or from songs that do not know each other.

Rendering gives, beside the sound, every clip once more without each of its effects, so that :mod:`audible` can tell
which of them matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fxlens.audio.loudness import integrated_loudness, normalize_loudness
from fxlens.data.dialects.dialect import NUMBERS, render_in_dialect
from fxlens.data.excerpts import Excerpt, active_share, draw_excerpt, load_excerpt
from fxlens.data.mixture import mix
from fxlens.data.multitrack import Multitrack, Stem
from fxlens.data.style_block import CHAIN_INPUT_LUFS
from fxlens.describing.quantities import EFFECTS
from fxlens.effects.chain import EffectChain
from fxlens.effects.processor import Range
from fxlens.effects.recorded_rooms import RecordedRooms
from fxlens.effects.sampling import RoomDraw, draw_chain
from fxlens.errors import DataError, UsageError

_LEAST_ACTIVE_SHARE = 0.3


@dataclass(frozen=True)
class SessionSettings:
    """What sessions are made of.

    Args:
        seconds: length of a clip; that of the windows of the encoder that will listen.
        sample_rate: Hz.
        most_parts: instruments in a session, at most.
        bus_share: share of sessions with one chain on the sum.
        dry_share: share of sessions without any effect.
        dry_part_share: share of instruments without effects in the other sessions.
        one_song_share: share of sessions whose instruments are of one song.
        paper_range_share: share of chains drawn from the paper's parameter ranges.
        n_effects: least and most effects in a chain.
        dialect_share: share of clips whose effects are another make than our own.
        recorded_room_share: share of reverbs that have a recorded room, where rooms are given.
        level_lufs: lowest and highest level of an instrument.
        codec_share: share of sessions that pass a lossy codec in the end; it is no effect that is described.
        codecs: those they pass.
    """

    seconds: float = 10.0
    sample_rate: int = 44100
    most_parts: int = 4
    bus_share: float = 0.25
    dry_share: float = 0.08
    dry_part_share: float = 0.15
    one_song_share: float = 0.6
    paper_range_share: float = 0.3
    n_effects: tuple[int, int] = (1, 7)
    dialect_share: float = 0.6
    recorded_room_share: float = 0.3
    level_lufs: tuple[float, float] = (-20.0, -14.0)
    codec_share: float = 0.15
    codecs: tuple[str, ...] = ("mp3-128", "mp3-192", "ogg-128", "ogg-192")

    def __post_init__(self) -> None:
        if not self.seconds > 0 or self.sample_rate < 1 or self.most_parts < 1:
            raise UsageError("a session needs seconds, sample_rate and most_parts above 0")


@dataclass(frozen=True)
class Part:
    """One instrument of a session: what it plays, through what, how loud."""

    excerpt: Excerpt
    chain: EffectChain
    dialect: int | None
    level_lufs: float


@dataclass(frozen=True)
class SessionPlan:
    """Everything that was drawn; rendering adds no randomness."""

    parts: tuple[Part, ...]
    bus: EffectChain
    bus_dialect: int | None
    codec: str | None
    seed: int

    @property
    def songs(self) -> tuple[str, ...]:
        """Songs that are heard, sorted."""
        return tuple(sorted({part.excerpt.stem.song for part in self.parts}))


@dataclass
class Track:
    """A clip, and what it would be without each of its effects.

    Args:
        audio: ``float32 [2, T]``.
        without: clips by type of effect.
        lufs: loudness of ``audio``.
        without_lufs: loudness of the clips in ``without``.
    """

    audio: np.ndarray
    without: dict[str, np.ndarray] = field(default_factory=dict)
    lufs: float = float("-inf")
    without_lufs: dict[str, float] = field(default_factory=dict)


def draw_session(
    songs: Sequence[Multitrack], seed: int, settings: SessionSettings, rooms: RecordedRooms | None = None
) -> SessionPlan:
    """Draw a session.

    Args:
        songs: where instruments come from.
        seed: the same seed, songs and settings give the same session.
        settings: see :class:`SessionSettings`.
        rooms: recorded rooms that reverbs may have.

    Raises:
        DataError: no song has a stem that sounds.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xDE5C]))
    sounding = [song for song in songs if any(stem.active for stem in song.stems)]
    if not sounding:
        raise DataError("no song of the manifest has a stem that sounds")
    excerpts = _draw_excerpts(sounding, rng, settings)
    kind = rng.random()
    dry = kind < settings.dry_share
    on_bus = not dry and kind < settings.dry_share + settings.bus_share
    ranges: Range = "paper" if rng.random() < settings.paper_range_share else "default"
    draw = RoomDraw(rooms, settings.recorded_room_share) if rooms is not None else None
    parts = []
    for excerpt in excerpts:
        plain = rng.random() < settings.dry_part_share or dry or on_bus
        chain = EffectChain() if plain else draw_chain(rng, settings.n_effects, ranges, rooms=draw)
        dialect = int(rng.integers(NUMBERS)) if rng.random() < settings.dialect_share else None
        parts.append(Part(excerpt, chain, dialect, float(rng.uniform(*settings.level_lufs))))
    bus = draw_chain(rng, settings.n_effects, ranges, rooms=draw) if on_bus else EffectChain()
    bus_dialect = int(rng.integers(NUMBERS)) if rng.random() < settings.dialect_share else None
    codec = str(rng.choice(settings.codecs)) if rng.random() < settings.codec_share else None
    return SessionPlan(tuple(parts), bus, bus_dialect, codec, seed)


def _draw_excerpts(songs: Sequence[Multitrack], rng: np.random.Generator, settings: SessionSettings) -> list[Excerpt]:
    """Instruments that differ, from one song or several."""
    count = 1 + int(rng.integers(settings.most_parts))
    song = songs[int(rng.integers(len(songs)))]
    anchor = draw_excerpt(_draw_stem(song, rng), settings.seconds, rng)
    chosen = [anchor]
    if rng.random() < settings.one_song_share:
        others = [s for s in song.stems if s.active]
        for k in rng.permutation(len(others)):
            there = float(active_share(others[k], anchor.start_seconds, settings.seconds))
            if there >= _LEAST_ACTIVE_SHARE and others[k].duration_seconds > anchor.end_seconds:
                chosen.append(Excerpt(others[k], anchor.start_seconds, settings.seconds))
    else:
        for _ in range(3 * count):
            other = songs[int(rng.integers(len(songs)))]
            chosen.append(draw_excerpt(_draw_stem(other, rng), settings.seconds, rng))
    different: dict[str, Excerpt] = {}
    for excerpt in chosen:
        different.setdefault(excerpt.stem.instrument, excerpt)
    return list(different.values())[:count]


def _draw_stem(song: Multitrack, rng: np.random.Generator) -> Stem:
    sounding = [stem for stem in song.stems if stem.active]
    return sounding[int(rng.integers(len(sounding)))]


def render_parts(plan: SessionPlan, settings: SessionSettings) -> list[Track]:
    """Render every instrument with its chain; those that cannot be heard have the loudness ``-inf``."""
    tracks = []
    for part in plan.parts:
        dry, _ = normalize_loudness(
            load_excerpt(part.excerpt, settings.sample_rate), settings.sample_rate, CHAIN_INPUT_LUFS
        )
        tracks.append(render_track(np.asarray(dry, dtype=np.float32), part.chain, part.dialect, settings.sample_rate))
    return tracks


def render_bus(total: np.ndarray, plan: SessionPlan, settings: SessionSettings) -> Track:
    """Render the sum of the instruments, at its normal loudness, with the session's chain on it."""
    return render_track(total, plan.bus, plan.bus_dialect, settings.sample_rate)


def render_track(dry: np.ndarray, chain: EffectChain, dialect: int | None, sample_rate: int) -> Track:
    """Apply a chain, and once more without each of its effects that are described.

    Args:
        dry: ``float32 [2, T]``.
        chain: what to apply.
        dialect: see :mod:`fxlens.data.dialects.dialect`.
        sample_rate: Hz.
    """
    clip, without = dry, {}
    for position, effect in enumerate(chain.effects):
        if effect.type in EFFECTS:
            rest = EffectChain(chain.effects[position + 1 :])
            without[effect.type] = render_in_dialect(rest, clip, sample_rate, dialect)
        clip = render_in_dialect(EffectChain((effect,)), clip, sample_rate, dialect)
    clips = np.stack([clip, *without.values()])
    lufs = integrated_loudness(clips, sample_rate)
    return Track(clip, without, float(lufs[0]), dict(zip(without, lufs[1:].tolist(), strict=True)))


def mixed(
    tracks: Sequence[Track], levels_lufs: Sequence[float], sample_rate: int, without: str | None = None
) -> np.ndarray:
    """Sum tracks at their levels and bring the sum to its normal loudness.

    Args:
        tracks: at least one.
        levels_lufs: of each.
        sample_rate: Hz.
        without: a type of effect that is taken away from all that have it.
    """
    audio = [t.audio if without is None else t.without.get(without, t.audio) for t in tracks]
    lufs = [t.lufs if without is None else t.without_lufs.get(without, t.lufs) for t in tracks]
    return mix(audio, lufs, levels_lufs, sample_rate)
