"""What is known of a song with stems: its split, its instruments, and where their samples lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fxlens.data.recording import Recording
from fxlens.instruments import content_words

SPLITS = ("train", "validation", "evaluation")


@dataclass(frozen=True)
class Stem:
    """One instrument's recording in one song.

    Args:
        song: the multitrack it belongs to.
        split: ``train``, ``validation`` or ``evaluation``; decided by song.
        name: name of the stem within its song, e.g. ``lead_vocals``.
        instrument: canonical class, see :mod:`fxlens.instruments`.
        path: audio file; the first of several, see ``added_paths``.
        duration_seconds: length of the stem, ``silence_seconds`` included.
        sample_rate: Hz of the file.
        loudness_lufs: integrated loudness of the whole stem, ``-inf`` for silence.
        active: (start, end) in seconds of the regions where it sounds, in order, not overlapping.
        dry: whether it is known to carry no effects (synthesised, or recorded for that).
        sha256: names its samples: of the file's bytes, or see :meth:`fxlens.data.recording.Recording.digest`.
        free_name: the instrument as its data set calls it, e.g. ``alto saxophone``; empty where none is given.
        bleed: whether other instruments can be heard in it; None where that is not known.
        stream: which audio stream of the file, for containers with several.
        added_paths: further files that are summed with the first, sample by sample, up to the end of the
            shortest of them all.
        silence_seconds: silence behind the files' end, which makes all stems of a song equally long.
    """

    song: str
    split: str
    name: str
    instrument: str
    path: Path
    duration_seconds: float
    sample_rate: int
    loudness_lufs: float
    active: tuple[tuple[float, float], ...]
    dry: bool
    sha256: str
    free_name: str = ""
    bleed: bool | None = None
    stream: int = 0
    added_paths: tuple[Path, ...] = ()
    silence_seconds: float = 0.0

    @property
    def active_seconds(self) -> float:
        """Seconds in which the stem sounds."""
        return sum(end - start for start, end in self.active)

    @property
    def recording(self) -> Recording:
        """Where its samples lie."""
        return Recording((self.path, *self.added_paths), self.stream)

    def is_called(self, name: str) -> bool:
        """Whether ``name`` is its class, its free name or its own name, up to case, plural and punctuation."""
        words = content_words(name)
        return bool(words) and any(words == content_words(own) for own in (self.instrument, self.free_name, self.name))


@dataclass(frozen=True)
class Multitrack:
    """One song.

    Args:
        song: its name, unique in a manifest.
        collection: where it comes from.
        split: ``train``, ``validation`` or ``evaluation``.
        stems: at least one.
        artist: who plays; empty where unknown.
    """

    song: str
    collection: str
    split: str
    stems: tuple[Stem, ...]
    artist: str = ""


def stems_of(multitracks: Iterable[Multitrack], split: str | None = None) -> list[Stem]:
    """All stems, or those of one split, in the manifest's order."""
    return [s for m in multitracks if split is None or m.split == split for s in m.stems]


def manifest_hash(multitracks: Iterable[Multitrack]) -> str:
    """Name a set of stems by its content: songs, splits, instruments and the files' bytes.

    Where the files lie and in which order the songs are listed does not matter.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    rows = sorted(_content(m, s) for m in multitracks for s in m.stems)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def _content(multitrack: Multitrack, stem: Stem) -> tuple[str, ...]:
    row = (multitrack.song, multitrack.split, stem.name, stem.instrument, str(stem.dry), stem.sha256)
    # What a stem need not have counts where it has it, so that manifests without it keep their hash.
    more: dict[str, Any] = {}
    if stem.free_name:
        more["free_name"] = stem.free_name
    if stem.bleed is not None:
        more["bleed"] = stem.bleed
    if stem.silence_seconds:
        more["silence_seconds"] = round(stem.silence_seconds, 6)
    return (*row, json.dumps(more, ensure_ascii=False)) if more else row
