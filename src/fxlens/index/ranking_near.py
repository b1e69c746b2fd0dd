"""Hits from a column that finds the nearest rows without comparing all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fxlens.index.catalogue import Parts
from fxlens.index.lance_column import LanceColumn
from fxlens.index.ranking import Ranked

_CANDIDATES_A_HIT = 20
_LEAST_CANDIDATES = 400


@dataclass(frozen=True)
class NearColumn:
    """What is searched of one column: its vectors, all its parts, and whether only some may be found."""

    vectors: LanceColumn
    parts: Parts
    filtered: bool


def rank_near(
    wanted: Mapping[str, tuple[np.ndarray, float]], columns: Mapping[str, NearColumn], count: int
) -> list[Ranked]:
    """As :func:`fxlens.index.ranking.rank`, among the recordings whose windows are nearest in any column.

    Candidates are drawn from every column by themselves; their similarities are exact. A recording that is good in
    the sum but among the nearest of no column is missed.
    """
    common: set[int] | None = None
    candidates: set[int] = set()
    for query, (vector, _) in wanted.items():
        parts = columns[query].parts
        if not len(parts.recordings):
            return []
        own = set(parts.recordings.tolist())
        common = own if common is None else common & own
        rows, _ = columns[query].vectors.nearest(
            vector,
            max(_LEAST_CANDIDATES, _CANDIDATES_A_HIT * count),
            parts.ranges() if columns[query].filtered else None,
        )
        place = np.searchsorted(parts.first, rows, side="right") - 1
        inside = (place >= 0) & (rows < parts.last[np.maximum(place, 0)])
        candidates |= set(parts.recordings[place[inside]].tolist())
    assert common is not None, "nothing was asked for"
    candidates &= common
    if not candidates:
        return []
    whole = sum(weight for _, weight in wanted.values())
    total: dict[int, float] = dict.fromkeys(candidates, 0.0)
    moments: dict[int, dict[str, tuple[int, int, float]]] = {recording: {} for recording in candidates}
    for query, (vector, weight) in wanted.items():
        parts = columns[query].parts.only(candidates)
        vectors = columns[query].vectors.take(parts.ranges()).astype(np.float32)
        similar, start = vectors @ vector, 0
        for recording, first, last in zip(parts.recordings.tolist(), parts.first, parts.last, strict=True):
            own_rows = similar[start : start + int(last - first)]
            start += len(own_rows)
            best = int(np.argmax(own_rows))
            moments[recording][query] = (int(first), best, float(own_rows[best]))
            total[recording] += weight / whole * float(own_rows[best])
    chosen = sorted(total, key=lambda recording: (-total[recording], recording))[:count]
    return [Ranked(recording, total[recording], moments[recording]) for recording in chosen]
