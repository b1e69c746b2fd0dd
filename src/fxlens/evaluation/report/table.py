"""A table of results, as Markdown for people and as CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fxlens.evaluation.results import Result

DASH = "–"


@dataclass(frozen=True)
class Row:
    """One line: its labels, and a result for every column that has one."""

    labels: tuple[str, ...]
    cells: Mapping[str, Result]


@dataclass(frozen=True)
class Table:
    """Rows of results.

    Args:
        name: of its files.
        title: a few words.
        heads: headings of the label columns.
        columns: headings of the others, keys of the rows' cells.
        rows: see :class:`Row`.
        metrics: what a cell shows, in this order, separated by slashes; those without a value are passed over.
        bracketed: metric whose interval follows its value.
        notes: lines below the table.
        mean: whether a last column holds the mean over the columns, where a row has all of them.
    """

    name: str
    title: str
    heads: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    metrics: tuple[str, ...]
    bracketed: str
    notes: tuple[str, ...] = ()
    mean: bool = False
    digits: int = 1
    extra: Mapping[tuple[str, ...], Mapping[str, str]] = field(default_factory=dict)
    """By labels and column, text that follows a cell's figures."""

    def means(self, row: Row) -> dict[str, float]:
        """Means over the columns, empty where one is missing."""
        found = [row.cells[c].metrics for c in self.columns if c in row.cells and row.cells[c].missing is None]
        if len(found) < len(self.columns):
            return {}
        return {m: sum(one[m] for one in found) / len(found) for m in self.metrics if all(m in one for one in found)}


def markdown(table: Table) -> str:
    """The table with its title, the reasons of its dashes and its notes."""
    heads = [*table.heads, *table.columns, *(["mean"] if table.mean else [])]
    lines = [f"### {table.title}", "", _line(heads), _line(["---"] * len(heads))]
    reasons: list[str] = []
    for row in table.rows:
        cells = [_cell(table, row, column, reasons) for column in table.columns]
        if table.mean:
            means = table.means(row)
            cells.append(_figures(means, table) or DASH)
        lines.append(_line([*row.labels, *cells]))
    lines += [""] + [f"{number}. {DASH} because {reason}" for number, reason in enumerate(reasons, start=1)]
    lines += ([""] if reasons else []) + list(table.notes)
    return "\n".join(lines).rstrip() + "\n"


def tidy_csv(table: Table) -> str:
    """One line a figure: labels, column, pool, metric, value, interval, chance, counts, and the reason of a dash."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    facts = ["column", "pool", "metric", "value", "low", "high", "chance", "styles", "candidates", "missing"]
    writer.writerow([*table.heads, *facts, "system identity", "origin"])
    for row in table.rows:
        for column in table.columns:
            result = row.cells.get(column)
            if result is None:
                continue
            end = [result.system.identity, result.origin.key]
            if result.missing is not None:
                writer.writerow([*row.labels, column, result.pool, *[""] * 7, result.missing, *end])
            for metric, value in result.metrics.items():
                low, high = result.intervals.get(metric, ("", ""))
                counts = [result.counts.get(name, "") for name in ("styles", "candidates")]
                told = [column, result.pool, metric, value, low, high, result.chance.get(metric, ""), *counts, ""]
                writer.writerow([*row.labels, *told, *end])
    return out.getvalue()


def wide_csv(table: Table) -> str:
    """The table's own shape: a line a row, a field for every metric of every column, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [*table.columns, *(["mean"] if table.mean else [])]
    parts = [*table.metrics, f"{table.bracketed} low", f"{table.bracketed} high"]
    extra = sorted({c for cells in table.extra.values() for c in cells}) and ["L_d"]
    writer.writerow([*table.heads, *(f"{name} {part}" for name in names for part in [*parts, *extra])])
    for row in table.rows:
        fields: list[object] = []
        for name in names:
            result = row.cells.get(name)
            values = dict(result.metrics) if result is not None else table.means(row) if name == "mean" else {}
            bounds = result.intervals.get(table.bracketed, ("", "")) if result is not None else ("", "")
            fields += [_rounded(values.get(m)) for m in table.metrics] + [_rounded(b) for b in bounds]
            fields += [table.extra.get(row.labels, {}).get(name, "")] if extra else []
        writer.writerow([*row.labels, *fields])
    return out.getvalue()


def _rounded(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cell(table: Table, row: Row, column: str, reasons: list[str]) -> str:
    result = row.cells.get(column)
    more = table.extra.get(row.labels, {}).get(column, "")
    if result is None:
        return DASH + (f" ({more})" if more else "")
    if result.missing is not None:
        reason = " ".join(result.missing.split())
        if reason not in reasons:
            reasons.append(reason)
        return f"{DASH} [{reasons.index(reason) + 1}]"
    return _figures(result.metrics, table, result.intervals.get(table.bracketed)) + (f" ({more})" if more else "")


def _figures(metrics: Mapping[str, float], table: Table, interval: tuple[float, float] | None = None) -> str:
    parts = []
    for name in table.metrics:
        if name in metrics:
            part = f"{metrics[name]:.{table.digits}f}"
            if name == table.bracketed and interval is not None:
                part += f" [{interval[0]:.{table.digits}f}, {interval[1]:.{table.digits}f}]"
            parts.append(part)
    return " / ".join(parts)
