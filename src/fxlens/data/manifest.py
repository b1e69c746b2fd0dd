"""The manifest: which stems there are, what they are and where they sound. JSON lines, one song a line.

Everything after preparation reads the manifest and never the folder again. Paths below the manifest's folder
are written relative to it, so that folder and manifest can move together.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fxlens.errors import DataError, OutputError

SPLITS = ("train", "validation", "evaluation")


@dataclass(frozen=True)
class Stem:
    """One instrument's recording in one song.

    Args:
        song: the multitrack it belongs to.
        split: ``train``, ``validation`` or ``evaluation``; decided by song.
        name: name of the stem within its song, e.g. ``lead_vocals``.
        instrument: canonical class, see :mod:`fxlens.instruments`.
        path: audio file.
        duration_seconds: length of the file.
        sample_rate: Hz of the file.
        loudness_lufs: integrated loudness of the whole file, ``-inf`` for silence.
        active: (start, end) in seconds of the regions where it sounds, in order, not overlapping.
        dry: whether it is known to carry no effects (synthesised, or recorded for that).
        sha256: of the file's bytes.
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

    @property
    def active_seconds(self) -> float:
        """Seconds in which the stem sounds."""
        return sum(end - start for start, end in self.active)


@dataclass(frozen=True)
class Multitrack:
    """One song: its name (unique in a manifest), the collection it comes from, its split and its stems."""

    song: str
    collection: str
    split: str
    stems: tuple[Stem, ...]


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
    write_atomically(path, "".join(lines))


def write_atomically(path: Path, text: str) -> None:
    """Write a text file under a temporary name beside it, then rename.

    Raises:
        OutputError: the file cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as problem:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"{path}: cannot be written ({problem.strerror or problem}); is the folder read-only or the disk full?"
        ) from problem


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


def stems_of(multitracks: Iterable[Multitrack], split: str | None = None) -> list[Stem]:
    """All stems, or those of one split, in the manifest's order."""
    return [s for m in multitracks if split is None or m.split == split for s in m.stems]


def manifest_hash(multitracks: Iterable[Multitrack]) -> str:
    """Name a set of stems by its content: songs, splits, instruments and the files' bytes.

    Where the files lie and in which order the songs are listed does not matter.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    rows = sorted((m.song, m.split, s.name, s.instrument, str(s.dry), s.sha256) for m in multitracks for s in m.stems)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


class _Invalid(Exception):
    """What is wrong with a line; the caller adds where."""


def _to_json(multitrack: Multitrack, folder: Path) -> dict[str, Any]:
    return {
        "song": multitrack.song,
        "collection": multitrack.collection,
        "split": multitrack.split,
        "stems": [
            {
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
            for stem in multitrack.stems
        ],
    }


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
    return Multitrack(song, _text(entry, "collection"), split, stems)


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
    )


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
