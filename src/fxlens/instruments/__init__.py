"""The instrument classes, and which class a person means: ``resolve("03_LeadVox_dbl-2")`` is vocals.

Stem names come from file names, data sets and prompts, in several languages and many abbreviations. They are
read in four steps: split into words (case, underscores, digits, accents and plural do not matter), find every
alias, keep the longest of those that overlap, and take the last one that is left. The last noun of an English
compound is its head: a *bass drum* is a drum and a *drum synth* a synthesiser; where that is wrong (*bass
guitar*) the compound is an alias of its own. Weak aliases (*lead*, *pad*, *tenor*) only count when nothing
else was found and the text is as short as a name.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from fxlens.instruments.lexicon import ACOUSTIC, AFTER, ELECTRIC, FILLER, GLUE, JOIN, LEXICON, singular


@dataclass(frozen=True)
class Instrument:
    """One class of instruments.

    Args:
        name: canonical name, as manifests store it, e.g. ``"electric guitar"``.
        family: a coarser group, e.g. ``"guitar"``.
    """

    name: str
    family: str

    def __str__(self) -> str:
        return self.name


INSTRUMENTS: tuple[Instrument, ...] = (
    Instrument("vocals", "voice"),
    Instrument("drums", "percussion"),
    Instrument("percussion", "percussion"),
    Instrument("bass", "bass"),
    Instrument("acoustic guitar", "guitar"),
    Instrument("electric guitar", "guitar"),
    Instrument("piano", "keyboard"),
    Instrument("electric piano", "keyboard"),
    Instrument("organ", "keyboard"),
    Instrument("mallets", "percussion"),
    Instrument("strings", "strings"),
    Instrument("brass", "wind"),
    Instrument("saxophone", "wind"),
    Instrument("woodwinds", "wind"),
    Instrument("plucked", "plucked"),
    Instrument("synth", "synth"),
    Instrument("other", "other"),
)
BY_NAME: dict[str, Instrument] = {instrument.name: instrument for instrument in INSTRUMENTS}
QUERY_TARGETS: tuple[Instrument, ...] = tuple(i for i in INSTRUMENTS if i.name != "other")
"""The classes a query may name; ``other`` is whatever remains of a mix."""

_NAME_WORDS = 3  # "rhythm left double" is a name, "latin rhythm played by hand" is prose
_WORD = re.compile(r"[^\W\d_]+|\d+")
_POSSESSIVE = re.compile(r"['’]s\b")
_CAMEL = re.compile(r"(?<=[a-zß-ÿ])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words_of(text: str) -> tuple[str, ...]:
    """Split a name or a phrase into lower-case words without accents and plural ``s``; digits are words."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    plain = "".join(c for c in plain if not unicodedata.combining(c)).lower()
    plain = _POSSESSIVE.sub("", plain).replace("&", " and ").replace("+", " and ")
    return tuple(singular(word) for word in _WORD.findall(plain))


def content_words(text: str) -> tuple[str, ...]:
    """The words of a phrase or file name that may say something: no digits, articles, prompt or ending.

    >>> content_words("this is the sound of the lead vocals"), content_words("03_LeadVox.wav")
    (('lead', 'vocal'), ('lead', 'vox'))
    """
    return tuple(w for w in words_of(_CAMEL.sub(" ", text)) if not w.isdigit() and w not in FILLER)


def aliases(name: str) -> tuple[str, ...]:
    """Every alias of one class as written in the lexicon, the canonical name first.

    Args:
        name: a canonical name of :data:`INSTRUMENTS`.
    """
    listed = (" ".join(part.split()).removeprefix("~") for part in LEXICON[name].split(","))
    return tuple(dict.fromkeys((name, *listed)))


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, ...], tuple[str, bool]]:
    """Words of an alias -> (class, whether the alias is strong)."""
    table: dict[tuple[str, ...], tuple[str, bool]] = {}
    for name, listed in LEXICON.items():
        for part in (name, *listed.split(",")):
            alias = part.strip()
            strong = not alias.startswith("~") and len(alias) > 2  # "cl", "sd": too short to overrule a word
            table.setdefault(words_of(alias), (name, strong))
    return table


@dataclass(frozen=True)
class _Match:
    start: int
    stop: int
    name: str
    strong: bool


def resolve(text: str) -> Instrument | None:
    """Find the class a name, a file name or a phrase means.

    Args:
        text: e.g. ``"lead_vox"``, ``"03_LeadVox_dbl-2.wav"``, ``"this is the sound of the rhodes"``.

    Returns:
        The class, or ``None`` when no word is known or when several different instruments are named.

    >>> resolve("bass drum").name, resolve("bass guitar").name, resolve("xyzzy")
    ('drums', 'bass', None)
    """
    forms = (text, _CAMEL.sub(" ", text))  # "BVs" must stay whole, "LeadVox" must not
    readings = [_matches(words_of(form)) for form in forms]
    strong = [[m for m in matches if m.strong] for matches in readings]
    if any(strong) or len(content_words(text)) > _NAME_WORDS:
        readings = strong
    widest = [max((m.stop - m.start for m in matches), default=0) for matches in readings]
    best = widest.index(max(widest))
    name = _class_of(words_of(forms[best]), readings[best]) if widest[best] else None
    return None if name is None else BY_NAME[name]


def _class_of(words: tuple[str, ...], matches: list[_Match]) -> str | None:
    """The class all named things agree on."""
    for i in range(matches[0].stop, len(words)):
        if words[i] in AFTER:
            matches = [m for m in matches if m.start < i]
            break
    groups: list[list[_Match]] = [[]]
    for earlier, later in zip([None, *matches], matches, strict=False):
        if earlier is not None and any(w in JOIN for w in words[earlier.stop : later.start]):
            groups.append([])
        groups[-1].append(later)
    names = {_with_modifiers(group[-1], words) for group in groups}
    return names.pop() if len(names) == 1 else None


def _matches(words: tuple[str, ...]) -> list[_Match]:
    """Every alias in the words, the longest first where they overlap, in reading order."""
    table, found = _table(), []
    longest = max(map(len, table))
    for start in range(len(words)):
        for stop in range(start + 1, min(len(words), start + longest) + 1):
            entry = table.get(words[start:stop]) or (_compound(words[start]) if stop == start + 1 else None)
            if entry is not None:
                found.append(_Match(start, stop, *entry))
    chosen: list[_Match] = []
    for match in sorted(found, key=lambda m: (m.start - m.stop, -m.start)):
        if all(match.stop <= other.start or match.start >= other.stop for other in chosen):
            chosen.append(match)
    return sorted(chosen, key=lambda m: m.start)


def _compound(word: str) -> tuple[str, bool] | None:
    """Read a word glued from a modifier and an alias; both must be known, for *morgan* is no organ."""
    table = _table()
    for cut in range(1, len(word) - 2):
        head = table.get((word[cut:],))
        if head is not None and head[1] and (word[:cut] in GLUE or (word[:cut],) in table):
            return table.get((word[:cut], word[cut:])) or (_with_glue(word[:cut], head[0]), True)
    return None


def _with_glue(glue: str, name: str) -> str:
    if name == "electric guitar" and glue == "akustik":
        return "acoustic guitar"
    return "electric piano" if name == "piano" and glue in {"e", "el", "elektro", "electro"} else name


def _with_modifiers(match: _Match, words: tuple[str, ...]) -> str:
    """Let *acoustic* and *electric* further away decide: "acoustic rhythm guitar", "electric grand piano"."""
    around = set(words)
    if match.name == "electric guitar" and around & ACOUSTIC and not around & ELECTRIC:
        return "acoustic guitar"
    if match.name == "piano" and around & ELECTRIC:
        return "electric piano"
    return match.name
