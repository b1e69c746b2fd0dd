"""Which class each of MedleyDB's instrument names belongs to.

The names are those of its taxonomy (``taxonomy.yaml`` of the project ``marl/medleydb``) and those that its metadata
use beyond it. What names no instrument, or anything at all (a sampler, a microphone for the whole band, effects,
an audience), is ``other`` on purpose. Instruments without a class of their own are put where they sound most
alike: free reeds that are fingered or keyed beside the organ, the yangqin and the dulcimer beside plucked strings,
the whistle, in the taxonomy a percussion instrument, beside the flutes.
"""

from __future__ import annotations

from collections.abc import Sequence

from fxlens.instruments import resolve

_NAMES_OF: dict[str, str] = {
    "vocals": """male singer, female singer, male speaker, female speaker, male rapper, female rapper, male screamer,
        female screamer, beatboxing, vocalists, choir""",
    "drums": "drum set, drum machine, kick drum, snare drum, bass drum, toms, high hat, cymbal",
    "percussion": """auxiliary percussion, timpani, bongo, conga, tambourine, darbuka, doumbek, tabla, triangle,
        sleigh bells, cowbell, cabasa, gong, guiro, gu, castanet, claps, snaps, rattle, shaker, maracas""",
    "bass": "electric bass, double bass",
    "acoustic guitar": "acoustic guitar",
    "electric guitar": "clean electric guitar, distorted electric guitar, lap steel guitar, slide guitar",
    "piano": "piano, tack piano",
    "electric piano": "electric piano",
    "organ": "electronic organ, pipe organ, accordion, concertina, bandoneon, harmonium, melodica",
    "mallets": "xylophone, vibraphone, marimba, glockenspiel, chimes",
    "strings": """violin, viola, cello, erhu, dilruba, violin section, viola section, cello section,
        string section""",
    "brass": """trumpet, cornet, trombone, french horn, euphonium, tuba, brass section, horn section,
        trumpet section, trombone section, french horn section""",
    "saxophone": "soprano saxophone, alto saxophone, tenor saxophone, baritone saxophone",
    "woodwinds": """flute, piccolo, bamboo flute, dizi, panpipes, recorder, whistle, clarinet, bass clarinet, oboe,
        english horn, bassoon, bagpipe, harmonica, flute section, clarinet section, woodwind section""",
    "plucked": """banjo, mandolin, ukulele, harp, harpsichord, oud, sitar, guzheng, liuqin, zhongruan, dulcimer,
        yangqin""",
    "synth": "synthesizer, theremin",
    "other": "fx/processed sound, sampler, scratches, crowd, Main System, Unlabeled",
}

CLASS_OF: dict[str, str] = {
    name: instrument
    for instrument, names in _NAMES_OF.items()
    for name in (" ".join(n.split()) for n in names.split(","))
}
"""MedleyDB's name -> class of :mod:`fxlens.instruments`."""


def class_of(names: Sequence[str]) -> str:
    """The class of a stem.

    Args:
        names: what its metadata say; several for a stem with several instruments.

    Returns:
        The class all names agree on, else ``other``. A name that is not in the table is read as any stem's name.
    """
    classes = {CLASS_OF.get(name) or _resolved(name) for name in names}
    return classes.pop() if len(classes) == 1 else "other"


def _resolved(name: str) -> str:
    found = resolve(name)
    return "other" if found is None else found.name
