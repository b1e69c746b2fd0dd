"""Which stems a General MIDI song gets, and who plays them: everything is decided, nothing sounds yet."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fxlens.data.midi.general_midi import DRUM_KITS, KIT_TO_PERCUSSION, PERCUSSION_KEYS, Casting, cast_part
from fxlens.data.midi.parts import Note, Part
from fxlens.data.singing.notes import singable, skyline


@dataclass(frozen=True)
class RenderSettings:
    """What decides how a song sounds.

    Args:
        seconds: longest excerpt.
        start_seconds: its start, from the song's first note.
        seed: of the collection.
        fewest_notes: a part with fewer is left out.
        least_seconds: a part that sounds for less is left out.
        percussion_share: share of songs whose drum part is doubled by hand percussion.
    """

    seconds: float = 90.0
    start_seconds: float = 0.0
    seed: int = 0
    fewest_notes: int = 12
    least_seconds: float = 6.0
    percussion_share: float = 0.5


@dataclass(frozen=True)
class PlannedStem:
    """A stem to be rendered: its name, who plays it, what is played, and whether it is sung."""

    name: str
    casting: Casting
    part: Part
    sung: bool = False


def song_rng(song: str, seed: int) -> np.random.Generator:
    """Return the song's own source of randomness."""
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(song.encode())]))


def plan_song(
    parts: Sequence[Part], settings: RenderSettings, rng: np.random.Generator, *, sung: bool
) -> list[PlannedStem]:
    """Decide which stems a song gets and who plays them; no audio yet.

    A part that doubles an earlier one (the same pitches in the same order) goes to another class, so that no
    two stems of a class play the same. With ``sung``, the most singable melody becomes the vocals instead.
    """
    long_enough = [p for p in parts if _worth_it(p, settings)]
    melodic = [p for p in long_enough if not p.drums]
    melody = _melody(melodic, settings) if sung else None
    stems: list[PlannedStem] = []
    heard: set[tuple[int, ...]] = set()
    for part in melodic:
        if part is melody:
            stems.append(PlannedStem("vocals", Casting("vocals", 0), part, sung=True))
            continue
        line = tuple(note.pitch for note in part.notes)
        casting = cast_part(
            part.program,
            part.median_pitch,
            part.mean_polyphony,
            rng,
            taken=[s.casting.instrument for s in stems],
            must_change=line in heard,
        )
        heard.add(line)
        if casting is not None:
            if casting.single_note and part.mean_polyphony > 1.2:
                part = replace(part, notes=tuple(skyline(part.notes, shortest_seconds=0.04)))
            stems.append(PlannedStem(f"{part.channel + 1:02d}_{_slug(casting.instrument)}", casting, part))
    for part in long_enough:
        if part.drums:
            stems.extend(_drum_stems(part, settings, rng))
    return stems


def _worth_it(part: Part, settings: RenderSettings) -> bool:
    if len(part.notes) < settings.fewest_notes:
        return False
    # Drum notes are often a tick long: their span counts, not the time a key is held.
    sounding = part.notes[-1].end - part.notes[0].start if part.drums else part.sounding_seconds
    return sounding >= settings.least_seconds


def _melody(parts: Sequence[Part], settings: RenderSettings) -> Part | None:
    rated = [
        (singable(skyline(p.notes), settings.seconds) / p.mean_polyphony, -p.channel, p)
        for p in parts
        if p.median_pitch >= 52 and p.program not in range(32, 40)
    ]
    rated = [r for r in rated if r[0] > 0.0]
    return max(rated, key=lambda r: r[:2])[2] if len(parts) > 1 and rated else None


def _drum_stems(part: Part, settings: RenderSettings, rng: np.random.Generator) -> list[PlannedStem]:
    """Split the drum channel into kit and hand percussion; some songs get percussion made from the kit."""
    other_kit, which_kit, doubled = rng.random(3)
    kit = part.program if part.program in DRUM_KITS else 0
    if other_kit < 0.4:
        kit = DRUM_KITS[int(which_kit * len(DRUM_KITS))]
    drums = tuple(n for n in part.notes if n.pitch not in PERCUSSION_KEYS)
    hand = tuple(n for n in part.notes if n.pitch in PERCUSSION_KEYS)
    if doubled < settings.percussion_share:
        swap = {key: keys[int(rng.integers(len(keys)))] for key, keys in KIT_TO_PERCUSSION.items()}
        made = (Note(n.start, n.end, swap[n.pitch], n.velocity) for n in drums if n.pitch in swap)
        hand = tuple(sorted([*hand, *made], key=lambda n: (n.start, n.pitch)))
    stems = []
    for name, notes, program in (("drums", drums, kit), ("percussion", hand, 0)):
        chosen = Part(part.channel, program, notes, part.controls)
        if notes and _worth_it(chosen, settings):
            stems.append(PlannedStem(name, Casting(name, program), chosen))
    return stems


def _slug(instrument: str) -> str:
    return instrument.replace(" ", "_")
