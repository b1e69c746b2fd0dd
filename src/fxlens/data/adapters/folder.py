"""Any folder of stems: ``<root>/[<collection>/]<song>/<stem>.<extension>``.

A folder that holds audio files is a song, each of the files one stem, named after its instrument
(``lead_vocals.wav``, ``02 Rhodes.flac``). Stems whose name names no instrument, or several, are ``other``. A
``song.json`` beside the stems overrules the names::

    {"stems": [{"file": "track07.flac", "instrument": "electric guitar", "dry": true}]}

A file called mix, mixture or master is the sum of the others and no stem.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fxlens.audio.io import AUDIO_SUFFIXES
from fxlens.data.manifest import Multitrack, Stem, save_manifest
from fxlens.data.stem_analysis import StemAnalysis, analyse_all
from fxlens.errors import DataError, UsageError
from fxlens.instruments import BY_NAME, resolve

_MIXTURE = re.compile(r"(full[ _-]?|stereo[ _-]?)?(mix|mixture|mixdown|master)", re.IGNORECASE)
_JOINED = re.compile(r"[ _-](?:and|und|et|y|e|with)[ _-]|[&+]", re.IGNORECASE)


@dataclass
class Scan:
    """What was found in a folder.

    Args:
        multitracks: the songs with at least one usable stem.
        left_out: path -> reason, for every file that looked like a stem and is not in them.
    """

    multitracks: list[Multitrack] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)


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
        cache: see :func:`fxlens.data.stem_analysis.analyse_all`.
        jobs: files measured at once.
        progress: called with (files done, files in all).

    Raises:
        DataError: no such folder, no audio file in it, none that can be used, or a wrong ``song.json``.
        OutputError: the cache cannot be written.
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
    described = {folder: _read_song_json(folder) for folder in songs}
    files = [file for stems in songs.values() for file in stems]
    measured, damaged = analyse_all(files, cache, jobs=jobs, progress=progress)
    scan = Scan(left_out=damaged)
    for folder, stem_files in songs.items():
        relative = folder.relative_to(root)
        song = relative.as_posix() if relative.parts else root.name
        names = [file.stem for file in stem_files]
        stems = tuple(
            _stem(
                song,
                file.name if names.count(file.stem) > 1 else file.stem,
                file,
                measured[file],
                described[folder].get(file.name, {}),
            )
            for file in stem_files
            if file in measured
        )
        if stems:
            collection = relative.parts[0] if len(relative.parts) > 1 else root.name
            scan.multitracks.append(Multitrack(song, collection, "train", stems))
    if not scan.multitracks:
        first = next(iter(damaged.values()))
        raise DataError(f"{root}: none of its {len(files)} audio files can be used; the first: {first}")
    return scan


def _find_songs(root: Path) -> dict[Path, list[Path]]:
    songs: dict[Path, list[Path]] = {}
    for file in sorted(root.rglob("*")):
        if file.suffix.lower() not in AUDIO_SUFFIXES or _MIXTURE.fullmatch(file.stem) or not file.is_file():
            continue
        if any(part.startswith(".") for part in file.relative_to(root).parts):
            continue
        songs.setdefault(file.parent, []).append(file)
    return songs


def _stem(song: str, name: str, file: Path, analysis: StemAnalysis, entry: dict[str, Any]) -> Stem:
    return Stem(
        song=song,
        split="train",
        name=name,
        instrument=entry.get("instrument") or instrument_of_name(file.stem),
        path=file,
        duration_seconds=analysis.duration_seconds,
        sample_rate=analysis.sample_rate,
        loudness_lufs=analysis.loudness_lufs,
        active=analysis.active,
        dry=entry.get("dry", False),
        sha256=analysis.sha256,
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
    return entries


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

    Which song falls into a share depends on the seed and the names, not on the order of the songs.

    Args:
        multitracks: songs to divide.
        evaluation_songs: names, or patterns such as ``vocadito/*``.
        validation_songs: likewise.
        evaluation_share: share 0-1 of the remaining songs.
        validation_share: likewise.
        seed: of the shares.

    Raises:
        UsageError: a name that fits no song, a song in both lists, or shares that leave nothing to train on.
    """
    shares = (evaluation_share, validation_share)
    if min(shares) < 0.0 or sum(shares) > 1.0:
        raise UsageError(f"shares must be from 0 to 1 and not above 1 together, not {shares}")
    split: dict[str, str] = {}
    for name, patterns in (("evaluation", evaluation_songs), ("validation", validation_songs)):
        for pattern in patterns:
            songs = [m.song for m in multitracks if fnmatchcase(m.song, pattern)]
            if not songs:
                some = ", ".join(sorted(m.song for m in multitracks)[:5])
                raise UsageError(f"no song is called {pattern!r} (asked for {name}); there are: {some} ...")
            for song in songs:
                if split.setdefault(song, name) != name:
                    raise UsageError(f"{song!r} was asked for both evaluation and validation; name it once")
    unnamed = (m.song for m in multitracks if m.song not in split)
    rest = sorted(unnamed, key=lambda song: _shuffled(song, seed))
    held = round(evaluation_share * len(rest))
    split |= dict.fromkeys(rest[:held], "evaluation")
    split |= dict.fromkeys(rest[held : held + round(validation_share * len(rest))], "validation")
    divided = []
    for multitrack in multitracks:
        own = split.get(multitrack.song, "train")
        stems = tuple(replace(stem, split=own) for stem in multitrack.stems)
        divided.append(replace(multitrack, split=own, stems=stems))
    return divided


def _shuffled(song: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{song}".encode()).hexdigest()


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
        evaluation_songs, validation_songs: see :func:`assign_splits`.
        evaluation_share, validation_share, seed: see :func:`assign_splits`.
        jobs: files measured at once.
        progress: called with (files done, files in all).

    Returns:
        The songs as written, and the files that were left out with the reason.

    Raises:
        DataError, UsageError, OutputError: see :func:`scan_folder`, :func:`assign_splits`, ``save_manifest``.
    """
    output = Path(output)
    scan = scan_folder(root, cache=output.with_name(output.name + ".cache"), jobs=jobs, progress=progress)
    scan.multitracks = assign_splits(
        scan.multitracks,
        evaluation_songs=evaluation_songs,
        validation_songs=validation_songs,
        evaluation_share=evaluation_share,
        validation_share=validation_share,
        seed=seed,
    )
    save_manifest(output, scan.multitracks)
    return scan
