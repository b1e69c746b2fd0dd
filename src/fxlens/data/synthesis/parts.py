"""What bass, plucked strings, keys, pad, lead and voice of a synthetic song play: song in, notes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fxlens.data.synthesis.melody import MelodyStyle, melody
from fxlens.data.synthesis.song import STEPS_PER_BAR, Chord, Note, Section, Song, pick


def _chords_of(song: Song, stem: str) -> Iterator[tuple[Section, Chord]]:
    """Every chord that ``stem`` plays, with its section; the song's last belongs to the last section."""
    for section in song.sections_of(stem):
        first, end = section.first_bar * STEPS_PER_BAR, section.end_bar * STEPS_PER_BAR
        if section is song.sections[-1]:
            end += STEPS_PER_BAR
        for chord in song.chords:
            if first <= chord.first_step < end:
                yield section, chord


def _is_final(song: Song, chord: Chord) -> bool:
    return chord is song.chords[-1]


def voicing(pitch_classes: Sequence[int], low: int, count: int, previous: Sequence[int] | None) -> tuple[int, ...]:
    """``count`` ascending pitches of a chord from MIDI ``low`` up, the inversion closest to ``previous``."""
    options = []
    for rotation in range(len(pitch_classes)):
        pitch, pitches = low - 1, []
        for number in range(count):
            wanted = pitch_classes[(rotation + number) % len(pitch_classes)]
            pitch += 1 + (wanted - pitch - 1) % 12
            pitches.append(pitch)
        options.append(tuple(pitches))
    if previous is None:
        return options[0]
    return min(options, key=lambda pitches: abs(sum(pitches) / count - sum(previous) / len(previous)))


def bass_part(song: Song, rng: np.random.Generator) -> list[Note]:
    """Roots, fifths and octaves on the kick's steps, and notes of the scale that lead to the next chord."""
    lowest = int(rng.integers(28, 34))
    busy = rng.random()
    tight_seconds = rng.uniform(0.002, 0.008)
    feel = pick(rng, ("kick", "kick", "eighths", "offbeat" if song.groove.style == "four" else "kick"))
    placed: list[tuple[int, int, float]] = []
    for section, chord in _chords_of(song, "bass"):
        root = lowest + (chord.pitch_classes[0] - lowest) % 12
        if _is_final(song, chord):
            placed.append((chord.first_step, root, 0.8))
            continue
        following = song.chord_at(chord.end_step)
        target = lowest + (following.pitch_classes[0] - lowest) % 12
        for step in range(chord.first_step, chord.end_step):
            inside, first = step % STEPS_PER_BAR, step == chord.first_step
            on_kick = inside in (song.groove.kick_busy if section.energy > 0.7 else song.groove.kick)
            plays = {"kick": on_kick, "eighths": inside % 2 == 0, "offbeat": inside % 4 == 2}[feel]
            if not (first and feel != "offbeat") and not plays and rng.random() > 0.12 * busy:
                continue
            pitch, draw = root, rng.random()
            if not first and chord.end_step - step <= 2 and target != root and draw < 0.5:
                pitch = next(p for p in (target - 1, target - 2, target + 1, target + 2) if song.in_scale(p))
            elif not first and draw < 0.15 + 0.2 * busy:
                pitch = root + 12
            elif not first and draw < 0.3 + 0.25 * busy:
                pitch = root + (chord.pitch_classes[2] - root) % 12
            placed.append((step, pitch, 0.85 if first else 0.7))
    notes = []
    shortness = rng.uniform(0.6, 0.95)
    for number, (step, pitch, velocity) in enumerate(placed):
        room = placed[number + 1][0] - step if number + 1 < len(placed) else 32
        start, end = song.time(step), song.time(step + min(room, 32))
        begin = max(start + rng.normal(0.0, tight_seconds), 0.0)
        loudness = float(np.clip(velocity + rng.normal(0.0, 0.05), 0.2, 1.0))
        notes.append(Note(begin, max((end - start) * shortness - 0.01, 0.04), float(pitch), loudness))
    return notes


def plucked_part(song: Song, rng: np.random.Generator) -> list[Note]:
    """Strummed or arpeggiated chords over about two octaves, each section kind in its own manner."""
    low = int(rng.integers(43, 53))
    orders = ((0, 1, 2, 3, 4, 3, 2, 1), (0, 2, 1, 3, 2, 4, 3, 2), (0, 3, 2, 4, 1, 3), (0, 1, 2, 4, 3, 2))
    manners = {kind: pick(rng, ("strum", "arpeggio")) for kind in ("intro", "verse", "chorus", "break")}
    order = pick(rng, orders)
    every = 1 if rng.random() < 0.35 and song.tempo_bpm < 105 else 2
    strums = sorted({0, *(int(s) for s in np.flatnonzero(rng.random(8) < 0.55) * 2)})
    spread_seconds = rng.uniform(0.006, 0.02)
    notes: list[Note] = []
    previous: tuple[int, ...] | None = None
    for section, chord in _chords_of(song, "plucked"):
        strings = previous = voicing(chord.pitch_classes, low, 5, previous)
        final = _is_final(song, chord)
        for step in range(chord.first_step, chord.end_step):
            inside = step % STEPS_PER_BAR
            since = step - chord.first_step
            loud = 0.45 + 0.3 * section.energy + (0.12 if inside % 4 == 0 else 0.0)
            if final or manners[section.kind] == "strum":
                if since and (final or inside not in strums):
                    continue
                down = inside % 4 == 0 or since == 0
                chosen = strings if down else strings[:1:-1]
                length = 4.0 if final else song.time(step + 4) - song.time(step)
            else:
                if since % every:
                    continue
                chosen = (strings[order[(since // every) % len(order)]],)
                length = (song.time(step + 6) - song.time(step)) * 0.9
            for number, pitch in enumerate(chosen):
                start = song.time(step) + number * spread_seconds + rng.normal(0.0, 0.004)
                velocity = float(np.clip(loud + rng.normal(0.0, 0.07), 0.15, 1.0))
                notes.append(Note(max(start, 0.0), length, float(pitch), velocity))
    return notes


def keys_part(song: Song, rng: np.random.Generator) -> list[Note]:
    """Comping: voice-led chords on a rhythm that repeats in every bar, held long in quiet sections."""
    low = int(rng.integers(52, 58))
    rhythms = ((0,), (0, 6), (0, 3, 6, 10), (0, 4, 8, 12), (0, 6, 12), (0, 10), (2, 6, 10, 14), (0, 7, 10))
    rhythm = {kind: pick(rng, rhythms) for kind in ("verse", "chorus")}
    rhythm |= {"intro": pick(rng, rhythms[:3]), "break": (0,)}
    count = int(rng.integers(3, 5))
    shortness = rng.uniform(0.45, 0.97)
    notes: list[Note] = []
    previous: tuple[int, ...] | None = None
    for section, chord in _chords_of(song, "keys"):
        hands = previous = voicing(chord.pitch_classes, low, count, previous)
        steps = [s for s in range(chord.first_step, chord.end_step) if s % STEPS_PER_BAR in rhythm[section.kind]]
        if _is_final(song, chord) or not steps:
            steps = [chord.first_step]
        for number, step in enumerate(steps):
            end = steps[number + 1] if number + 1 < len(steps) else chord.end_step
            length = (song.time(end) - song.time(step)) * (0.97 if len(steps) == 1 else shortness)
            hand = rng.normal(0.0, 0.006)
            loud = 0.4 + 0.3 * section.energy + (0.1 if step % 4 == 0 else 0.0) + rng.normal(0.0, 0.05)
            for pitch in hands:
                start = max(song.time(step) + hand + abs(rng.normal(0.0, 0.004)), 0.0)
                velocity = float(np.clip(loud + rng.normal(0.0, 0.04), 0.15, 1.0))
                notes.append(Note(start, max(length, 0.06), float(pitch), velocity))
    return notes


def pad_part(song: Song, rng: np.random.Generator) -> list[Note]:
    """Held chords, each note of a chord beginning and ending with it."""
    low = int(rng.integers(48, 56))
    count = int(rng.integers(3, 5))
    notes: list[Note] = []
    previous: tuple[int, ...] | None = None
    for section, chord in _chords_of(song, "pad"):
        held = previous = voicing(chord.pitch_classes, low, count, previous)
        start, end = song.time(chord.first_step), song.time(chord.end_step)
        notes += [Note(start, end - start, float(pitch), 0.5 + 0.4 * section.energy) for pitch in held]
    return notes


def lead_part(song: Song, rng: np.random.Generator) -> list[Note]:
    """A hook where nobody sings, and a sparse high line of long notes over the choruses."""
    low = int(rng.integers(62, 68))
    hook = MelodyStyle(low, low + 17, rng.uniform(3.5, 6.0), 2, rng.uniform(0.7, 1.0), 1.2, 4.0)
    counter = MelodyStyle(low + 5, low + 20, rng.uniform(2.0, 3.5), 4, 0.95, 1.8, 5.0)
    return melody(song, {"any": hook, "chorus": counter}, "lead", rng)


def vocal_part(song: Song, rng: np.random.Generator) -> list[Note]:
    """The sung melody: a low or a high voice, phrases of two bars with a rest to breathe in."""
    low = int(rng.integers(45, 50) if rng.random() < 0.5 else rng.integers(55, 60))
    verse = MelodyStyle(low, low + 14, rng.uniform(3.5, 5.5), 4, 0.95, 1.4, 9.0)
    chorus = MelodyStyle(low + 3, low + 18, rng.uniform(3.0, 5.0), 4, 0.97, 1.9, 9.0)
    return melody(song, {"any": verse, "chorus": chorus}, "vocals", rng)
