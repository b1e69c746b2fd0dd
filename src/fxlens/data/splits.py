"""Which songs to train on: divided by name or by a seeded share, and never between two songs of one artist."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from fxlens.data.multitrack import Multitrack
from fxlens.errors import UsageError


def assign_splits(
    multitracks: Sequence[Multitrack],
    *,
    evaluation_songs: Sequence[str] = (),
    validation_songs: Sequence[str] = (),
    evaluation_share: float = 0.0,
    validation_share: float = 0.0,
    seed: int = 0,
) -> list[Multitrack]:
    """Give every song its split: by name, or by a seeded share of the songs not named.

    Songs of one artist share a split; a song whose artist is unknown stands for itself. Which artist falls into
    a share depends on the seed and the names, not on the order of the songs. A share is met as nearly as whole
    artists allow.

    Args:
        multitracks: songs to divide.
        evaluation_songs: names, or patterns such as ``vocadito/*``; the other songs of their artists follow.
        validation_songs: likewise.
        evaluation_share: share 0-1 of the remaining songs.
        validation_share: likewise.
        seed: of the shares.

    Raises:
        UsageError: a name that fits no song, a song or an artist in both lists, or shares that are above 1
            together.
    """
    shares = (evaluation_share, validation_share)
    if not min(shares) >= 0.0 or not sum(shares) <= 1.0:
        raise UsageError(f"shares must be from 0 to 1 and not above 1 together, not {shares}")
    split = _named(multitracks, {"evaluation": evaluation_songs, "validation": validation_songs})
    waiting: dict[str, int] = {}  # groups that no name has decided, and their sizes
    for multitrack in multitracks:
        group = group_of(multitrack)
        if group not in split:
            waiting[group] = waiting.get(group, 0) + 1
    count = sum(waiting.values())
    for name, share in (("evaluation", evaluation_share), ("validation", validation_share)):
        for group in _chosen(waiting, round(share * count), seed):
            split[group] = name
            del waiting[group]
    divided = []
    for multitrack in multitracks:
        own = split.get(group_of(multitrack), "train")
        stems = tuple(replace(stem, split=own) for stem in multitrack.stems)
        divided.append(replace(multitrack, split=own, stems=stems))
    return divided


def group_of(multitrack: Multitrack) -> str:
    """Name what must not be divided: the artist up to case and spaces, or the song where no artist is known."""
    artist = " ".join(multitrack.artist.casefold().split())
    return f"artist {artist}" if artist else multitrack.song


def _named(multitracks: Sequence[Multitrack], wanted: dict[str, Sequence[str]]) -> dict[str, str]:
    split: dict[str, str] = {}
    for name, patterns in wanted.items():
        for pattern in patterns:
            matching = [m for m in multitracks if fnmatchcase(m.song, pattern)]
            if not matching:
                some = ", ".join(sorted(m.song for m in multitracks)[:5])
                raise UsageError(f"no song is called {pattern!r} (asked for {name}); there are: {some} ...")
            for multitrack in matching:
                if split.setdefault(group_of(multitrack), name) != name:
                    who = f" (or another one by {multitrack.artist})" if multitrack.artist else ""
                    raise UsageError(
                        f"{multitrack.song!r}{who} was asked for both evaluation and validation; name it once"
                    )
    return split


def _chosen(sizes: dict[str, int], wanted: int, seed: int) -> list[str]:
    """Groups in a seeded order, each taken if that brings the number of songs nearer to what is wanted."""
    taken, songs = [], 0
    for group in sorted(sizes, key=lambda name: _shuffled(name, seed)):
        if abs(songs + sizes[group] - wanted) < abs(songs - wanted):
            taken.append(group)
            songs += sizes[group]
    return taken


def _shuffled(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
