"""What an adapter finds in a folder before anything is decoded: songs, stems and what is wrong with some."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fxlens.data.recording import Recording

_UNWRITABLE = re.compile(r'[\\/:*?"<>|\x00-\x1f]+')


@dataclass(frozen=True)
class FoundStem:
    """A stem by its layout; the fields are those of :class:`fxlens.data.multitrack.Stem`."""

    name: str
    instrument: str
    recording: Recording
    free_name: str = ""
    dry: bool = False
    bleed: bool | None = None


@dataclass(frozen=True)
class FoundSong:
    """A song by its layout.

    Args:
        song, collection, artist, split: see :class:`fxlens.data.multitrack.Multitrack`.
        stems: in the order of the manifest.
        padded: whether its stems are made equally long with silence.
    """

    song: str
    collection: str
    stems: tuple[FoundStem, ...]
    artist: str = ""
    split: str = "train"
    padded: bool = False


@dataclass
class Found:
    """What there is in a folder.

    Args:
        root: the folder, absolute.
        songs: in the order of the manifest.
        left_out: path -> reason, for songs and stems that should be there and cannot be used.
        silence_is_damage: whether a silent stem is one of those; in sets with a fixed list of stems it is only
            an instrument that does not play.
    """

    root: Path
    songs: list[FoundSong] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)
    silence_is_damage: bool = False


def plain_name(text: str) -> str:
    """A name without what cannot be part of a file name, for songs and stems named by people.

    >>> plain_name("fx/processed sound"), plain_name(" AC/DC ")
    ('fx processed sound', 'AC DC')
    """
    return " ".join(_UNWRITABLE.sub(" ", unicodedata.normalize("NFC", text)).split()).strip(". ") or "untitled"


def told_apart(songs: Iterable[tuple[str, str]]) -> list[str]:
    """Names for songs, each told apart from namesakes by its own key.

    Args:
        songs: (name, key); keys are unique.

    >>> told_apart([("Mia - Go", "a1"), ("Mia - Go", "b2"), ("Ida - Now", "c3")])
    ['Mia - Go (a1)', 'Mia - Go (b2)', 'Ida - Now']
    """
    listed = list(songs)
    seen = [name.casefold() for name, _ in listed]
    return [f"{name} ({key})" if seen.count(name.casefold()) > 1 else name for name, key in listed]
