"""Prepare any of the data sets: which layout a folder has, where it lies, how its songs are divided by default."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fxlens.data.adapters import folder, medleydb, moisesdb, musdb
from fxlens.data.adapters.found import Found
from fxlens.data.adapters.scan import Scan, SplitWish, write_manifest
from fxlens.errors import UsageError


@dataclass(frozen=True)
class Kind:
    """A layout of folders.

    Args:
        name: as the command line knows it.
        find: lists what is in a folder.
        recognises: whether a folder has this layout.
        variable: environment variable that names the folder; None if there is none.
        own_splits: whether the data set says itself which songs are for what.
        shares: shares 0-1 for evaluation and validation where none are asked for.
        takes_metadata: whether ``find`` accepts a folder of metadata.
    """

    name: str
    find: Callable[..., Found]
    recognises: Callable[[Path], bool] | None = None
    variable: str | None = None
    own_splits: bool = False
    shares: tuple[float, float] = (0.0, 0.0)
    takes_metadata: bool = False


BY_ARTIST = (0.2, 0.1)
"""Default shares of sets without splits of their own."""

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("folder", folder.find),
        Kind("musdb", musdb.find, musdb.recognises, musdb.VARIABLE, own_splits=True),
        Kind("medleydb", medleydb.find, medleydb.recognises, medleydb.VARIABLE, False, BY_ARTIST, True),
        # The raw tracks lie in the same folder: they have to be asked for.
        Kind("medleydb-raw", medleydb.find_raw, None, medleydb.VARIABLE, False, BY_ARTIST, True),
        Kind("moisesdb", moisesdb.find, moisesdb.recognises, moisesdb.VARIABLE, False, BY_ARTIST),
    )
}


def kind_of(root: str | Path) -> Kind:
    """Recognise the layout of a folder; one that is of no data set is a plain folder of songs.

    Raises:
        UsageError: it looks like several.
    """
    matching = [kind for kind in KINDS.values() if kind.recognises is not None and kind.recognises(Path(root))]
    if len(matching) > 1:
        names = " and ".join(kind.name for kind in matching)
        raise UsageError(f"{root}: it has the layout of {names}; say which (--kind), or name the folder of one of them")
    return matching[0] if matching else KINDS["folder"]


def locate(root: str | Path | None, kind: str | None, environment: Mapping[str, str] = os.environ) -> tuple[Path, Kind]:
    """Decide which folder to prepare, and as what.

    Args:
        root: the folder; None takes it from the environment (``MUSDB_PATH``, ``MEDLEYDB_PATH``,
            ``MOISESDB_PATH``).
        kind: a name of :data:`KINDS`; None recognises it by the layout.
        environment: where the variables are looked up.

    Raises:
        UsageError: no folder is named, several are, or the kind is not known.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r}; the kinds are {', '.join(KINDS)}")
    if root is not None:
        return Path(root), KINDS[kind] if kind is not None else kind_of(root)
    candidates = [KINDS[kind]] if kind is not None else [k for k in KINDS.values() if k.recognises is not None]
    named = [(environment[k.variable], k) for k in candidates if k.variable and environment.get(k.variable)]
    variables = ", ".join(dict.fromkeys(k.variable for k in candidates if k.variable))
    if not named:
        hint = f"name the folder, or set {variables}" if variables else "name it"
        raise UsageError(f"no folder to prepare; {hint}")
    if len(named) > 1:
        raise UsageError(f"several of {variables} are set; say which set is meant (--kind)")
    return Path(named[0][0]), named[0][1]


def prepare(
    root: str | Path,
    output: str | Path,
    kind: Kind,
    *,
    split: SplitWish | None = None,
    metadata: str | Path | None = None,
    keep_bleed: bool = False,
    jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Write the manifest of a data set.

    Args:
        root: its folder.
        output: the manifest to write; measurements are kept in ``<output>.cache`` for the next time.
        kind: its layout, of :data:`KINDS`.
        split: how to divide the songs; None takes the set's own splits, or its default shares.
        metadata: folder of metadata, for MedleyDB.
        keep_bleed: whether stems in which other instruments are known to be heard are kept, flagged.
        jobs: files measured at once.
        progress: called with (stems done, stems in all).

    Returns:
        The songs as written, and what was left out with the reason.

    Raises:
        DataError: no such folder, or nothing in it can be used.
        UsageError: another layout, or an option that this kind does not have.
        OutputError: the manifest or its cache cannot be written.
    """
    if split is not None and kind.own_splits:
        raise UsageError(f"--kind {kind.name} has splits of its own; leave the options for splits away")
    if metadata is not None and not kind.takes_metadata:
        raise UsageError(f"--kind {kind.name} needs no metadata; leave --metadata away")
    found = kind.find(root, metadata) if kind.takes_metadata else kind.find(root)
    if split is None and not kind.own_splits:
        split = SplitWish(evaluation_share=kind.shares[0], validation_share=kind.shares[1])
    return write_manifest(found, output, split, keep_bleed=keep_bleed, jobs=jobs, progress=progress)
