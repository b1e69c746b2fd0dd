"""MedleyDB 1.0 and 2.0: 196 songs with their stems and the raw tracks these were made of; 44.1 kHz.

R. Bittner, J. Salamon, M. Tierney, M. Mauch, C. Cannam, J. P. Bello: *MedleyDB: a multitrack dataset for
annotation-intensive MIR research*, ISMIR 2014; R. Bittner, J. Wilkins, H. Yip, J. P. Bello: *MedleyDB 2.0*, ISMIR
2016 (late-breaking). Licence of audio and annotations: CC BY-NC-SA 4.0.

Layout; ``Audio`` may be missing, and any folder may lie between the root and the songs::

    <root>/Audio/<id>/<id>_METADATA.yaml            or <root>/Metadata/<id>_METADATA.yaml
    <root>/Audio/<id>/<id>_STEMS/<id>_STEM_01.wav
    <root>/Audio/<id>/<id>_RAW/<id>_RAW_01_01.wav

The stems are wet: they were mixed. The raw tracks are what the set calls unprocessed, one a microphone, and count
as dry. ``has_bleed`` is said of a song and holds for all its stems and tracks. No splits are given: songs are
divided by artist.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from fxlens.data.adapters.found import Found, FoundSong, FoundStem, plain_name
from fxlens.data.adapters.medleydb_instruments import class_of
from fxlens.data.recording import Recording
from fxlens.errors import DataError, UsageError

VARIABLE = "MEDLEYDB_PATH"
_SUFFIX = "_METADATA.yaml"
_DEPTHS = ("*", "*/*", "*/*/*")


def recognises(root: Path) -> bool:
    """Whether a folder has the layout of MedleyDB."""
    return any(True for _ in _song_folders(root))


def find(root: str | Path, metadata: str | Path | None = None) -> Found:
    """List the songs of MedleyDB with their mixed stems; nothing is decoded.

    Args:
        root: the folder that holds ``Audio``, or any below it that holds songs.
        metadata: folder of ``<id>_METADATA.yaml``, where they are neither beside the audio nor in ``Metadata``.

    Raises:
        DataError: no such folder.
        UsageError: it does not have that layout.
    """
    return _find(Path(root), metadata, raw=False)


def find_raw(root: str | Path, metadata: str | Path | None = None) -> Found:
    """List the songs of MedleyDB with their raw tracks; see :func:`find`."""
    return _find(Path(root), metadata, raw=True)


def _find(root: Path, metadata: str | Path | None, raw: bool) -> Found:
    root = root.resolve()
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; check the path")
    found, any_folder = Found(root), False
    for folder in sorted(_song_folders(root), key=lambda path: path.name):
        any_folder = True
        described = _metadata_file(folder, root, metadata)
        if described is None:
            found.left_out[folder] = (
                f"{folder}: there is no {folder.name}{_SUFFIX} beside it or in {root / 'Metadata'}; "
                "copy it there, or name its folder (--metadata)"
            )
            continue
        try:
            song = _song(folder, yaml.load(described.read_text(encoding="utf-8"), Loader=_LOADER), raw)
        except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as problem:
            reason = " ".join(str(problem).split())
            found.left_out[described] = f"{described}: it is not metadata of MedleyDB ({reason}); copy it again"
            continue
        if song.stems:
            found.songs.append(song)
        else:
            found.left_out[described] = f"{described}: it lists no {'raw tracks' if raw else 'stems'}"
    if not any_folder:
        raise UsageError(f"{root}: this is not MedleyDB; expected Audio/<song>/<song>_STEMS/<song>_STEM_01.wav")
    return found


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the compiled one is ten times as fast


def _song_folders(root: Path) -> Iterator[Path]:
    for depth in _DEPTHS:
        for entry in root.glob(f"{depth}/"):
            name = entry.name
            if not name.startswith(".") and any(
                entry.joinpath(name + end).exists() for end in ("_STEMS", "_RAW", _SUFFIX)
            ):
                yield entry


def _metadata_file(folder: Path, root: Path, metadata: str | Path | None) -> Path | None:
    places = [folder, root / "Metadata", root.parent / "Metadata", root]
    for place in [Path(metadata), *places] if metadata is not None else places:
        if place.joinpath(folder.name + _SUFFIX).is_file():
            return place.joinpath(folder.name + _SUFFIX)
    return None


def _song(folder: Path, entry: dict[str, Any], raw: bool) -> FoundSong:
    bleed = {"yes": True, "no": False, True: True, False: False}.get(entry.get("has_bleed"))
    stems: list[FoundStem] = []
    for key, stem in sorted((entry["stems"] or {}).items()):
        if raw:
            parent = folder / _file_name(entry.get("raw_dir") or f"{folder.name}_RAW")
            for track, described in sorted((stem.get("raw") or {}).items()):
                stems.append(_stem(parent, f"{key}{track}", described, bleed, dry=True))
        else:
            parent = folder / _file_name(entry.get("stem_dir") or f"{folder.name}_STEMS")
            stems.append(_stem(parent, key, stem, bleed, dry=False))
    artist = entry.get("artist") or folder.name.split("_", 1)[0]
    return FoundSong(folder.name, "medleydb", tuple(stems), str(artist))


def _stem(parent: Path, key: str, entry: dict[str, Any], bleed: bool | None, dry: bool) -> FoundStem:
    listed = entry["instrument"]
    names = [str(name) for name in (listed if isinstance(listed, list) else [listed])]
    free_name = " and ".join(names)
    path = parent / _file_name(entry["filename"])
    return FoundStem(plain_name(f"{key} {free_name}"), class_of(names), Recording((path,)), free_name, dry, bleed)


def _file_name(text: str) -> str:
    if Path(text).name != text:
        raise ValueError(f"{text!r} is not the name of a file")
    return text
