"""Which stems belong to an instrument, and which instruments can be evaluated on."""

from __future__ import annotations

from collections.abc import Sequence

from fxlens.data.manifest import Stem
from fxlens.instruments import BY_NAME

MINIMUM_ACTIVE_SHARE = 0.8
"""A stem that sounds for less than this share of a clip's length, in all, is not used."""


def stems_of_instrument(stems: Sequence[Stem], instrument: str) -> list[Stem]:
    """Stems of a class (``drums``), or, for any other name (``alto saxophone``), stems that are called so.

    Names are compared word by word: case, digits, underscores and plurals do not matter.
    """
    if instrument in BY_NAME:
        return [s for s in stems if s.instrument == instrument]
    return [s for s in stems if s.is_called(instrument)]


def usable_stems(stems: Sequence[Stem], seconds: float) -> list[Stem]:
    """Stems that sound for long enough to fill clips, and in which nobody else is known to be heard."""
    return [s for s in stems if s.active_seconds >= MINIMUM_ACTIVE_SHARE * seconds and not s.bleed]


def instruments_with_songs(stems: Sequence[Stem], seconds: float, songs: int = 2) -> tuple[str, ...]:
    """Classes with usable stems of that many songs, without ``other``; sorted."""
    found: dict[str, set[str]] = {}
    for s in usable_stems(stems, seconds):
        found.setdefault(s.instrument, set()).add(s.song)
    return tuple(sorted(name for name, own in found.items() if len(own) >= songs and name != "other"))
