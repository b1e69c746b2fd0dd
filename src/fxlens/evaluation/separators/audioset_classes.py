"""AudioSet classes (Gemmeke et al., ICASSP 2017; the 527 of ``class_labels_indices.csv``) of every instrument class."""

from __future__ import annotations

from fxlens.errors import UsageError
from fxlens.evaluation.systems.system import InstrumentQuery
from fxlens.instruments import resolve

# Names that are narrower than a class of fxlens come first.
_NARROW: dict[str, tuple[int, ...]] = {
    "mandolin": (149,),
    "banjo": (147,),
    "sitar": (148,),
    "ukulele": (151,),
    "harpsichord": (160,),
    "harp": (199,),
    "trumpet": (187,),
    "trombone": (188,),
    "french horn": (186,),
    "horn": (186,),
    "flute": (196,),
    "clarinet": (198,),
    "alto saxophone": (197,),
    "violin": (191,),
    "cello": (193,),
    "double bass": (194,),
    "vibraphone": (182,),
    "marimba": (180,),
    "hammond organ": (157,),
    "accordion": (209,),
    "harmonica": (208,),
}
_CLASSES: dict[str, tuple[int, ...]] = {
    "vocals": (27, 28, 32, 33, 34, 35, 36, 254, 255),  # singing, choir, rapping, vocal music, a capella
    "drums": (162, 163, 164, 165, 166, 167, 168, 171, 172),  # kit, machine, snare, rimshot, roll, bass, cymbal, hi-hat
    "percussion": (161, 169, 170, 173, 174, 175, 176, 177),
    "bass": (142, 194),
    "acoustic guitar": (143, 146),
    "electric guitar": (141, 144, 145),
    "piano": (153,),
    "electric piano": (154,),
    "organ": (155, 156, 157),
    "mallets": (178, 179, 180, 181, 182, 183),
    "strings": (189, 190, 191, 192, 193),
    "brass": (185, 186, 187, 188),
    "saxophone": (197,),
    "woodwinds": (195, 196, 198),
    "plucked": (139, 147, 148, 149, 150, 151, 199),
    "synth": (158, 159),
}


def audioset_classes(query: InstrumentQuery) -> tuple[int, ...]:
    """Indices of the classes that a query's name means.

    Raises:
        UsageError: AudioSet has no class for it.
    """
    name = " ".join(query.instrument.replace("_", " ").lower().split())
    if name in _NARROW:
        return _NARROW[name]
    known = resolve(query.instrument)
    if known is None or known.name not in _CLASSES:
        raise UsageError(f"AudioSet has no class for {query.instrument!r}; ask the separator by a sound of it instead")
    return _CLASSES[known.name]
