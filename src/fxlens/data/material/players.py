"""Who plays a stem of the material: a soundfont, a synthesiser patch, strings, a drum kit, singers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fxlens.data.material.drum_samples import DrumKit, play_drums
from fxlens.data.material.sources import Material
from fxlens.data.midi.collection import play_part
from fxlens.data.midi.parts import Note
from fxlens.data.midi.song import PlannedStem
from fxlens.data.singing.expression import Manner, draw_manner
from fxlens.data.singing.notes import SungNote, sing, skyline
from fxlens.data.singing.speech import sing_speech
from fxlens.data.singing.speech_bank import SpeechBank, analyse_speech, read_bank, save_bank
from fxlens.data.synthesis.patch import Patch
from fxlens.data.synthesis.patch_play import play_patch
from fxlens.data.synthesis.string_model import StringInstrument, play_strings
from fxlens.errors import DataError


class SpeakerShelf:
    """The speakers, each analysed when first wanted and kept on disk.

    Args:
        material: where the recordings are.
        folder: for the analyses.
    """

    def __init__(self, material: Material, folder: str | Path) -> None:
        self.material, self.folder = material, Path(folder)
        self._held: dict[str, SpeechBank] = {}

    def speaker(self, number: int) -> SpeechBank:
        """Return the speaker of a number, counted round; one that cannot sing gives way to the next.

        Raises:
            DataError: none of them can.
        """
        names = list(self.material.speakers)
        for step in range(len(names)):
            bank = self._bank(names[(number + step) % len(names)])
            if bank is not None:
                return bank
        raise DataError(f"{self.folder}: none of {len(names)} speakers has usable recordings")

    def _bank(self, name: str) -> SpeechBank | None:
        if name in self._held:
            return self._held[name]
        files = self.material.speakers[name]
        listed = hashlib.sha256("\n".join(p.name for p in files).encode()).hexdigest()[:12]
        kept, refused = self.folder / f"{name}-{listed}.npz", self.folder / f"{name}-{listed}.left-out.txt"
        if refused.is_file():
            return None
        if kept.is_file():
            bank = read_bank(kept)
        else:
            try:
                bank = analyse_speech(name, files)
            except DataError as problem:
                self.folder.mkdir(parents=True, exist_ok=True)
                refused.write_text(f"{problem}\n", encoding="utf-8")
                return None
            save_bank(kept, bank)
        if len(self._held) >= 8:
            self._held.pop(next(iter(self._held)))
        self._held[name] = bank
        return bank


@dataclass(frozen=True)
class Choir:
    """Singers of one line: a speaker's number, a manner and a semitone interval each, 0 for the line itself."""

    singers: tuple[tuple[int, Manner], ...]
    harmony: bool = False


@dataclass(frozen=True)
class SampledSinger:
    """One singer of a folder of sung notes."""

    name: str


@dataclass(frozen=True)
class Soundfont:
    """A General MIDI soundfont."""

    path: Path


Player = Soundfont | Patch | StringInstrument | DrumKit | Choir | SampledSinger


def perform(
    stem: PlannedStem,
    player: Player,
    shelf: SpeakerShelf,
    sung_notes: dict[str, tuple[SungNote, ...]],
    rng: np.random.Generator,
    seconds: float,
) -> np.ndarray:
    """Play one stem, ``float32 [2, T]`` at 44 100 Hz, not yet at its final level."""
    notes = stem.part.notes
    if stem.casting.semitones:
        notes = tuple(replace(n, pitch=n.pitch + stem.casting.semitones) for n in notes)
    if isinstance(player, Soundfont):
        return play_part(stem, player.path, seconds)
    if isinstance(player, Patch):
        return play_patch(player, notes, seconds, rng)
    if isinstance(player, StringInstrument):
        return play_strings(player, notes, seconds, rng)
    if isinstance(player, DrumKit):
        return play_drums(player, notes, seconds, rng)
    if isinstance(player, SampledSinger):
        return sing(skyline(notes), sung_notes[player.name], rng, seconds)
    return _sing_together(player, skyline(notes), shelf, rng, seconds)


def _sing_together(
    choir: Choir, line: Sequence[Note], shelf: SpeakerShelf, rng: np.random.Generator, seconds: float
) -> np.ndarray:
    total = np.zeros((2, round(seconds * 44100)), dtype=np.float32)
    lines = [harmonised(line, number) for number in (0, 2, -2, 4)] if choir.harmony else [list(line)]
    for number, (speaker, manner) in enumerate(choir.singers):
        bank = shelf.speaker(speaker)
        total += sing_speech(lines[number % len(lines)], bank, manner, rng, seconds)
    return total


def harmonised(line: Sequence[Note], degrees: int) -> list[Note]:
    """Move a line by degrees of its own scale: the seven pitch classes in which it spends most time.

    >>> [n.pitch for n in harmonised([Note(i, i + 1, p, 80) for i, p in enumerate((60, 62, 64, 65, 67, 69, 71))], 2)]
    [64, 65, 67, 69, 71, 72, 74]
    """
    if not degrees or not line:
        return list(line)
    held = np.zeros(12)
    for note in line:
        held[note.pitch % 12] += note.end - note.start
    scale = {int(c) for c in np.argsort(-held, kind="stable")[:7] if held[c] > 0.0}
    # A line of few pitch classes is filled up to a scale by those a whole tone or a fifth from what it has.
    for step in (7, 5, 2, 10, 4, 3, 9):
        scale |= {(c + step) % 12 for c in sorted(scale)} if len(scale) < 7 else set()
    ladder = [p for p in range(128) if p % 12 in scale]
    place = {p: i for i, p in enumerate(ladder)}
    moved = []
    for note in line:
        at = place.get(note.pitch, place.get(note.pitch + 1, 0))
        moved.append(replace(note, pitch=ladder[int(np.clip(at + degrees, 0, len(ladder) - 1))]))
    return moved


def draw_choir(count: int, rng: np.random.Generator, *, harmony: bool) -> Choir:
    """Draw singers: often one person doubled, sometimes several."""
    same = rng.random() < 0.4
    first = int(rng.integers(1 << 16))
    speakers = [first if same or number == 0 else int(rng.integers(1 << 16)) for number in range(count)]
    return Choir(tuple((speaker, draw_manner(rng)) for speaker in speakers), harmony)
