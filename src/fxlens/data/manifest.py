"""The manifest: which stems there are, what they are and where they sound. JSON lines, one song a line.

Everything after preparation reads the manifest and never the folder again. Paths below the manifest's folder
are written relative to it, so that folder and manifest can move together. Fields that a stem need not have
(artist, free name, bleed, stream, added paths, silence) are left out where they say nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fxlens.data.multitrack import SPLITS, Multitrack, Stem, manifest_hash, stems_of
from fxlens.errors import DataError
from fxlens.whole_files import write_text

__all__ = [
    "SPLITS",
    "Multitrack",
    "Stem",
    "load_manifest",
    "manifest_hash",
    "save_manifest",
    "stems_of",
]


def save_manifest(path: str | Path, multitracks: Iterable[Multitrack]) -> None:
    """Write a manifest; an interruption leaves the old file, never half of the new one.

    Raises:
        DataError: two songs of one name.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    lines, songs = [], set()
    for multitrack in multitracks:
        if multitrack.song in songs:
            raise DataError(f"{path}: the song {multitrack.song!r} occurs twice; give songs distinct names")
        songs.add(multitrack.song)
        lines.append(json.dumps(_to_json(multitrack, path.parent.resolve()), ensure_ascii=False) + "\n")
    write_text(path, "".join(lines))


def load_manifest(path: str | Path) -> list[Multitrack]:
    """Read and check a manifest; the audio files themselves are not looked at.

    Raises:
        DataError: the file is missing or empty, or a line is wrong; the message names the line.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such manifest; fxlens data prepare writes one") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"{path}: cannot be read ({problem}); a manifest is UTF-8 JSON lines") from problem
    folder, found = path.parent.resolve(), {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            multitrack = _from_json(json.loads(line), folder)
        except json.JSONDecodeError as problem:
            raise DataError(f"{path}, line {number}: not JSON ({problem.msg}); prepare the folder again") from None
        except _Invalid as problem:
            raise DataError(f"{path}, line {number}: {problem}") from None
        if multitrack.song in found:
            raise DataError(f"{path}, line {number}: the song {multitrack.song!r} occurs twice; keep one of them")
        found[multitrack.song] = multitrack
    if not found:
        raise DataError(f"{path}: the manifest is empty; fxlens data prepare writes one song a line")
    return list(found.values())


class _Invalid(Exception):
    """What is wrong with a line; the caller adds where."""


def _to_json(multitrack: Multitrack, folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "song": multitrack.song,
        "collection": multitrack.collection,
        "split": multitrack.split,
        "stems": [_stem_to_json(stem, folder) for stem in multitrack.stems],
    }
    return entry | ({"artist": multitrack.artist} if multitrack.artist else {})


def _stem_to_json(stem: Stem, folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": stem.name,
        "instrument": stem.instrument,
        "path": _relative(stem.path, folder),
        "duration_seconds": round(stem.duration_seconds, 6),
        "sample_rate": stem.sample_rate,
        "loudness_lufs": round(stem.loudness_lufs, 2) if math.isfinite(stem.loudness_lufs) else None,
        "active": [[round(start, 3), round(end, 3)] for start, end in stem.active],
        "dry": stem.dry,
        "sha256": stem.sha256,
    }
    if stem.free_name:
        entry["free_name"] = stem.free_name
    if stem.bleed is not None:
        entry["bleed"] = stem.bleed
    if stem.stream:
        entry["stream"] = stem.stream
    if stem.added_paths:
        entry["added_paths"] = [_relative(path, folder) for path in stem.added_paths]
    if stem.silence_seconds:
        entry["silence_seconds"] = round(stem.silence_seconds, 6)
    return entry


def _relative(path: Path, folder: Path) -> str:
    absolute = path if path.is_absolute() else path.resolve()
    return absolute.relative_to(folder).as_posix() if absolute.is_relative_to(folder) else absolute.as_posix()


def _from_json(entry: Any, folder: Path) -> Multitrack:
    if not isinstance(entry, dict):
        raise _Invalid("a line must be an object with song, collection, split and stems")
    song, split = _text(entry, "song"), _text(entry, "split")
    if split not in SPLITS:
        raise _Invalid(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
    listed = entry.get("stems")
    if not isinstance(listed, list) or not listed:
        raise _Invalid(f"{song!r} needs a list of at least one stem under 'stems'")
    stems = tuple(_stem(item, song, split, folder) for item in listed)
    names = [stem.name for stem in stems]
    if len(set(names)) < len(names):
        raise _Invalid(f"{song!r} has two stems of one name; rename one of them")
    artist = _text(entry, "artist") if "artist" in entry else ""
    return Multitrack(song, _text(entry, "collection"), split, stems, artist)


def _stem(entry: Any, song: str, split: str, folder: Path) -> Stem:
    if not isinstance(entry, dict):
        raise _Invalid("a stem must be an object")
    duration, loudness = _number(entry, "duration_seconds"), entry.get("loudness_lufs", math.nan)
    rate = _number(entry, "sample_rate")
    if duration <= 0 or rate <= 0 or rate != int(rate):
        raise _Invalid(f"stem {entry.get('name')!r}: duration_seconds and sample_rate must be positive")
    if not isinstance(entry.get("dry"), bool):
        raise _Invalid(f"stem {entry.get('name')!r}: 'dry' must be true or false")
    return Stem(
        song=song,
        split=split,
        name=_text(entry, "name"),
        instrument=_text(entry, "instrument"),
        path=folder / _text(entry, "path"),
        duration_seconds=duration,
        sample_rate=int(rate),
        loudness_lufs=-math.inf if loudness is None else _number(entry, "loudness_lufs"),
        active=_regions(entry.get("active"), entry.get("name"), duration),
        dry=entry["dry"],
        sha256=_text(entry, "sha256"),
        **_optional(entry, folder, duration),
    )


def _optional(entry: dict[str, Any], folder: Path, duration: float) -> dict[str, Any]:
    """The fields that a stem need not have; old manifests have none of them."""
    found: dict[str, Any] = {}
    if "free_name" in entry:
        found["free_name"] = _text(entry, "free_name")
    if entry.get("bleed") is not None:
        if not isinstance(entry["bleed"], bool):
            raise _Invalid(f"stem {entry.get('name')!r}: 'bleed' must be true or false")
        found["bleed"] = entry["bleed"]
    if "stream" in entry:
        if isinstance(entry["stream"], bool) or not isinstance(entry["stream"], int) or entry["stream"] < 0:
            raise _Invalid(f"stem {entry.get('name')!r}: 'stream' must be a number from 0 on")
        found["stream"] = entry["stream"]
    if "added_paths" in entry:
        listed = entry["added_paths"]
        if not isinstance(listed, list) or not all(isinstance(path, str) and path for path in listed):
            raise _Invalid(f"stem {entry.get('name')!r}: 'added_paths' must be a list of texts")
        found["added_paths"] = tuple(folder / path for path in listed)
    if "silence_seconds" in entry:
        found["silence_seconds"] = _number(entry, "silence_seconds")
        if not 0.0 <= found["silence_seconds"] < duration:
            raise _Invalid(f"stem {entry.get('name')!r}: 'silence_seconds' must be from 0 to below {duration:g}")
    return found


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise _Invalid(f"{key!r} must be a text, not {value!r}")
    return value


def _number(entry: dict[str, Any], key: str) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Invalid(f"{key!r} must be a finite number, not {value!r}")
    return float(value)


def _regions(value: Any, name: Any, duration: float) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, list) or not all(_is_pair(pair) for pair in value):
        raise _Invalid(f"stem {name!r}: 'active' must be a list of [start, end] in seconds")
    regions: Sequence[tuple[float, float]] = [(float(start), float(end)) for start, end in value]
    bounds = [bound for region in regions for bound in region]
    if bounds and (bounds != sorted(bounds) or bounds[0] < 0 or bounds[-1] > duration + 0.01):
        raise _Invalid(f"stem {name!r}: 'active' must be in order and within 0 and {duration:g} s")
    return tuple(regions)


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in value)
    )
