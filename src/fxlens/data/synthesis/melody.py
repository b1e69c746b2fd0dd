"""Melodies of a synthetic song: motifs that repeat, vary and rest, over its chords and inside its scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fxlens.data.synthesis.song import STEPS_PER_BAR, Note, Section, Song, pick

PHRASE_BARS = 4
# How readily a note begins on each sixteenth of a bar.
_ONSET_WEIGHT = np.array([5, 0.4, 1.6, 0.7, 3, 0.4, 2, 0.8, 4, 0.4, 1.8, 0.8, 3, 0.4, 1.8, 0.6])


@dataclass(frozen=True)
class MelodyStyle:
    """How an instrument sings.

    Attributes:
        low: lowest MIDI pitch, about.
        high: highest MIDI pitch, about.
        density: notes begun in a full bar at 110 beats per minute, about; slower songs have more.
        rest_steps: silent sixteenths before the end of every second bar, where one breathes.
        legato: sounding part of the time to the next note, 0..1.
        longest_seconds: no note is held longer.
        timing_ms: standard deviation of the onset times.
    """

    low: int
    high: int
    density: float
    rest_steps: int
    legato: float
    longest_seconds: float
    timing_ms: float


def _cell(density: float, rest_steps: int, rng: np.random.Generator) -> list[int]:
    """Onset steps of one bar, the last ``rest_steps`` of it left free."""
    room = STEPS_PER_BAR - rest_steps
    count = int(np.clip(rng.poisson(density), min(2, room // 2), max(room // 2, 1)))
    weights = _ONSET_WEIGHT[:room] / _ONSET_WEIGHT[:room].sum()
    return sorted(int(step) for step in rng.choice(room, size=count, replace=False, p=weights))


def _contour(count: int, rng: np.random.Generator) -> list[int]:
    """Scale steps around the middle of the motif: mostly neighbours, now and then a leap that turns back."""
    position, walk = 0, [0]
    for _ in range(count - 1):
        move = int(rng.choice([-3, -2, -1, 0, 1, 2, 3, 4], p=[0.06, 0.14, 0.27, 0.08, 0.24, 0.12, 0.06, 0.03]))
        if abs(position) > 3:
            move = -abs(move) if position > 0 else abs(move)
        position += move
        walk.append(position)
    middle = round(sum(walk) / count)
    return [height - middle for height in walk]


@dataclass(frozen=True)
class _Motif:
    """A phrase of four bars: for each note its step from the phrase's start and its height in scale steps."""

    onsets: tuple[int, ...]
    heights: tuple[int, ...]


def _motif(style: MelodyStyle, tempo_bpm: float, rng: np.random.Generator) -> _Motif:
    density = style.density * (110.0 / tempo_bpm) ** 0.7
    cells = [_cell(density, 0, rng), _cell(density, style.rest_steps, rng)]
    walks = [_contour(len(cell), rng) for cell in cells]
    answer = _cell(max(density * 0.5, 1.0), max(style.rest_steps, 6), rng)
    plan = [(cells[0], walks[0], 0), (cells[1], walks[1], 0)]
    lift = pick(rng, (0, 1, 2, -1))
    plan += [(cells[0], walks[0], lift), (answer, _contour(len(answer), rng), 0)]
    onsets: list[int] = []
    heights: list[int] = []
    for bar, (cell, walk, offset) in enumerate(plan):
        onsets += [bar * STEPS_PER_BAR + step for step in cell]
        heights += [height + offset for height in walk]
    return _Motif(tuple(onsets), tuple(heights))


def _from_the_start(motif: _Motif) -> _Motif:
    return replace(motif, onsets=tuple(onset - motif.onsets[0] // 4 * 4 for onset in motif.onsets))


def _nearest(song: Song, index: int, accept: Callable[[int], bool]) -> int:
    """The scale index closest to ``index`` whose pitch is accepted (itself when none within an octave is)."""
    for distance in range(8):
        for candidate in (index - distance, index + distance):
            if accept(song.scale_pitch(candidate)):
                return candidate
    return index


def melody(
    song: Song,
    styles: dict[str, MelodyStyle],
    stem: str,
    rng: np.random.Generator,
) -> list[Note]:
    """The melody of ``stem`` over the sections it plays in.

    Sections of one kind share their motif, so that a chorus is recognised when it returns; each return
    changes a few notes. Notes on the beat are moved to the nearest note of the chord, all others stay in the
    scale.

    Args:
        song: the plan with chords and form.
        styles: section kind to style; the kind ``"any"`` serves those not named.
        stem: which sections of ``song`` to fill.
        rng: source of every choice.

    Returns:
        Notes in order, none overlapping the next.
    """
    kinds = ("intro", "verse", "chorus", "break")
    motifs = {kind: _motif(styles.get(kind, styles["any"]), song.tempo_bpm, rng) for kind in kinds}
    if len(song.sections) == 1:  # a song of a few seconds has no time for an upbeat
        motifs = {kind: _from_the_start(motif) for kind, motif in motifs.items()}
    placed: list[tuple[int, int, float, MelodyStyle]] = []
    for section in song.sections_of(stem):
        style = styles.get(section.kind, styles["any"])
        placed += [(step, pitch, velocity, style) for step, pitch, velocity in
                   _fill(song, section, motifs[section.kind], style, rng)]  # fmt: skip
    notes: list[Note] = []
    for number, (step, pitch, velocity, style) in enumerate(placed):
        following = placed[number + 1][0] if number + 1 < len(placed) else step + 12
        steps = min(following - step, 14)
        if (step // STEPS_PER_BAR) % 2 == 1 and following // STEPS_PER_BAR > step // STEPS_PER_BAR:
            steps = min(steps, STEPS_PER_BAR - step % STEPS_PER_BAR - min(style.rest_steps, 4))
        start = max(song.time(step) + rng.normal(0.0, style.timing_ms / 1000.0), 0.0)
        length = max(song.time(step + max(steps, 1)) - song.time(step), 0.05) * style.legato
        notes.append(Note(start, min(length, style.longest_seconds), float(pitch), velocity))
    return _without_overlap(notes)


def _fill(
    song: Song, section: Section, motif: _Motif, style: MelodyStyle, rng: np.random.Generator
) -> list[tuple[int, int, float]]:
    centre = (style.low + style.high) // 2
    home = _nearest(song, round((centre - 60 - song.tonic) * 7 / 12), lambda p: abs(p - centre) <= 2)
    highest = max(i for i in range(-28, 29) if song.scale_pitch(i) <= style.high - 2)
    lowest = min(i for i in range(-28, 29) if song.scale_pitch(i) >= style.low + 2)
    found = []
    for first_bar in range(section.first_bar, section.end_bar, PHRASE_BARS):
        first = first_bar * STEPS_PER_BAR
        for onset, height in zip(motif.onsets, motif.heights, strict=True):
            step = first + onset
            if step >= section.end_bar * STEPS_PER_BAR:
                break
            index = home + height + (int(rng.integers(-1, 2)) if rng.random() < 0.12 else 0)
            index = min(max(index, 2 * lowest - index), 2 * highest - index)  # turns back at its limits
            classes = song.chord_at(step).pitch_classes
            if onset % 4 == 0:
                index = _nearest(song, index, lambda p, c=classes: p % 12 in c)  # type: ignore[misc]
            pitch = song.scale_pitch(index)
            accent = 0.1 if onset % 8 == 0 else 0.0
            velocity = float(np.clip(0.5 + 0.3 * section.energy + accent + rng.normal(0.0, 0.06), 0.2, 1.0))
            found.append((step, pitch, velocity))
    return found


def _without_overlap(notes: list[Note]) -> list[Note]:
    kept: list[Note] = []
    for note, following in zip(notes, [*notes[1:], None], strict=True):
        length = note.duration_seconds
        if following is not None:
            length = min(length, following.start_seconds - note.start_seconds - 0.005)
        if length > 0.03:
            kept.append(Note(note.start_seconds, length, note.pitch, note.velocity))
    return kept
