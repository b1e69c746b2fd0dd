"""The songs of an evaluation, taken from manifests: those to evaluate on, and those that may be learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fxlens.data.manifest import Stem, load_manifest, manifest_hash, stems_of
from fxlens.errors import DataError


@dataclass(frozen=True)
class Material:
    """What there is to evaluate on.

    Args:
        evaluation: stems of the songs to evaluate on.
        training: stems of songs that a system may learn from.
        others: stems of all songs that are not evaluated on; recordings to ask with come from these.
        manifest_sha256: of all manifests together.
    """

    evaluation: tuple[Stem, ...]
    training: tuple[Stem, ...]
    others: tuple[Stem, ...]
    manifest_sha256: str


def load_material(manifests: Sequence[str | Path], split: str = "evaluation") -> Material:
    """Read manifests.

    Args:
        manifests: files that ``fxlens data prepare`` wrote.
        split: which songs to evaluate on.

    Raises:
        DataError: a manifest cannot be read, two hold songs of one name, or no song is of the split.
    """
    songs, found = [], set()
    for manifest in manifests:
        for song in load_manifest(manifest):
            if song.song in found:
                raise DataError(f"{manifest}: the song {song.song!r} is in two manifests; leave one of them out")
            found.add(song.song)
            songs.append(song)
    chosen = stems_of(songs, split)
    if not chosen:
        splits = ", ".join(sorted({song.split for song in songs}))
        raise DataError(
            f"no song is of split {split}; there are: {splits}. Prepare the folder with --evaluation or "
            "--evaluation-share"
        )
    others = tuple(s for s in stems_of(songs) if s.split != split)
    training = tuple(s for s in others if s.split == "train")
    return Material(tuple(chosen), training, others, manifest_hash(songs))
