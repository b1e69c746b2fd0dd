"""MUSDB18 and MUSDB18-HQ: 150 songs as mixture, drums, bass, vocals and other; 44.1 kHz stereo.

Z. Rafii, A. Liutkus, F.-R. Stöter, S. I. Mimilakis, R. Bittner: *The MUSDB18 corpus for music separation*, 2017,
doi:10.5281/zenodo.1117372 (stems, AAC) and doi:10.5281/zenodo.3338373 (HQ, WAV). Licence: for education and
research only. 46 of the songs are songs of MedleyDB too: do not train on one set and evaluate on the other blindly.

Layout::

    <root>/{train,test}/<Artist - Title>.stem.mp4       audio streams: mixture, drums, bass, other, vocals
    <root>/{train,test}/<Artist - Title>/<stem>.wav     HQ: mixture, drums, bass, other, vocals

``test`` is the split ``evaluation``. The 14 songs of ``train`` that the package ``musdb`` (0.4.3) names in its
configuration are ``validation``. A song that is there in both forms is read from its folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fxlens.data.adapters.found import Found, FoundSong, FoundStem
from fxlens.data.recording import Recording
from fxlens.errors import DataError, UsageError

VARIABLE = "MUSDB_PATH"
STREAMS = {"drums": 1, "bass": 2, "other": 3, "vocals": 4}
"""Stem -> audio stream of a ``.stem.mp4``; stream 0 is the mixture."""

VALIDATION_SONGS = frozenset(
    {
        "Actions - One Minute Smile",
        "Alexander Ross - Goodbye Bolero",
        "ANiMAL - Rockshow",
        "Clara Berry And Wooldog - Waltz For My Victims",
        "Fergessen - Nos Palpitants",
        "James May - On The Line",
        "Johnny Lokke - Promises & Lies",
        "Leaf - Summerghost",
        "Meaxic - Take A Step",
        "Patrick Talbot - A Reason To Leave",
        "Skelpolu - Human Mistakes",
        "Traffic Experiment - Sirens",
        "Triviul - Angelsaint",
        "Young Griffo - Pennies",
    }
)
_SUFFIX = ".stem.mp4"
_FOLDERS = {"train": "train", "test": "evaluation"}


def recognises(root: Path) -> bool:
    """Whether a folder has the layout of MUSDB18 or MUSDB18-HQ."""
    wanted = ("mixture", *STREAMS)  # a song of one's own in a folder called train rarely has just these
    return any(
        place.is_file() or all(place.joinpath(f"{n}.wav").is_file() for n in wanted) for place, *_ in _songs(root)
    )


def find(root: str | Path) -> Found:
    """List the songs of MUSDB18 or MUSDB18-HQ; nothing is decoded.

    Raises:
        DataError: no such folder.
        UsageError: it does not have that layout.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; check the path")
    found, seen = Found(root), set()
    for place, title, split in _songs(root):
        if (split, title) in seen:
            continue
        seen.add((split, title))
        stems = tuple(
            FoundStem(name, name, Recording((place / f"{name}.wav",)), free_name=name)
            if place.is_dir()
            else FoundStem(name, name, Recording((place,), stream), free_name=name)
            for name, stream in STREAMS.items()
        )
        if split == "train" and title in VALIDATION_SONGS:
            split = "validation"
        artist = title.split(" - ", 1)[0] if " - " in title else ""
        found.songs.append(FoundSong(title, "musdb18", stems, artist, split))
    if not found.songs:
        raise UsageError(
            f"{root}: this is not MUSDB18; expected train/<song>{_SUFFIX} and test/<song>{_SUFFIX}, "
            "or a folder of wav files for each song"
        )
    return found


def _songs(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield (file or folder, title, split); folders before files of the same title."""
    for name, split in _FOLDERS.items():
        entries = sorted(root.joinpath(name).iterdir()) if root.joinpath(name).is_dir() else []
        for entry in sorted(entries, key=lambda e: (e.name.removesuffix(_SUFFIX), e.is_file())):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if any(entry.joinpath(f"{stem}.wav").is_file() for stem in STREAMS):
                    yield entry, entry.name, split
            elif entry.name.endswith(_SUFFIX):
                yield entry, entry.name.removesuffix(_SUFFIX), split
