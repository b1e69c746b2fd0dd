"""Which class each of MoisesDB's track types belongs to, and each of its stems.

The track types are those of the taxonomy in the paper and in ``defaults.py`` of the project ``moises-ai/moises-db``.
A stem is a sum of tracks: where their types agree on a class, that is the stem's; where they do not (an acoustic
beside an electric guitar), it is the class that the stem's own name means (:func:`fxlens.instruments.resolve`:
``guitar`` is an electric guitar, ``other keys`` a synthesiser, ``wind`` the woodwinds).
"""

from __future__ import annotations

from collections.abc import Sequence

from fxlens.instruments import resolve

CLASS_OF: dict[str, str] = {
    "lead male singer": "vocals",
    "lead female singer": "vocals",
    "human choir": "vocals",
    "background vocals": "vocals",
    "other (vocoder, beatboxing etc)": "vocals",
    "bass guitar": "bass",
    "bass synthesizer (moog etc)": "bass",
    "contrabass/double bass (bass of instrings)": "bass",
    "tuba (bass of brass)": "brass",
    "bassoon (bass of woodwind)": "woodwinds",
    "snare drum": "drums",
    "toms": "drums",
    "kick drum": "drums",
    "cymbals": "drums",
    "overheads": "drums",
    "full acoustic drumkit": "drums",
    "drum machine": "drums",
    "fx/processed sound, scratches, gun shots, explosions etc": "other",
    "click track": "other",
    "clean electric guitar": "electric guitar",
    "distorted electric guitar": "electric guitar",
    "lap steel guitar or slide guitar": "electric guitar",
    "acoustic guitar": "acoustic guitar",
    "banjo, mandolin, ukulele, harp etc": "plucked",
    "a-tonal percussion (claps, shakers, congas, cowbell etc)": "percussion",
    "pitched percussion (mallets, glockenspiel, ...)": "mallets",
    "grand piano": "piano",
    "electric piano (rhodes, wurlitzer, piano sound alike)": "electric piano",
    "organ, electric organ": "organ",
    "synth pad": "synth",
    "synth lead": "synth",
    "other sounds (hapischord, melotron etc)": "other",
    "violin (solo)": "strings",
    "viola (solo)": "strings",
    "cello (solo)": "strings",
    "violin section": "strings",
    "viola section": "strings",
    "cello section": "strings",
    "string section": "strings",
    "other strings": "strings",
    "brass (trumpet, trombone, french horn, brass etc)": "brass",
    "flutes (piccolo, bamboo flute, panpipes, flutes etc)": "woodwinds",
    "reeds (saxophone, clarinets, oboe, english horn, bagpipe)": "woodwinds",
    "other wind": "woodwinds",
}
"""MoisesDB's track type -> class of :mod:`fxlens.instruments`; the spelling is the set's own."""


def class_of(stem: str, track_types: Sequence[str]) -> str:
    """The class of a stem that is the sum of tracks of these types."""
    classes = {CLASS_OF.get(kind.strip().lower()) for kind in track_types}
    agreed = classes.pop() if len(classes) == 1 else None
    if agreed is not None:
        return agreed
    found = resolve(stem.replace("_", " "))
    return "other" if found is None else found.name
