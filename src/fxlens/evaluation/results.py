"""Results: figures together with where they come from, and the one file format that every evaluation writes.

A results file holds each system and each origin once; a figure refers to them::

    {"format": "fxlens results 1",
     "systems": {"<identity>": {"name": ..., "spec": ..., "identity": ..., "licence": ...}},
     "origins": {"<key>": {"version": ..., "seed": ..., "manifest_sha256": ..., "settings": ..., "songs": ...}},
     "results": [{"protocol": ..., "task": ..., "column": ..., "pool": ..., "system": ..., "origin": ...,
                  "metrics": {...}, "intervals": {...}, "chance": {...}, "per_song": {...}, "counts": {...},
                  "missing": null}]}

Files carry no date: the same evaluation writes the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fxlens.errors import DataError
from fxlens.evaluation.source_version import source_version
from fxlens.evaluation.systems.system import System
from fxlens.whole_files import write_text

FORMAT = "fxlens results 1"
_UNAVAILABLE = "unavailable:"


@dataclass(frozen=True)
class SystemFacts:
    """What a table says about a system.

    Args:
        name: short, for the rows of tables.
        spec: how it was asked for, e.g. ``spleeter+fxlens``.
        identity: changes whenever its embeddings would.
        licence: of its weights.
    """

    name: str
    spec: str
    identity: str
    licence: str

    @classmethod
    def of(cls, system: System, spec: str) -> SystemFacts:
        """Describe an opened system."""
        return cls(system.name, spec, system.identity, system.licence)

    @classmethod
    def unavailable(cls, spec: str) -> SystemFacts:
        """Stand for a system that could not be opened."""
        return cls(spec, spec, _UNAVAILABLE + spec, "")

    @property
    def is_there(self) -> bool:
        """Whether it could be opened."""
        return not self.identity.startswith(_UNAVAILABLE)


@dataclass(frozen=True)
class Origin:
    """All that is needed to get a figure again.

    Args:
        seed: of everything drawn.
        manifest_sha256: of the stems, see :func:`fxlens.data.manifest.manifest_hash`.
        settings: of the protocol, plain JSON values.
        songs: instrument -> songs it was evaluated on.
        version: of fxlens.
        command: the command line, file names without their folders.
    """

    seed: int
    manifest_sha256: str
    settings: Mapping[str, Any]
    songs: Mapping[str, Sequence[str]]
    version: str = field(default_factory=source_version)
    command: str = ""

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that name what was evaluated on; version and command are no part of it."""
        told = {"seed": self.seed, "manifest": self.manifest_sha256, "settings": self.settings, "songs": self.songs}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Result:
    """The figures of one system in one task.

    Args:
        protocol: ``retrieval``, ``extraction``, ``extraction-controlled``, ``sensitivity`` or ``matching``.
        task: e.g. ``stem/drums``, ``mixture``, ``extract/vocals``, ``sensitivity/delay``, ``matching/drums``.
        system: who was evaluated; for a floor or an oracle without a system its name says so.
        origin: on what.
        column: variant within a task: ``text query``, ``no query``, ``oracle stem``; empty where there is one only.
        pool: which part of the task: ``1-8 effects`` (balanced), ``3 effects``, ``delay only``, ``mean``.
        metrics: name -> value: ``R@1 R@5 R@10 mAP@10`` (percent), ``median rank``, ``L_d``, ``rho`` ...
        intervals: name -> bounds of the 95 % bootstrap interval.
        chance: name -> what guessing gets.
        per_song: metric -> song -> value.
        counts: what the figures stand on: styles, candidates, songs, triplets ...
        missing: why there are no metrics; a table prints a dash with it.
        notes: anything else a reader must know, name -> text.
    """

    protocol: str
    task: str
    system: SystemFacts
    origin: Origin
    column: str = ""
    pool: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)
    per_song: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    missing: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def instrument(self) -> str:
        """What comes after the slash of the task; the task itself where there is none (``mixture``)."""
        return self.task.partition("/")[2] or self.task

    @property
    def key(self) -> tuple[str, ...]:
        """Two results with one key are the same figure; the later one counts."""
        return (self.protocol, self.task, self.column, self.pool, self.system.identity, self.origin.key)


def merge(*sets: Iterable[Result]) -> list[Result]:
    """Join results in the order of their first appearance; of one key the last counts.

    The reasons of a system that could not be had give way to its figures, wherever these are.
    """
    merged: dict[tuple[str, ...], Result] = {}
    for results in sets:
        for result in results:
            merged[result.key] = result
    had = {(*_place(result), result.system.spec) for result in merged.values() if result.system.is_there}
    return [r for r in merged.values() if r.system.is_there or (*_place(r), r.system.spec) not in had]


def _place(result: Result) -> tuple[str, ...]:
    return (result.protocol, result.task, result.pool, result.origin.key)


def save_results(path: str | Path, results: Iterable[Result]) -> None:
    """Write results, beside those of other figures that the file already holds; all of the file or nothing.

    Raises:
        DataError: a metric is not a finite number, or the file that is there holds no results.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    together = merge(load_results(path) if path.exists() else (), results)
    systems, origins, rows = {}, {}, []
    for result in together:
        for name, value in result.metrics.items():
            if not math.isfinite(value):
                raise DataError(f"{result.system.name}, {result.task}: {name} is {value}; it cannot be reported")
        systems[result.system.identity] = asdict(result.system)
        # One origin may have been evaluated by two versions; each result keeps its own.
        reference = f"{result.origin.key} {result.origin.version} {result.origin.command}".strip()
        name = hashlib.sha256(reference.encode()).hexdigest()[:12]
        origins[name] = asdict(result.origin)
        row = {key: value for key, value in asdict(result).items() if key not in ("system", "origin")}
        rows.append({**row, "system": result.system.identity, "origin": name})
    content = {"format": FORMAT, "systems": systems, "origins": origins, "results": rows}
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def load_results(path: str | Path) -> list[Result]:
    """Read a results file.

    Raises:
        DataError: it is missing, damaged or something else; the message names it.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: there are no such results; fxlens evaluate writes them") from None
    except (OSError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read as results ({problem}); evaluate again") from problem
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{path}: not a file of the format {FORMAT!r}; fxlens evaluate writes one")
    try:
        systems = {key: SystemFacts(**facts) for key, facts in content["systems"].items()}
        origins = {key: Origin(**facts) for key, facts in content["origins"].items()}
        return [_result(row, systems, origins) for row in content["results"]]
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise DataError(f"{path}: its results are damaged ({problem!r}); evaluate again") from problem


def _result(row: dict[str, Any], systems: dict[str, SystemFacts], origins: dict[str, Origin]) -> Result:
    intervals = {name: (float(low), float(high)) for name, (low, high) in row["intervals"].items()}
    return Result(**{**row, "system": systems[row["system"]], "origin": origins[row["origin"]], "intervals": intervals})
