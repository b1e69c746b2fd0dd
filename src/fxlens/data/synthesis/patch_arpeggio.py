"""An arpeggiator: held chords become one note after the other, in the time of the music."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fxlens.data.midi.parts import Note

_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.085, 0.17


def pulse_seconds(notes: Sequence[Note]) -> float:
    """Estimate the time of a fast subdivision from the distances of onsets: 85 to 170 ms, by halving and doubling."""
    onsets = np.unique(np.round([note.start for note in notes], 2))
    apart = np.diff(onsets)
    apart = apart[apart > 0.06]
    pulse = float(np.median(apart)) if len(apart) else 0.125
    while pulse >= _LONGEST_SECONDS:
        pulse /= 2.0
    while pulse < _SHORTEST_SECONDS:
        pulse *= 2.0
    return pulse


def arpeggiate(notes: Sequence[Note], manner: str, rng: np.random.Generator) -> list[Note]:
    """Play what is held one note at a time.

    Args:
        notes: chords or a melody; a single held note gets its octaves.
        manner: up, down, both or random.
        rng: draws the number of octaves, the length of the notes and the random order.
    """
    if not notes:
        return []
    pulse, octaves = pulse_seconds(notes), int(rng.integers(1, 3))
    share = float(rng.uniform(0.4, 1.0))
    ordered = sorted(notes, key=lambda n: n.start)
    result: list[Note] = []
    time, upcoming, step = ordered[0].start, 0, 0
    held: list[Note] = []
    while upcoming < len(ordered) or held:
        while upcoming < len(ordered) and ordered[upcoming].start <= time + 0.03:
            held.append(ordered[upcoming])
            upcoming += 1
        held = [n for n in held if n.end > time + 0.4 * pulse]
        if not held:
            if upcoming == len(ordered):
                break
            time, step = ordered[upcoming].start, 0
            continue
        pitches = sorted({n.pitch for n in held})
        reach = max(octaves, 2) if len(pitches) == 1 else octaves
        ladder = [p + 12 * octave for octave in range(reach) for p in pitches if p + 12 * octave <= 108] or pitches
        velocity = round(float(np.mean([n.velocity for n in held])) * (1.0 if step % 4 == 0 else 0.85))
        result.append(Note(time, time + share * pulse, ladder[_rung(step, len(ladder), manner, rng)], velocity))
        time, step = time + pulse, step + 1
    return result


def _rung(step: int, count: int, manner: str, rng: np.random.Generator) -> int:
    if manner == "random":
        return int(rng.integers(count))
    if manner == "down":
        return count - 1 - step % count
    if manner == "both" and count > 1:
        place = step % (2 * count - 2)
        return min(place, 2 * count - 2 - place)
    return step % count
