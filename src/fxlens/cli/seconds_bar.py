"""A progress bar for work on long files, where counting files would stand still for minutes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fxlens.cli import console
from fxlens.errors import FxLensError


class SecondsBar:
    """Progress in seconds of audio, on a terminal only. A context manager.

    Args:
        sources: the files; those that cannot be read count nothing.
    """

    def __init__(self, sources: list[Path]) -> None:
        self._sources = sources
        self._seconds: dict[Path, float] = {}
        self._ends = 0.0
        self._bar: Any = None

    def __enter__(self) -> SecondsBar:
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._seconds = {source: _seconds(source) for source in self._sources}
            self._bar = tqdm(
                total=sum(self._seconds.values()), unit="s", file=sys.stderr, leave=False,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]",
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def begin(self, source: Path) -> None:
        """Name the next file, and jump to where the one before ends, however far it got."""
        if self._bar is not None:
            self._bar.update(self._ends - self._bar.n)
            self._ends += self._seconds[source]
            self._bar.set_description_str(source.name, refresh=False)

    def result(self, text: str) -> None:
        """Print a line to stdout, past the bar."""
        if self._bar is not None:
            self._bar.clear()
        console.result(text)

    def advance(self, seconds: float) -> None:
        """Count seconds of audio that are done."""
        if self._bar is not None:
            self._bar.update(seconds)


def _seconds(source: Path) -> float:
    from fxlens.audio import io

    try:
        return io.probe(source, exact=False).duration_seconds
    except (FxLensError, OSError):
        return 0.0
