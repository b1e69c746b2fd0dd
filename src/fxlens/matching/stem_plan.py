"""Which stem is matched to which instrument of a mix, and where its result goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from fxlens.audio.io import can_write
from fxlens.errors import UsageError
from fxlens.instruments import QUERY_TARGETS, resolve


@dataclass(frozen=True)
class StemPlan:
    """One stem of a batch.

    Args:
        source: the dry file.
        query: the instrument of the reference that is meant; ``None``: the whole reference.
        output: the result.
    """

    source: Path
    query: str | None
    output: Path

    def beside(self, ending: str) -> Path:
        """A file beside the result: ``vocals.wav`` with ``.preset.json`` is ``vocals.preset.json``."""
        return self.output.with_name(self.output.stem + ending)


def plan_stems(
    files: Sequence[tuple[Path, Path]],
    folder: Path,
    suffix: str | None = None,
    every: str | None = None,
    named: Mapping[str, str] | None = None,
) -> tuple[list[StemPlan], list[Path]]:
    """Decide on the instrument of every file, by what was said of it or else by its name.

    Args:
        files: each with its path inside ``folder``.
        folder: of the results.
        suffix: format of the results, e.g. ``".flac"``; that of each file where it can be written, or ``.wav``.
        every: the instrument of all files that ``named`` does not name.
        named: file name, or name without suffix, or a pattern with ``*`` -> instrument; an empty one means the
            whole reference.

    Returns:
        The plans, and the files whose names say no instrument.

    Raises:
        UsageError: a name that is none of the files', two files with one result, a result that is its own source.
    """
    wanted = dict(named or {})
    unused = set(wanted)
    plans: list[StemPlan] = []
    unknown: list[Path] = []
    sources: dict[Path, Path] = {}
    for source, place in files:
        told = next((name for name in wanted if _means(name, source)), None)
        unused.discard(told or "")
        query = wanted[told] if told is not None else every if every is not None else _by_name(source)
        if query is None:
            unknown.append(source)
            continue
        output = folder / place
        if suffix is not None or not can_write(output):
            output = output.with_suffix(suffix or ".wav")
        if output in sources:
            raise UsageError(f"{sources[output]} and {source} would both become {output}; use two folders")
        if output.exists() and source.exists() and output.samefile(source):
            raise UsageError(f"{output}: is the input itself; choose another output folder")
        sources[output] = source
        plans.append(StemPlan(source, query or None, output))
    if unused:
        raise UsageError(f"{sorted(unused)[0]!r} is the name of no input; name a file as it is called, or with *")
    return plans, unknown


def _means(name: str, source: Path) -> bool:
    wanted = name.lower()
    return any(fnmatchcase(own.lower(), wanted) for own in (source.name, source.stem))


def _by_name(source: Path) -> str | None:
    found = resolve(source.stem)
    return found.name if found in QUERY_TARGETS else None
