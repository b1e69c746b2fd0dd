"""The plan of a synthetic song: key, mode, tempo, swing, form, chords and groove.

Nothing here knows about sound. A :class:`Song` is drawn once from a random generator and then read by every
instrument, so that the bass follows the chords and locks to the same kick pattern whether or not the drums
are asked for. Time is counted in steps of a sixteenth note (sixteen to the bar of 4/4) and turned into
seconds, swing included, by :meth:`Song.time`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

STEPS_PER_BAR = 16
STEM_NAMES = ("drums", "bass", "plucked", "keys", "pad", "lead", "vocals")

# Semitones above the tonic of the seven notes of each mode.
MODES: dict[str, tuple[int, ...]] = {
    "ionian": (0, 2, 4, 5, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}
_MODE_ODDS = {
    "ionian": 0.3,
    "aeolian": 0.3,
    "dorian": 0.15,
    "mixolydian": 0.15,
    "lydian": 0.05,
    "phrygian": 0.05,
}
# Scale degrees counted from zero: (0, 4, 5, 3) is I-V-vi-IV.
_MAJOR_LOOPS = (
    (0, 4, 5, 3),
    (0, 5, 3, 4),
    (5, 3, 0, 4),
    (0, 3, 5, 4),
    (0, 2, 3, 4),
    (1, 4, 0, 5),
    (3, 0, 4, 5),
    (0, 1, 3, 4),
    (3, 4, 2, 5),
    (0, 3, 0, 4),
)
_MINOR_LOOPS = (
    (0, 5, 2, 6), (0, 6, 5, 6), (0, 3, 6, 2), (0, 5, 3, 4), (0, 2, 6, 3), (5, 6, 0, 0),
    (0, 3, 5, 6), (0, 0, 5, 6), (3, 5, 0, 6), (0, 6, 3, 5),
)  # fmt: skip

T = TypeVar("T")


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of ``options``, all equally likely; ``rng.choice`` would make arrays of tuples."""
    return options[int(rng.integers(len(options)))]


@dataclass(frozen=True)
class Note:
    """A note to be played: start and length in seconds, MIDI pitch (69 is 440 Hz), velocity in 0..1."""

    start_seconds: float
    duration_seconds: float
    pitch: float
    velocity: float


@dataclass(frozen=True)
class Chord:
    """A chord of ``steps`` sixteenths from ``first_step``; pitch classes 0..11, the root first."""

    first_step: int
    steps: int
    pitch_classes: tuple[int, ...]

    @property
    def end_step(self) -> int:
        return self.first_step + self.steps


@dataclass(frozen=True)
class Section:
    """A stretch of the form. ``energy`` (0..1) drives density and loudness; ``stems`` are those that play."""

    kind: str
    first_bar: int
    bars: int
    energy: float
    stems: frozenset[str]

    @property
    def end_bar(self) -> int:
        return self.first_bar + self.bars


@dataclass(frozen=True)
class Groove:
    """The rhythmic agreement of drums and bass: step numbers inside a bar."""

    style: str
    kick: tuple[int, ...]
    kick_busy: tuple[int, ...]
    snare: tuple[int, ...]
    hat_every: int
    ghosts: float


@dataclass(frozen=True)
class Song:
    """Everything the instruments must agree on. ``scale`` holds the seven pitch classes, the tonic first."""

    tonic: int
    mode: str
    scale: tuple[int, ...]
    tempo_bpm: float
    swing: float
    swing_steps: int
    groove: Groove
    sections: tuple[Section, ...]
    chords: tuple[Chord, ...]
    seconds: float

    @property
    def step_seconds(self) -> float:
        return 15.0 / self.tempo_bpm

    def time(self, step: float) -> float:
        """Seconds at ``step``; pairs of ``swing_steps`` are split at ``swing`` (0.5: straight)."""
        pair = 2.0 * self.swing_steps
        number, inside = divmod(step, pair)
        half = inside / self.swing_steps
        warped = half * self.swing if half < 1.0 else self.swing + (half - 1.0) * (1.0 - self.swing)
        return (number + warped) * pair * self.step_seconds

    def chord_at(self, step: float) -> Chord:
        """The chord sounding at ``step`` (the last one also after its end)."""
        return self.chords[max(bisect_right(self.chords, step, key=lambda chord: chord.first_step) - 1, 0)]

    def sections_of(self, stem: str) -> list[Section]:
        """The sections in which ``stem`` plays, in order."""
        return [section for section in self.sections if stem in section.stems]

    def scale_pitch(self, index: int) -> int:
        """MIDI pitch of a step of the scale; index 0 is the tonic at or above MIDI 60, 7 an octave higher."""
        octave, degree = divmod(index, 7)
        return 60 + self.tonic + MODES[self.mode][degree] + 12 * octave

    def in_scale(self, pitch: int) -> bool:
        return pitch % 12 in self.scale


def diatonic_chord(scale: Sequence[int], degree: int, colour: str) -> tuple[int, ...]:
    """Pitch classes of the chord on ``degree``, stacked from the scale: colour triad, seventh, ninth or sus2.

    A diminished triad is replaced by the chord a sixth above, of which it is a part (vii becomes V).
    """
    degree %= 7
    if (scale[(degree + 4) % 7] - scale[degree]) % 12 == 6:
        degree = (degree + 5) % 7
    offsets = {"triad": (0, 2, 4), "seventh": (0, 2, 4, 6), "ninth": (0, 2, 4, 8), "sus2": (0, 1, 4)}[colour]
    return tuple(scale[(degree + offset) % 7] for offset in offsets)


def form_of(bars: int) -> list[tuple[str, int]]:
    """Kinds and lengths in bars of the sections that fill ``bars``; very short songs are one chorus."""
    if bars < 6:
        return [("chorus", bars)]
    if bars < 14:
        verse = max(2, 2 * round((bars - 2) * 0.22))
        return [("intro", 2), ("verse", verse), ("chorus", bars - 2 - verse)]
    if bars <= 22:
        return [("intro", 2), ("verse", 4), ("chorus", 4), ("break", 2), ("chorus", bars - 12)]
    unit = 4 if bars < 48 else 8
    cycle = [("verse", unit), ("chorus", unit), ("verse", unit), ("chorus", unit), ("break", unit // 2)]
    plan, left, index = [("intro", unit // 2)], bars - unit // 2, 0
    while left > 0:
        kind, length = cycle[index % len(cycle)]
        if left - length < 2:  # too little would be left for a section of its own
            length = left
        plan.append((kind, length))
        left -= length
        index += 1
    return plan


def _draw_sections(bars: int, rng: np.random.Generator) -> tuple[Section, ...]:
    comping, other = ("keys", "plucked") if rng.random() < 0.5 else ("plucked", "keys")
    hook = "lead" if rng.random() < 0.6 else "pad"
    layers = {
        "intro": {comping, hook},
        "verse": {"drums", "bass", "vocals", comping},
        "chorus": set(STEM_NAMES),
        "break": {"pad", "lead", other},
    }
    optional = {"intro": ("drums", "pad", "bass"), "verse": ("pad", other), "break": ("bass", "drums")}
    for kind, stems in optional.items():
        layers[kind] |= {stem for stem in stems if rng.random() < 0.45}
    energies = {"intro": 0.35, "verse": 0.55, "chorus": 0.95, "break": 0.4}
    sections, first = [], 0
    for kind, length in form_of(bars):
        energy = float(np.clip(energies[kind] + rng.normal(0.0, 0.05), 0.1, 1.0))
        sections.append(Section(kind, first, length, energy, frozenset(layers[kind])))
        first += length
    return tuple(sections)


Period = list[tuple[int, tuple[int, ...]]]  # the chords of eight bars: length in steps, pitch classes


def _draw_periods(mode: str, scale: Sequence[int], rng: np.random.Generator) -> dict[str, Period]:
    """Eight bars of chords for each kind of section: a loop of four chords, often with a turn at the end."""
    minor = (scale[2] - scale[0]) % 12 == 3
    loops = _MINOR_LOOPS if minor else _MAJOR_LOOPS
    richness = rng.random() ** 1.5
    turnaround = 6 if mode in ("aeolian", "mixolydian", "dorian") else 4
    periods: dict[str, Period] = {}
    for kind in ("verse", "chorus"):
        steps = pick(rng, (16, 16, 16, 8, 32))
        loop = pick(rng, loops)
        degrees = [loop[i % 4] for i in range(128 // steps)]
        if rng.random() < 0.6:
            degrees[-1] = turnaround
        periods[kind] = []
        for degree in degrees:
            colour = pick(rng, ("seventh", "ninth", "sus2")) if rng.random() < 0.8 * richness else "triad"
            periods[kind].append((steps, diatonic_chord(scale, degree, colour)))
    periods["intro"] = periods[pick(rng, ("verse", "chorus"))]
    periods["break"] = periods[pick(rng, ("verse", "chorus"))]
    return periods


def _place_chords(sections: Sequence[Section], periods: dict[str, Period], final: tuple[int, ...]) -> tuple[Chord, ...]:
    """Every section starts its period anew; one ``final`` chord rings out after the last section."""
    chords = []
    for section in sections:
        step, end, index = section.first_bar * STEPS_PER_BAR, section.end_bar * STEPS_PER_BAR, 0
        period = periods[section.kind]
        while step < end:
            steps, classes = period[index % len(period)]
            chords.append(Chord(step, min(steps, end - step), classes))
            step, index = step + steps, index + 1
    chords.append(Chord(sections[-1].end_bar * STEPS_PER_BAR, 2 * STEPS_PER_BAR, final))
    return tuple(chords)


def _draw_groove(tempo_bpm: float, rng: np.random.Generator) -> Groove:
    slow = ("ballad", "funk", "halftime", "boombap", "rock")
    fast = ("rock", "four", "four", "halftime", "shuffle")
    style = pick(rng, slow if tempo_bpm < 100 else fast)
    kick, snare, hat_every, extras = {
        "rock": ((0, 8), (4, 12), 2, (10, 6, 7, 14)),
        "four": ((0, 4, 8, 12), (4, 12), 2, (14, 7)),
        "halftime": ((0,), (8,), pick(rng, (2, 1)), (6, 10, 3, 14)),
        "funk": ((0, 10), (4, 12), 1, (3, 6, 7, 13)),
        "boombap": ((0, 7), (4, 12), 2, (10, 9, 14)),
        "shuffle": ((0, 8), (4, 12), 2, (6, 10, 14)),
        "ballad": ((0, 8), (4, 12), pick(rng, (2, 4)), (7, 10)),
    }[style]
    plain = tuple(sorted({*kick, *(step for step in extras if rng.random() < 0.3)}))
    busy = tuple(sorted({*plain, *(step for step in extras if rng.random() < 0.4)}))
    ghosts = {"funk": 0.6, "boombap": 0.4}.get(style, 0.12)
    return Groove(style, plain, busy, snare, hat_every, ghosts)


def compose_song(rng: np.random.Generator, seconds: float) -> Song:
    """Draw a song of about ``seconds``: whole bars, then a last chord that rings until the end.

    Args:
        rng: source of every choice; the same state gives the same song.
        seconds: length of the whole song.
    """
    mode = str(rng.choice(list(_MODE_ODDS), p=list(_MODE_ODDS.values())))
    tonic = int(rng.integers(12))
    scale = tuple((tonic + semitones) % 12 for semitones in MODES[mode])
    tempo_bpm = float(rng.uniform(70.0, 150.0))
    groove = _draw_groove(tempo_bpm, rng)
    if groove.style == "shuffle":
        swing, swing_steps = float(rng.uniform(0.6, 0.67)), 2
    elif groove.style in ("funk", "boombap"):
        swing, swing_steps = float(rng.uniform(0.52, 0.62)), 1
    else:
        swing, swing_steps = float(pick(rng, (0.5, 0.5, rng.uniform(0.5, 0.57)))), 1
    # The last chord needs at least 1.5 s; a song too short for that is simply cut.
    bar_seconds = 240.0 / tempo_bpm
    bars = int((seconds - 1.5) // bar_seconds)
    if bars < 3:
        bars = int(np.ceil(seconds / bar_seconds))
    periods = _draw_periods(mode, scale, rng)  # before the form, so that another length keeps the chords
    sections = _draw_sections(bars, rng)
    chords = _place_chords(sections, periods, diatonic_chord(scale, 0, "triad"))
    return Song(tonic, mode, scale, tempo_bpm, swing, swing_steps, groove, sections, chords, seconds)
