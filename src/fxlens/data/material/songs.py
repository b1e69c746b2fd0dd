"""Songs for the material: General MIDI files, moved in key and tempo, and compositions of fxlens' own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fxlens.data.midi.general_midi import DRUM_CHANNEL, Casting, instrument_of_program
from fxlens.data.midi.parts import Note, Part, read_parts
from fxlens.data.midi.song import PlannedStem, RenderSettings, plan_song
from fxlens.data.synthesis.synthetic import compose_notes, compose_strokes
from fxlens.errors import DataError

_DRUM_KEYS = {
    "kick": 36, "snare": 38, "ghost": 38, "closed_hat": 42, "open_hat": 46, "ride": 51, "crash": 49,
    "high_tom": 50, "mid_tom": 47, "low_tom": 43,
}  # fmt: skip
_PROGRAMS: dict[str, tuple[int, ...]] = {  # who may play a part of a composition
    "bass": (32, 33, 34, 35, 36, 38, 38, 39),
    "plucked": (24, 25, 25, 26, 27, 27, 28, 28, 46, 105),
    "keys": (0, 0, 1, 4, 4, 5, 16, 17, 18, 11, 12),
    "pad": (48, 49, 89, 89, 90, 91, 91, 92, 95, 18),
    "lead": (80, 80, 81, 81, 84, 87, 65, 56, 73, 40, 27, 61, 66),
}


@dataclass(frozen=True)
class SongPlan:
    """The stems of a song as General MIDI would have them, before players are chosen; drums are of part 10."""

    name: str
    origin: str
    stems: tuple[PlannedStem, ...]
    seconds: float


def midi_song(name: str, path: Path, seconds: float, rng: np.random.Generator) -> SongPlan:
    """Plan a song from a MIDI file: another key by up to three semitones, tempo by a tenth.

    The excerpt begins at second 45 where the song is long enough, else at its beginning.

    Raises:
        DataError: the file is damaged or nothing in it is long enough.
    """
    pace, semitones = float(rng.uniform(0.9, 1.12)), int(rng.integers(-3, 4))
    settings = RenderSettings(seconds=seconds * pace)
    for start in (45.0, 0.0):
        parts = [_moved(part, pace, semitones) for part in read_parts(path, settings.seconds, start)]
        stems = plan_song(parts, replace(settings, seconds=seconds), rng, sung=True)
        if len(stems) >= 4 or start == 0.0:
            break
    if len(stems) < 2:
        raise DataError(f"{path}: it has fewer than two parts that are long enough; leave it out")
    return SongPlan(name, path.name, tuple(stems), seconds)


def _moved(part: Part, pace: float, semitones: int) -> Part:
    shift = 0 if part.drums else semitones
    notes = tuple(
        Note(n.start / pace, n.end / pace, int(np.clip(n.pitch + shift, 0, 127)), n.velocity) for n in part.notes
    )
    return replace(part, notes=notes, controls=tuple((at / pace, c, v) for at, c, v in part.controls))


def composed_song(name: str, seed: int, seconds: float, rng: np.random.Generator) -> SongPlan:
    """Plan a song that :func:`fxlens.data.synthesis.synthetic.compose` makes of a seed: pop in seven parts."""
    stems = [PlannedStem("vocals", Casting("vocals", 0), _composed_part(seed, "vocals", 0, 0, seconds), sung=True)]
    for channel, (part_name, programs) in enumerate(_PROGRAMS.items(), start=1):
        program = programs[int(rng.integers(len(programs)))]
        part = _composed_part(seed, part_name, channel, program, seconds)
        instrument = instrument_of_program(program)
        if len(part.notes) >= 8 and instrument is not None:
            stems.append(PlannedStem(part_name, Casting(instrument, program), part))
    strokes = compose_strokes(seed, seconds)
    notes = tuple(
        Note(
            max(hit.start_seconds, 0.0),
            max(hit.start_seconds, 0.0) + 0.1,
            _DRUM_KEYS[hit.piece],
            _velocity(hit.velocity),
        )
        for hit in strokes
    )
    if len(notes) >= 12:
        stems.append(PlannedStem("drums", Casting("drums", 0), Part(DRUM_CHANNEL, 0, notes)))
    return SongPlan(name, "composed", tuple(stems), seconds)


def _composed_part(seed: int, stem: str, channel: int, program: int, seconds: float) -> Part:
    notes = tuple(
        Note(n.start_seconds, n.start_seconds + n.duration_seconds, round(n.pitch), _velocity(n.velocity))
        for n in sorted(compose_notes(seed, stem, seconds), key=lambda n: (n.start_seconds, n.pitch))
    )
    return Part(channel, program, notes)


def _velocity(share: float) -> int:
    return int(np.clip(round(127 * share), 1, 127))
