"""Choosing the players of a song: everything is decided, nothing sounds yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fxlens.data.material.players import Choir, Player, SampledSinger, Soundfont, draw_choir
from fxlens.data.material.songs import SongPlan
from fxlens.data.material.sources import Material
from fxlens.data.midi.general_midi import Casting
from fxlens.data.midi.parts import Part
from fxlens.data.midi.song import PlannedStem
from fxlens.data.synthesis.patch import draw_patch
from fxlens.data.synthesis.string_model import draw_string_instrument

CLEAN_GUITARS = (26, 27, 28)
_GIVEN_TO_SYNTHS = ("strings", "organ", "piano", "mallets", "brass", "woodwinds", "plucked", "electric piano")
_KIT_SHARE, _PATCH_BASS_SHARE, _STRING_BASS_SHARE = 0.65, 0.35, 0.15
_STRING_SHARE = {"electric guitar": 0.55, "acoustic guitar": 0.35}
_PATCH_SHARE, _SPEECH_SHARE, _BACKING_SHARE, _ARPEGGIO_SHARE = 0.85, 0.8, 0.45, 0.35


@dataclass(frozen=True)
class BandStem:
    """A stem, its instrument class and who plays it."""

    name: str
    instrument: str
    planned: PlannedStem
    player: Player


def choose_band(
    song: SongPlan, material: Material, sung_singers: Sequence[str], rng: np.random.Generator
) -> list[BandStem]:
    """Choose who plays each stem of a song, and add a synthesiser or backing singers to some.

    Args:
        song: its stems.
        material: what there is to choose from.
        sung_singers: names of singers in the folder of sung notes; may be empty.
        rng: the song's own.
    """
    stems = _with_synths([_clean(stem, rng) for stem in song.stems], rng)
    band = []
    for number, stem in enumerate(stems):
        instrument = "vocals" if stem.sung else stem.casting.instrument
        name = f"{number + 1:02d}_{instrument.replace(' ', '_')}"
        band.append(BandStem(name, instrument, stem, _player(stem, material, sung_singers, rng)))
    lead = next((one for one in band if one.planned.sung), None)
    if lead is not None and rng.random() < _BACKING_SHARE:
        choir = draw_choir(int(rng.choice((2, 2, 3))), rng, harmony=True)
        planned = replace(lead.planned, part=_some_phrases(lead.planned.part, rng))
        if len(planned.part.notes) >= 8:
            band.append(BandStem(f"{len(band) + 1:02d}_backing_vocals", "vocals", planned, choir))
    return band


def _clean(stem: PlannedStem, rng: np.random.Generator) -> PlannedStem:
    """A distorted guitar's samples are wet: a clean one plays instead, and distortion is put on later."""
    if stem.casting.instrument != "electric guitar" or stem.casting.program in CLEAN_GUITARS:
        return stem
    program = CLEAN_GUITARS[int(rng.integers(len(CLEAN_GUITARS)))]
    return replace(stem, casting=replace(stem.casting, program=program))


def _with_synths(stems: list[PlannedStem], rng: np.random.Generator) -> list[PlannedStem]:
    """Give one part to a synthesiser where there is none, and double chords by an arpeggio in some songs."""
    stems = list(stems)
    synths = [s for s in stems if s.casting.instrument == "synth"]
    given = [i for i, s in enumerate(stems) if s.casting.instrument in _GIVEN_TO_SYNTHS and not s.sung]
    if not synths and given and rng.random() < 0.6:
        at = given[int(rng.integers(len(given)))]
        stems[at] = replace(stems[at], casting=Casting("synth", 81, stems[at].casting.semitones))
    chords = [s for s in stems if not s.sung and not s.part.drums and s.part.mean_polyphony > 1.8]
    if chords and len(synths) < 2 and rng.random() < _ARPEGGIO_SHARE:
        source = chords[int(rng.integers(len(chords)))]
        stems.append(PlannedStem("arpeggio", Casting("synth", 81, source.casting.semitones), source.part))
    return stems


def _player(stem: PlannedStem, material: Material, sung_singers: Sequence[str], rng: np.random.Generator) -> Player:
    share, instrument = rng.random(), stem.casting.instrument
    if stem.sung:
        if sung_singers and share > _SPEECH_SHARE:
            return SampledSinger(sung_singers[int(rng.integers(len(sung_singers)))])
        choir: Choir = draw_choir(1 if rng.random() < 0.85 else 2, rng, harmony=False)
        return choir
    if instrument == "drums" and material.kits and share < _KIT_SHARE:
        return material.kits[int(rng.integers(len(material.kits)))]
    if instrument == "synth" and share < _PATCH_SHARE:
        patch = draw_patch("pluck" if stem.name == "arpeggio" else _role(stem.part, rng), rng)
        if stem.name == "arpeggio":
            patch = replace(patch, arpeggio=patch.arpeggio or "up")
        return patch
    if instrument == "synth" and material.synth_font is not None and rng.random() < 0.5:
        return Soundfont(material.synth_font)
    if instrument == "bass" and share < _PATCH_BASS_SHARE + _STRING_BASS_SHARE:
        return draw_patch("bass", rng) if share < _PATCH_BASS_SHARE else draw_string_instrument("bass", rng)
    if share < _STRING_SHARE.get(instrument, 0.0):
        return draw_string_instrument(instrument, rng)
    return Soundfont(material.soundfonts[int(rng.integers(len(material.soundfonts)))])


def _role(part: Part, rng: np.random.Generator) -> str:
    """Choose what a synthesiser may do with a part: held chords are pads, lines are leads."""
    length = float(np.median([note.end - note.start for note in part.notes]))
    roles: tuple[str, ...]
    if part.mean_polyphony > 1.5:
        roles = ("pad", "pad", "stab") if length > 0.8 else ("stab", "keys", "pluck", "keys")
    else:
        roles = ("lead", "pad") if length > 1.2 else ("lead", "lead", "pluck", "keys")
    return str(rng.choice(roles))


def _some_phrases(part: Part, rng: np.random.Generator) -> Part:
    """Keep two thirds of a melody's phrases."""
    kept, keep, last_end = [], True, -10.0
    for note in part.notes:
        if note.start - last_end > 0.4:
            keep = bool(rng.random() < 0.66)
        last_end = max(last_end, note.end)
        if keep:
            kept.append(note)
    return replace(part, notes=tuple(kept))
