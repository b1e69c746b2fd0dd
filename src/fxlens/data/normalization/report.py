"""What Fx-normalisation changed: a row a stem as CSV, and a table of the classes."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, fields

import numpy as np

from fxlens.data.normalization.stem import StemReport

_HEADINGS = (
    "instrument", "stems", "spectrum, dB from reference", "loudness, LUFS ± std", "width ± std",
    "peaks above the allowed, dB", "compressed",
)  # fmt: skip


def to_csv(reports: Sequence[StemReport]) -> str:
    """The rows as CSV with a header; NaN is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(StemReport)], lineterminator="\n")
    writer.writeheader()
    for report in reports:
        writer.writerow({name: _cell(value) for name, value in asdict(report).items()})
    return text.getvalue()


def summary(reports: Sequence[StemReport]) -> str:
    """A Markdown table: each class and all stems, before and after."""
    classes: dict[str, list[StemReport]] = defaultdict(list)
    for report in reports:
        if report.treatment != "left alone":
            classes[report.instrument].append(report)
    rows = [_HEADINGS, tuple("---" for _ in _HEADINGS)]
    rows += [_row(name, classes[name]) for name in sorted(classes)]
    everything = [report for found in classes.values() for report in found]
    if len(classes) > 1:
        rows.append(_row("all", everything))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    alone = len(reports) - len(everything)
    fallback = sum(r.treatment == "fallback" for r in everything)
    held = [r.held_back_db for r in everything if r.held_back_db > 0.0]
    notes = [
        f"{alone} left alone: silent or under -50 dBFS." if alone else "",
        f"{fallback} by the fallback: the statistics lack their class." if fallback else "",
        f"{len(held)} are up to {max(held):.1f} dB quieter than their class, to stay under full scale." if held else "",
    ]
    return "\n".join(lines + [""] * any(notes) + [note for note in notes if note]) + "\n"


def _row(name: str, reports: Sequence[StemReport]) -> tuple[str, ...]:
    def values(field: str) -> np.ndarray:
        return np.array([getattr(report, field) for report in reports])

    allowed, compressed = values("peaks_allowed_db"), values("compressor_ratio") > 1.0
    over = [np.maximum(values(f"peaks_{when}_db") - allowed, 0.0).mean() for when in ("before", "after")]
    return (
        name,
        str(len(reports)),
        f"{values('spectrum_before_db').mean():.1f} → {values('spectrum_after_db').mean():.1f}",
        _spread(values("lufs_before"), 1) + " → " + _spread(values("lufs_after"), 1),
        _spread(values("width_before"), 3) + " → " + _spread(values("width_after"), 3),
        f"{over[0]:.2f} → {over[1]:.2f}",
        f"{100.0 * compressed.mean():.0f} %",
    )


def _spread(values: np.ndarray, digits: int) -> str:
    return f"{values.mean():.{digits}f} ± {values.std():.{digits}f}"


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4f}"
    return value
