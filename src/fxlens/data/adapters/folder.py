"""Any folder of stems: ``<root>/[<collection>/]<song>/<stem>.<extension>``.

A folder that holds audio files is a song, each of the files one stem, named after its instrument
(``lead_vocals.wav``, ``02 Rhodes.flac``). Stems whose name names no instrument, or several, are ``other``. A
``song.json`` beside the stems overrules the names::

    {"stems": [{"file": "track07.flac", "instrument": "saxophone", "free_name": "alto saxophone", "dry": true}]}

A file called mix, mixture or master is the sum of the others and no stem.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fxlens.audio.io import AUDIO_SUFFIXES
from fxlens.data.adapters.found import Found, FoundSong, FoundStem
from fxlens.data.adapters.scan import Scan, SplitWish, scan, write_manifest
from fxlens.data.recording import Recording
from fxlens.errors import DataError
from fxlens.instruments import BY_NAME, resolve

_MIXTURE = re.compile(r"(full[ _-]?|stereo[ _-]?)?(mix|mixture|mixdown|master)", re.IGNORECASE)
_JOINED = re.compile(r"[ _-](?:and|und|et|y|e|with)[ _-]|[&+]", re.IGNORECASE)


def instrument_of_name(name: str) -> str:
    """Return the instrument class a stem's name means; ``other`` for none, or for several of different
    classes.

    >>> instrument_of_name("lead_vocals"), instrument_of_name("pad_and_bass"), instrument_of_name("backing")
    ('vocals', 'other', 'other')
    """
    classes = {resolve(part) for part in _JOINED.split(name) if part.strip(" _-")}
    if len(classes) > 1:  # resolve takes the last of two as the head; in a file name both are in the file
        return "other"
    found = resolve(name)
    return found.name if found is not None else "other"


def scan_folder(
    root: str | Path,
    *,
    cache: str | Path | None = None,
    jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Find and measure the stems of a folder; every song is of split ``train``.

    Songs are named by their path below the root (``collection/song``), with ``/`` on every system.

    Args:
        root: folder to search, at any depth; hidden folders and files are passed over.
        cache: see :func:`fxlens.data.analysis_job.analyse_all`.
        jobs: files measured at once.
        progress: called with (files done, files in all).

    Raises:
        DataError: no such folder, no audio file in it, none that can be used, or a wrong ``song.json``.
        OutputError: the cache cannot be written.
    """
    return scan(find(root), cache=cache, jobs=jobs, progress=progress)


def find(root: str | Path) -> Found:
    """List the songs and stems below a folder, by their names and ``song.json``; nothing is decoded.

    Raises:
        DataError: no such folder, no audio file in it, or a wrong ``song.json``.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; check the path")
    songs = _find_songs(root)
    if not songs:
        raise DataError(
            f"{root}: there is no audio file in it; expected <song>/<stem>.wav "
            f"(or {', '.join(sorted(AUDIO_SUFFIXES - {'.wav'}))}), with or without a folder per collection"
        )
    found = Found(root, silence_is_damage=True)
    for folder, files in songs.items():
        described = _read_song_json(folder)
        relative = folder.relative_to(root)
        song = relative.as_posix() if relative.parts else root.name
        collection = relative.parts[0] if len(relative.parts) > 1 else root.name
        names = [file.stem for file in files]
        stems = tuple(
            _stem(file.name if names.count(file.stem) > 1 else file.stem, file, described.get(file.name, {}))
            for file in files
        )
        found.songs.append(FoundSong(song, collection, stems))
    return found


def _find_songs(root: Path) -> dict[Path, list[Path]]:
    songs: dict[Path, list[Path]] = {}
    for file in sorted(root.rglob("*")):
        if file.suffix.lower() not in AUDIO_SUFFIXES or _MIXTURE.fullmatch(file.stem) or not file.is_file():
            continue
        if any(part.startswith(".") for part in file.relative_to(root).parts):
            continue
        songs.setdefault(file.parent, []).append(file)
    return songs


def _stem(name: str, file: Path, entry: dict[str, Any]) -> FoundStem:
    return FoundStem(
        name=name,
        instrument=entry.get("instrument") or instrument_of_name(file.stem),
        recording=Recording((file,)),
        free_name=entry.get("free_name", ""),
        dry=entry.get("dry", False),
    )


def _read_song_json(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / "song.json"
    if not path.is_file():
        return {}
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["stems"]
        entries = {entry["file"]: entry for entry in listed}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise DataError(
            f"{path}: it must be JSON with a list 'stems' of {{file, instrument, dry}} ({problem!r}); "
            "mend it or remove it"
        ) from problem
    for name, entry in entries.items():
        instrument = entry.get("instrument")
        if instrument is not None and instrument not in BY_NAME:
            raise DataError(f"{path}: {name} has the instrument {instrument!r}; the classes are {', '.join(BY_NAME)}")
        if not isinstance(entry.get("dry", False), bool):
            raise DataError(f"{path}: 'dry' of {name} must be true or false, not {entry['dry']!r}")
        if not isinstance(entry.get("free_name", ""), str):
            raise DataError(f"{path}: 'free_name' of {name} must be a text, not {entry['free_name']!r}")
    return entries


def prepare(
    root: str | Path,
    output: str | Path,
    evaluation_songs: Sequence[str] = (),
    jobs: int = 2,
    *,
    validation_songs: Sequence[str] = (),
    evaluation_share: float = 0.0,
    validation_share: float = 0.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Write the manifest of a folder of stems; measurements are kept in ``<output>.cache`` for the next time.

    Args:
        root: see :func:`scan_folder`.
        output: the manifest to write.
        evaluation_songs, validation_songs: see :func:`fxlens.data.splits.assign_splits`.
        evaluation_share, validation_share, seed: likewise.
        jobs: files measured at once.
        progress: called with (files done, files in all).

    Returns:
        The songs as written, and the files that were left out with the reason.

    Raises:
        DataError, UsageError, OutputError: see :func:`fxlens.data.adapters.scan.write_manifest`.
    """
    wish = SplitWish(evaluation_songs, validation_songs, evaluation_share, validation_share, seed)
    return write_manifest(find(root), output, wish, jobs=jobs, progress=progress)
