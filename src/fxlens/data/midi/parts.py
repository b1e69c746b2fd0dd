"""The parts of a General MIDI file, in seconds, and one part written back as a file that plays on its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fxlens.data.midi.general_midi import DRUM_CHANNEL
from fxlens.errors import DataError, MissingExtraError

_TICKS_PER_SECOND = 4000
_DROPPED_CONTROLS = frozenset({0, 8, 10, 32, 91, 92, 93, 94, 95})
"""Bank select (a soundfont's banks are its own), balance, pan, and the five effect sends."""


@dataclass(frozen=True)
class Note:
    """One note: start and end in seconds, MIDI pitch and velocity."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """One channel of a song, cut to the excerpt.

    Args:
        channel: 0-15; 9 is drums.
        program: the program that plays most of its notes.
        notes: in order of their start; seconds count from the start of the cut.
        controls: (seconds, control number or -1 for pitch bend, value), in order.
    """

    channel: int
    program: int
    notes: tuple[Note, ...]
    controls: tuple[tuple[float, int, int], ...] = ()

    @property
    def drums(self) -> bool:
        """Whether this is the drum channel."""
        return self.channel == DRUM_CHANNEL

    @property
    def median_pitch(self) -> float:
        """Median MIDI pitch of the notes."""
        return float(np.median([note.pitch for note in self.notes]))

    @property
    def sounding_seconds(self) -> float:
        """Seconds in which at least one note is held."""
        total, reach = 0.0, -1.0
        for note in self.notes:
            total += max(note.end - max(note.start, reach), 0.0)
            reach = max(reach, note.end)
        return total

    @property
    def mean_polyphony(self) -> float:
        """Mean number of notes held at once, while any is."""
        held = sum(note.end - note.start for note in self.notes)
        return held / max(self.sounding_seconds, 1e-9)


def read_parts(path: str | Path, seconds: float = 90.0, start_seconds: float = 0.0) -> list[Part]:
    """Read a MIDI file, split it by channel and cut it to some seconds of it.

    Tempo changes are resolved here: everything is in seconds. Notes that begin before the cut are dropped,
    notes held beyond it end at it.

    Args:
        path: .mid file.
        seconds: length of the cut.
        start_seconds: its start, counted from the song's first note.

    Raises:
        MissingExtraError: mido is not installed.
        DataError: the file is not there, or it is damaged.
    """
    path = Path(path)
    timed = _timed_messages(path)
    first = next((t for t, m in timed if m.type == "note_on" and m.velocity > 0), None)
    if first is None:
        return []
    program: dict[int, int] = {}
    open_notes: dict[tuple[int, int], list[tuple[float, int, int]]] = {}
    notes: dict[int, list[tuple[Note, int]]] = {}
    controls: dict[int, list[tuple[float, int, int]]] = {}

    def close(channel: int, pitch: int, at: float) -> None:
        for start, velocity, played_by in open_notes.pop((channel, pitch), []):
            note = Note(start, min(max(at, start + 0.01), seconds), pitch, velocity)
            notes.setdefault(channel, []).append((note, played_by))

    for time, message in timed:
        since = time - first - start_seconds
        at = max(since, 0.0)
        if since >= seconds:
            break
        if message.type == "program_change":
            program[message.channel] = message.program
        elif message.type == "control_change" and message.control not in _DROPPED_CONTROLS:
            controls.setdefault(message.channel, []).append((at, message.control, message.value))
        elif message.type == "pitchwheel":
            controls.setdefault(message.channel, []).append((at, -1, message.pitch))
        elif message.type in ("note_on", "note_off"):
            close(message.channel, message.note, at)
            if message.type == "note_on" and message.velocity > 0 and since > -1e-6:
                entry = (at, message.velocity, program.get(message.channel, 0))
                open_notes.setdefault((message.channel, message.note), []).append(entry)
    for channel, pitch in list(open_notes):
        close(channel, pitch, seconds)
    parts = []
    for channel, played in sorted(notes.items()):
        main = Counter(played_by for _, played_by in played).most_common(1)[0][0]
        ordered = sorted((n for n, _ in played), key=lambda n: (n.start, n.pitch))
        parts.append(Part(channel, main, tuple(ordered), tuple(controls.get(channel, ()))))
    return parts


def _timed_messages(path: Path) -> list[tuple[float, Any]]:
    try:
        import mido
        from mido.midifiles.meta import KeySignatureError
    except ImportError as missing:
        raise MissingExtraError("Reading MIDI files", "midi") from missing
    if not path.is_file():
        raise DataError(f"{path}: there is no such MIDI file; check the path")
    try:
        now, timed = 0.0, []
        for message in mido.MidiFile(path, clip=True):
            now += message.time
            if not message.is_meta:
                timed.append((now, message))
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, KeySignatureError) as problem:
        raise DataError(f"{path}: the MIDI file is damaged ({problem}); leave it out or export it again") from problem
    return timed


def write_part(
    path: str | Path,
    notes: Iterable[Note],
    program: int,
    *,
    drums: bool = False,
    semitones: int = 0,
    controls: Sequence[tuple[float, int, int]] = (),
    seconds: float,
) -> None:
    """Write one part as a single-track MIDI file that lasts ``seconds`` and can be played on its own.

    Args:
        path: file to write.
        notes: what to play.
        program: General MIDI program, or drum kit.
        drums: play on the drum channel.
        semitones: transposition; notes that leave 0-127 are moved back by octaves.
        controls: as in :class:`Part`.
        seconds: length of the file, with the tail.
    """
    import mido

    channel = DRUM_CHANNEL if drums else 0
    # The second field orders what happens at once: note ends, then controls, then note starts.
    timed: list[tuple[int, int, Any]] = []
    for at, control, value in controls:
        if control == -1:
            message = mido.Message("pitchwheel", channel=channel, pitch=value)
        else:
            message = mido.Message("control_change", channel=channel, control=control, value=value)
        timed.append((round(at * _TICKS_PER_SECOND), 1, message))
    for note in notes:
        pitch = note.pitch + (0 if drums else semitones)
        pitch += 12 * (-(pitch // 12)) if pitch < 0 else 0
        pitch -= 12 * ((pitch - 116) // 12) if pitch > 127 else 0
        on, off = round(note.start * _TICKS_PER_SECOND), round(note.end * _TICKS_PER_SECOND)
        timed.append((on, 2, mido.Message("note_on", channel=channel, note=pitch, velocity=note.velocity)))
        timed.append((max(off, on + 1), 0, mido.Message("note_off", channel=channel, note=pitch, velocity=0)))
    timed.sort(key=lambda item: item[:2])
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)])
    track.append(mido.Message("program_change", channel=channel, program=program))
    now = 0
    for tick, _, message in timed:
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(round(seconds * _TICKS_PER_SECOND) - now, 0)))
    file = mido.MidiFile(type=0, ticks_per_beat=_TICKS_PER_SECOND // 2, tracks=[track])
    file.save(path)
