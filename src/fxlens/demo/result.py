"""What a demonstration found, as numbers, as a table and as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fxlens.demo.movement import WHOLE

FORMAT = "fxlens.demo/1"


@dataclass(frozen=True)
class DemoResult:
    """What a demonstration found and where it wrote it.

    Args:
        output: the folder.
        mode: ``"stems"``: rows are instruments whose effects were changed, columns what was asked for, cells
            how far its embedding moved. ``"mixture"``: rows and columns are what was asked for, cells how far
            apart the two embeddings are.
        model_id: the model.
        seed: of the song and of the changes.
        instruments: queries, in the order of the columns after the first.
        rows: names of the rows.
        distances: float64 ``[rows, 1 + instruments]``, cosine distances; the whole mixture comes first.
        yardstick: float64 ``[1 + instruments]``, mean distance between windows of the mixture that do not
            overlap, with nothing changed; NaN for a recording shorter than two windows.
        pairs: of windows behind the yardstick.
        windows: of each recording.
        window_seconds: their length.
        words: instrument -> its effects in words, before and after the change.
        source: what was embedded, in words.
        files: what was written, by kind.
    """

    output: Path
    mode: Literal["stems", "mixture"]
    model_id: str
    seed: int
    instruments: tuple[str, ...]
    rows: tuple[str, ...]
    distances: np.ndarray
    yardstick: np.ndarray
    pairs: int
    windows: int
    window_seconds: float
    source: str
    words: dict[str, tuple[str, str]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (WHOLE, *self.instruments)

    @property
    def times_yardstick(self) -> np.ndarray:
        """:attr:`distances` in units of their column's yardstick; NaN where there is none."""
        known = np.isfinite(self.yardstick) & (self.yardstick > 1e-9)
        return self.distances / np.where(known, self.yardstick, np.nan)

    @property
    def moved_most(self) -> tuple[str, ...]:
        """For each row the instrument whose embedding moved farthest (cosine distance)."""
        return tuple(self.instruments[int(i)] for i in np.argmax(self.distances[:, 1:], axis=1))

    @property
    def rows_right(self) -> int:
        """In how many rows the changed instrument is the one that moved most; by chance it is one."""
        return sum(row == most for row, most in zip(self.rows, self.moved_most, strict=True))

    @property
    def rows_right_in_yardsticks(self) -> int | None:
        """The same with every column measured by its own yardstick."""
        relative = self.times_yardstick[:, 1:]
        if not np.isfinite(relative).all():
            return None
        return sum(row == self.instruments[int(i)] for row, i in zip(self.rows, relative.argmax(1), strict=True))

    def _own_and_others(self) -> tuple[float, float]:
        own = np.array([[row == column for column in self.instruments] for row in self.rows])
        return float(self.distances[:, 1:][own].mean()), float(self.distances[:, 1:][~own].mean())

    def verdict(self) -> str:
        """What came out, in one or two sentences."""
        if self.mode == "mixture":
            if not np.isfinite(self.yardstick).all():
                return "The recording is shorter than two windows: there is no yardstick for these distances."
            apart = ~np.eye(len(self.rows), dtype=bool)
            apart[0], apart[:, 0] = False, False  # the whole mixture is another kind of embedding
            off = self.distances[apart]
            beyond = int(np.sum((self.distances > self.yardstick)[apart]))
            return (
                f"{beyond} of {off.size} distances between two instruments are larger than what the music "
                "alone does from window to window (the last row)."
            )
        own, others = self._own_and_others()
        n = len(self.rows)
        also = self.rows_right_in_yardsticks
        measured = "" if also is None else f" ({also} of {n} with each column measured by its own yardstick)"
        return (
            f"The changed instrument moved most in {self.rows_right} of {n} rows{measured}; "
            f"chance is 1 of {n}. On average its own embedding moved by {own:.3f}, "
            f"the other instruments' by {others:.3f}."
        )

    def report(self) -> str:
        """The whole finding as plain text."""
        lines = [
            f"{self.source}",
            f"model {self.model_id}, {self.windows} windows of {self.window_seconds:g} s",
        ]
        width = max(len(name) for name in (*self.rows, "nothing changed"))
        if self.words:
            lines += ["", "Effects:"]
            for name, (was, now) in self.words.items():
                lines += [f"  {name:<{width}}  {was}", f"  {'':<{width}}  changed to: {now}"]
        heading = (
            "How far each embedding moves (cosine distance, and times the yardstick)"
            if self.mode == "stems"
            else "How far apart the embeddings are (cosine distance, and times the column's yardstick)"
        )
        columns = [max(len(name), 13) for name in self.columns]
        head = "  ".join(f"{name:>{w}}" for name, w in zip(self.columns, columns, strict=True))
        label = "changed" if self.mode == "stems" else ""
        lines += ["", heading, f"{label:<{width}}  {head}"]
        for name, row, times in zip(self.rows, self.distances, self.times_yardstick, strict=True):
            cells = [self._cell(name, i, row, times) for i in range(len(self.columns))]
            lines.append(f"{name:<{width}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(cells, columns, strict=True)))
        rest = [f"{value:.3f}        " if math.isfinite(value) else "-" for value in self.yardstick]
        lines.append(
            f"{'nothing changed':<{width}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(rest, columns, strict=True))
        )
        lines += ["", f"Yardstick ('nothing changed'): {self._yardstick_words()}."]
        if self.mode == "stems":
            lines.append("* moved most of the row's instruments")
        return "\n".join([*lines, "", self.verdict(), f"Written to {self.output}"])

    def _cell(self, name: str, index: int, row: np.ndarray, times: np.ndarray) -> str:
        mark = " "
        if self.mode == "stems" and self.moved_most[self.rows.index(name)] == self.columns[index]:
            mark = "*"
        factor = f"{times[index]:.1f}x" if math.isfinite(times[index]) else "-"
        return f"{row[index]:.3f}{mark} {factor:>6}"

    def _yardstick_words(self) -> str:
        if self.pairs == 0:
            return "none, the recording is shorter than two windows"
        return (
            f"mean distance between windows of the unchanged mixture that do not overlap ({self.pairs} "
            f"pair{'s' if self.pairs > 1 else ''})"
        )

    def to_json(self) -> str:
        """The finding as JSON; numbers that are not known are null."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "mode": self.mode,
            "source": self.source,
            "model": self.model_id,
            "seed": self.seed,
            "windows": self.windows,
            "window_seconds": self.window_seconds,
            "columns": list(self.columns),
            "rows": list(self.rows),
            "distances": _numbers(self.distances),
            "yardstick": _numbers(self.yardstick),
            "yardstick_pairs": self.pairs,
            "times_yardstick": _numbers(self.times_yardstick),
        }
        if self.mode == "stems":
            own, others = self._own_and_others()
            document |= {
                "effects": {n: {"before": was, "after": now} for n, (was, now) in self.words.items()},
                "moved_most": dict(zip(self.rows, self.moved_most, strict=True)),
                "rows_right": self.rows_right,
                "rows_right_in_yardsticks": self.rows_right_in_yardsticks,
                "mean_distance_of_changed": own,
                "mean_distance_of_others": others,
            }
        document |= {"verdict": self.verdict(), "files": {k: str(p.name) for k, p in self.files.items()}}
        return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _numbers(array: np.ndarray) -> list[Any]:
    return [
        _numbers(value) if isinstance(value, np.ndarray) else (float(value) if math.isfinite(value) else None)
        for value in array
    ]
