"""MoisesDB: 240 songs by 45 artists, up to 11 stems a song, each the sum of its tracks; 44.1 kHz.

I. Pereira, F. Araújo, F. Korzeniowski, R. Vogl: *MoisesDB: a dataset for source separation beyond 4-stems*, ISMIR
2023, arXiv:2307.15913. Licence: CC BY-NC-SA 4.0.

Layout; the root is the folder above ``moisesdb_v0.1`` or that folder itself::

    <root>/moisesdb_v0.1/<uuid>/data.json
    <root>/moisesdb_v0.1/<uuid>/<stem>/<track id>.<extension>

``data.json`` names artist, song, genre and the stems; each stem (``vocals``, ``guitar`` ...) lists tracks with an
id, a type (``lead male singer``), an extension and ``has_bleed``. Stems are made as the set's own loader makes them:
mono tracks sound on both sides, the shortest track of a stem ends it, and shorter stems are followed by silence, so
that all stems of a song are as long as its longest. A stem bleeds if one of its tracks does. No splits are given:
songs are divided by artist.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from fxlens.data.adapters.found import Found, FoundSong, FoundStem, plain_name, told_apart
from fxlens.data.adapters.moisesdb_instruments import class_of
from fxlens.data.recording import Recording
from fxlens.errors import DataError, UsageError

VARIABLE = "MOISESDB_PATH"
_LOOKED_AT = 10  # files: the first may be damaged


def recognises(root: Path) -> bool:
    """Whether a folder has the layout of MoisesDB."""
    return any(_lists_stems(file) for file in islice(_song_files(root), _LOOKED_AT))


def _lists_stems(file: Path) -> bool:
    """Whether a data.json, a name that others use too, is one of MoisesDB."""
    try:
        stems = json.loads(file.read_text(encoding="utf-8"))["stems"]
        return all("stemName" in stem and "tracks" in stem for stem in stems)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def find(root: str | Path) -> Found:
    """List the songs of MoisesDB; nothing is decoded.

    Raises:
        DataError: no such folder.
        UsageError: it does not have that layout.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; check the path")
    found, entries = Found(root), []
    files = sorted(_song_files(root))
    if not files:
        raise UsageError(f"{root}: this is not MoisesDB; expected moisesdb_v0.1/<song id>/data.json")
    for file in files:
        try:
            entry = json.loads(file.read_text(encoding="utf-8"))
            stems = _stems(file.parent, entry)
            artist, title = str(entry.get("artist") or ""), str(entry.get("song") or "untitled")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            found.left_out[file] = f"{file}: it does not describe a song of MoisesDB ({problem!r}); copy it again"
            continue
        if stems:
            name = plain_name(f"{artist} - {title}" if artist else title)
            entries.append((name, file.parent.name, artist, stems))
        else:
            found.left_out[file] = f"{file}: it lists no tracks"
    names = told_apart((name, key) for name, key, _, _ in entries)
    for song, (_, _, artist, stems) in zip(names, entries, strict=True):
        found.songs.append(FoundSong(song, "moisesdb", stems, artist, padded=True))
    return found


def _song_files(root: Path) -> Iterator[Path]:
    for depth in ("*", "*/*"):
        yield from root.glob(f"{depth}/data.json")


def _stems(folder: Path, entry: dict[str, Any]) -> tuple[FoundStem, ...]:
    tracks: dict[str, list[dict[str, Any]]] = {}
    for stem in entry["stems"]:  # a stem may be listed twice: its tracks are summed all the same
        tracks.setdefault(_file_name(stem["stemName"]), []).extend(stem["tracks"])
    found = []
    for name, listed in sorted(tracks.items()):
        if not listed:
            continue
        types = [str(track.get("trackType") or "") for track in listed]
        paths = tuple(folder / name / _file_name(f"{track['id']}.{track['extension']}") for track in listed)
        kinds = sorted(set(types))
        free_name = kinds[0] if len(kinds) == 1 and kinds[0] else name.replace("_", " ")
        bleed = any(bool(track.get("has_bleed", False)) for track in listed)
        found.append(FoundStem(name, class_of(name, types), Recording(paths), free_name, bleed=bleed))
    return tuple(found)


def _file_name(text: str) -> str:
    if Path(text).name != text:
        raise ValueError(f"{text!r} is not the name of a file")
    return text
