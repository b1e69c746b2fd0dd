"""General MIDI programs as instrument classes, and the casting of a part: which program will play it.

Program numbers count from 0, as they do in the file. The grouping follows the sixteen families of the General
MIDI 1 sound set (MIDI Manufacturers Association, 1991), refined where a family mixes instruments that a
listener would not call by one name. Choirs, sound effects and reversed cymbals are left out: no soundfont
does them well.

Playable ranges are MIDI pitches in which the real instrument is at ease; a part that is given to another
instrument moves by octaves until its median pitch lies there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRUM_CHANNEL = 9
DRUM_KITS: tuple[int, ...] = (0, 8, 16, 24, 25, 32, 40)
"""Standard, room, power, electronic, analogue, jazz and brush kit."""

_CLASSES: tuple[tuple[range, str | None], ...] = (
    (range(4), "piano"),
    (range(4, 6), "electric piano"),
    (range(6, 8), "piano"),  # harpsichord and clavinet: struck or plucked strings under a keyboard
    (range(8, 16), "mallets"),
    (range(16, 24), "organ"),
    (range(24, 26), "acoustic guitar"),
    (range(26, 32), "electric guitar"),
    (range(32, 40), "bass"),
    (range(40, 45), "strings"),
    (range(45, 47), "plucked"),
    (range(47, 48), "percussion"),
    (range(48, 52), "strings"),
    (range(52, 55), None),  # choirs
    (range(55, 56), "synth"),  # orchestra hit
    (range(56, 64), "brass"),
    (range(64, 68), "saxophone"),
    (range(68, 80), "woodwinds"),
    (range(80, 104), "synth"),
    (range(104, 109), "plucked"),
    (range(109, 110), "woodwinds"),  # bagpipe
    (range(110, 111), "strings"),  # fiddle
    (range(111, 112), "woodwinds"),  # shanai
    (range(112, 119), "percussion"),
    (range(119, 128), None),  # reversed cymbal and sound effects
)

PERCUSSION_KEYS = frozenset({39, 54, 56, 58, *range(60, 82)})
"""Keys of the drum channel that are hand percussion and not part of the kit."""

KIT_TO_PERCUSSION: dict[int, tuple[int, ...]] = {
    35: (64, 61), 36: (64, 61), 37: (75, 77), 38: (63, 60), 40: (62, 60), 39: (39,),
    41: (66, 64), 43: (66, 64), 45: (61, 64), 47: (61, 63), 48: (60, 63), 50: (60, 65),
    42: (70, 82), 44: (69, 70), 46: (69, 54), 51: (70, 56), 53: (56, 67), 59: (82, 70),
    49: (81,), 57: (81,), 52: (81,), 55: (81,),
}  # fmt: skip
"""For a percussion part made from a drum part: which hand percussion may take over a key of the kit."""


@dataclass(frozen=True)
class Voice:
    """A program that may take over a part: its playable range, and whether it plays one note at a time."""

    program: int
    lowest: int
    highest: int
    single_note: bool = False


_VOICES: dict[str, tuple[Voice, ...]] = {
    "piano": (Voice(0, 30, 98), Voice(1, 30, 98), Voice(3, 40, 90)),
    "electric piano": (Voice(4, 36, 88), Voice(5, 36, 88)),
    "mallets": (
        Voice(8, 60, 96),
        Voice(11, 53, 89),
        Voice(12, 45, 90),
        Voice(13, 60, 96),
        Voice(14, 55, 80, True),
    ),
    "organ": (Voice(16, 40, 90), Voice(17, 40, 90), Voice(18, 40, 90), Voice(19, 40, 90), Voice(21, 53, 86)),
    "acoustic guitar": (Voice(24, 40, 76), Voice(25, 40, 76)),
    "electric guitar": (Voice(26, 40, 80), Voice(27, 40, 80), Voice(29, 40, 84), Voice(30, 40, 84)),
    "bass": tuple(Voice(p, 26, 50, True) for p in range(32, 40)),
    "strings": (
        Voice(40, 57, 96, True),
        Voice(41, 50, 84, True),
        Voice(42, 38, 70, True),
        Voice(44, 40, 90),
        Voice(48, 38, 90),
        Voice(49, 38, 90),
    ),
    "plucked": (
        Voice(45, 40, 88),
        Voice(46, 40, 96),
        Voice(104, 48, 77),
        Voice(105, 50, 81),
        Voice(107, 50, 84),
    ),
    "brass": (
        Voice(56, 55, 82, True),
        Voice(57, 42, 70, True),
        Voice(58, 30, 56, True),
        Voice(60, 45, 75, True),
        Voice(61, 40, 80),
    ),
    "saxophone": (
        Voice(64, 58, 84, True),
        Voice(65, 51, 78, True),
        Voice(66, 46, 73, True),
        Voice(67, 38, 66, True),
    ),
    "woodwinds": (
        Voice(68, 60, 88, True),
        Voice(69, 54, 79, True),
        Voice(70, 36, 68, True),
        Voice(71, 52, 86, True),
        Voice(73, 62, 92, True),
    ),
    "synth": (Voice(80, 40, 90), Voice(81, 40, 90), Voice(87, 40, 84), Voice(90, 40, 84), Voice(95, 40, 84)),
}

KEEP_SHARE: dict[str, float] = {"bass": 0.7, "electric guitar": 0.5, "synth": 0.4, "strings": 0.7}
"""Share of parts that stay in their class, where it is not 0.8: the classes game music has in plenty give
some of theirs to the rare ones. A song's first bass part always stays."""

TAKEOVER_WEIGHT: dict[str, float] = {
    "saxophone": 2.0,
    "woodwinds": 2.0,
    "acoustic guitar": 2.0,
    "organ": 1.5,
    "plucked": 1.5,
    "electric piano": 1.2,
    "brass": 0.8,
    "strings": 0.5,
    "electric guitar": 0.2,
    "synth": 0.2,
}
"""How likely a class takes over a part from another, where it is not 1: rare classes are more likely."""

_BASS_PROGRAMS = (42, 70, 58, 67, 57, 0)
"""What a bass part may become: cello, bassoon, tuba, baritone saxophone, trombone, piano."""


@dataclass(frozen=True)
class Casting:
    """Who plays a part.

    Args:
        instrument: instrument class.
        program: General MIDI program, or drum kit.
        semitones: transposition, whole octaves.
        single_note: it plays one note at a time, so of chords only the top.
    """

    instrument: str
    program: int
    semitones: int = 0
    single_note: bool = False


def instrument_of_program(program: int) -> str | None:
    """Return the instrument class of a General MIDI program 0-127, or None where it has none."""
    for programs, instrument in _CLASSES:
        if program in programs:
            return instrument
    return None


def octaves_into_range(median_pitch: float, lowest: int, highest: int) -> int:
    """Return the semitones, in whole octaves, that bring a median pitch into a range or near its middle."""
    if lowest <= median_pitch <= highest:
        return 0
    return 12 * round(((lowest + highest) / 2 - median_pitch) / 12)


def cast_part(
    program: int,
    median_pitch: float,
    mean_polyphony: float,
    rng: np.random.Generator,
    *,
    taken: Sequence[str] = (),
    must_change: bool = False,
) -> Casting | None:
    """Choose who plays a melodic part: another program of its own class, or another fitting class.

    Args:
        program: General MIDI program the file asks for.
        median_pitch: of the part's notes, MIDI pitch.
        mean_polyphony: mean number of notes that sound at once while any does.
        rng: source of the choice; the number of draws does not depend on the outcome's class.
        taken: classes the song already has; they are half as likely.
        must_change: it doubles another part, so give it to a class that the song does not have.

    Returns:
        The casting, or None for a program without a class.
    """
    own = instrument_of_program(program)
    stay, pick_class, pick_voice = rng.random(3)
    if own is None:
        return None
    if own == "percussion":
        return Casting(own, program)
    first_bass = own == "bass" and "bass" not in taken
    chordal = mean_polyphony > 1.5
    if not must_change and (first_bass or stay < KEEP_SHARE.get(own, 0.8)):
        voices = [
            v
            for v in _VOICES[own]
            if v.lowest <= median_pitch <= v.highest and (own == "bass" or not (v.single_note and chordal))
        ]
        if voices and pick_class < 0.6:
            return Casting(own, voices[int(pick_voice * len(voices))].program)
        return Casting(own, program)
    options: dict[str, tuple[Voice, ...]] = {}
    for instrument, voices_of_class in _VOICES.items():
        if own == "bass":
            voices_of_class = tuple(v for v in voices_of_class if v.program in _BASS_PROGRAMS)
        if instrument not in (own, "bass") and voices_of_class:
            options[instrument] = voices_of_class
    if must_change:
        options = {name: voices for name, voices in options.items() if name not in taken} or options
    names = sorted(options)
    weights = np.array([TAKEOVER_WEIGHT.get(n, 1.0) * (0.5 if n in taken else 1.0) for n in names])
    at = int(np.searchsorted(np.cumsum(weights) / weights.sum(), pick_class, side="right"))
    instrument = names[min(at, len(names) - 1)]
    voice = options[instrument][int(pick_voice * len(options[instrument]))]
    semitones = octaves_into_range(median_pitch, voice.lowest, voice.highest)
    return Casting(instrument, voice.program, semitones, voice.single_note)
