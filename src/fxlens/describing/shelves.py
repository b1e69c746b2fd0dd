"""Songs on shelves: no session has songs of two folds, so heads can be tried on songs they have not learnt from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fxlens.data.multitrack import Multitrack, manifest_hash

Kind = Literal["recorded", "synthesised", "unheard"]

SHARES: dict[Kind, float] = {"recorded": 0.5, "unheard": 0.3, "synthesised": 0.2}
"""How often each kind is drawn from, where it is there. Recordings are few but are what will be asked about."""


@dataclass(frozen=True)
class Shelf:
    """Songs that may be heard together.

    Args:
        songs: at least one.
        fold: of the cross-validation.
        kind: ``"recorded"``; ``"synthesised"``, which the encoder was trained on; or ``"unheard"``, synthesised songs
            of another split, which it was not.
    """

    songs: tuple[Multitrack, ...]
    fold: int
    kind: Kind

    @property
    def key(self) -> list[str | int]:
        """What names it."""
        return [manifest_hash(self.songs), self.fold, self.kind]


def make_shelves(songs: Iterable[Multitrack], folds: int, trained_split: str = "train") -> tuple[Shelf, ...]:
    """Put songs on shelves, those of each kind evenly over the folds.

    Args:
        songs: any order; the result does not depend on it.
        folds: how many; fewer where a kind has fewer songs.
        trained_split: the split whose synthesised songs the encoder was trained on.
    """
    kinds: dict[Kind, list[Multitrack]] = {}
    for song in sorted(songs, key=lambda s: s.song):
        if not any(stem.active for stem in song.stems):
            continue
        dry = all(stem.dry for stem in song.stems)
        kind: Kind = "recorded" if not dry else "synthesised" if song.split == trained_split else "unheard"
        kinds.setdefault(kind, []).append(song)
    shelves = []
    for kind, all_songs in sorted(kinds.items()):
        for fold in range(min(folds, len(all_songs))):
            shelves.append(Shelf(tuple(all_songs[fold::folds]), fold, kind))
    return tuple(shelves)


def shelf_of(shelves: Sequence[Shelf], number: int, seed: int) -> Shelf:
    """Draw the shelf of a session: its fold by number, in turn; its kind by ``SHARES``.

    Args:
        shelves: at least one.
        number: of the session.
        seed: of the session.
    """
    folds = sorted({shelf.fold for shelf in shelves})
    fold = folds[number % len(folds)]
    own = sorted((s for s in shelves if s.fold == fold), key=lambda s: s.kind)
    weight = np.array([SHARES[shelf.kind] for shelf in own])
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0x5E1F]))
    return own[int(rng.choice(len(own), p=weight / weight.sum()))]
