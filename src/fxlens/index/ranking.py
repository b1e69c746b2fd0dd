"""From references to hits: which recordings, and which moments in them, sound most alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fxlens.index.catalogue import Parts
from fxlens.index.vectors import VectorFile


@dataclass(frozen=True)
class Reference:
    """What is searched for.

    Args:
        vector: ``float32 [D]``, unit length.
        query: the column it is compared with: an instrument, or empty for whole mixtures.
        weight: how much it counts beside the others; a negative weight searches away from it.
    """

    vector: np.ndarray
    query: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Moment:
    """Where in a recording to listen: the most similar window of one column."""

    query: str
    start: float
    end: float
    similarity: float


@dataclass(frozen=True)
class Hit:
    """One recording that was found.

    Args:
        path: of its file; of the first by name where several files hold the same recording.
        song: its title, or the name of the file.
        similarity: cosine, -1 to 1; with several references their weighted mean.
        moments: the most similar window for every instrument asked for, the first reference's first.
        tags: of the file.
    """

    path: str
    song: str
    similarity: float
    moments: tuple[Moment, ...]
    tags: Mapping[str, str]


def blend(references: Sequence[Reference]) -> dict[str, tuple[np.ndarray, float]]:
    """One vector and one weight for each column that is asked for.

    The mean over references of the cosine to each is the cosine to their weighted sum, so references of one column
    become one vector; it is not brought back to unit length.

    Returns:
        Query -> (``float32 [D]``, sum of the absolute weights), in the order in which queries first occur.
    """
    blended: dict[str, tuple[np.ndarray, float]] = {}
    for one in references:
        vector, weight = blended.get(one.query, (np.zeros_like(one.vector, dtype=np.float64), 0.0))
        blended[one.query] = (vector + one.weight * one.vector.astype(np.float64), weight + abs(one.weight))
    return {query: ((vector / weight).astype(np.float32), weight) for query, (vector, weight) in blended.items()}


@dataclass(frozen=True)
class Ranked:
    """A recording that was found.

    Args:
        recording: its id in the catalogue.
        similarity: weighted mean over the columns asked for.
        moments: query -> (first row of the recording's part, which row of it is best, its similarity).
    """

    recording: int
    similarity: float
    moments: Mapping[str, tuple[int, int, float]]


@dataclass(frozen=True)
class Column:
    """What is searched of one column: its vectors, and the parts that may be found."""

    vectors: VectorFile
    parts: Parts


def rank(wanted: Mapping[str, tuple[np.ndarray, float]], columns: Mapping[str, Column], count: int) -> list[Ranked]:
    """Find the recordings whose best windows are most similar, all of them compared.

    Args:
        wanted: from :func:`blend`.
        columns: of the same queries.
        count: recordings wanted.

    Returns:
        Best first, equal similarities in the order in which they were added; only recordings that every column has.
    """
    common: np.ndarray | None = None
    found: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray, Parts]] = {}
    for query, (vector, _) in wanted.items():
        column = columns[query]
        parts = column.parts
        if not len(parts.recordings):
            return []
        similar = column.vectors.similarities(vector, parts.ranges())
        starts = np.concatenate([[0], np.cumsum(parts.last - parts.first)[:-1]])
        found[query] = (similar, starts, np.maximum.reduceat(similar, starts), parts)
        common = parts.recordings if common is None else np.intersect1d(common, parts.recordings)
    assert common is not None, "nothing was asked for"
    total, whole = np.zeros(len(common)), sum(weight for _, weight in wanted.values())
    places: dict[str, np.ndarray] = {}
    for query, (_, _, best, parts) in found.items():
        order = np.argsort(parts.recordings, kind="stable")
        places[query] = order[np.searchsorted(parts.recordings[order], common)]
        total += wanted[query][1] / whole * best[places[query]]
    count = min(count, len(common))
    if count == 0:
        return []
    # All that are as good as the last one wanted are sorted, so that equal ones do not fall out by chance.
    near = np.flatnonzero(total >= np.partition(total, len(total) - count)[len(total) - count])
    chosen = sorted(near, key=lambda k: (-total[k], common[k]))[:count]
    hits = []
    for k in chosen:
        moments = {}
        for query, (similar, starts, _, parts) in found.items():
            p = int(places[query][k])
            length = int(parts.last[p] - parts.first[p])
            own = similar[starts[p] : starts[p] + length]
            best_row = int(np.argmax(own))
            moments[query] = (int(parts.first[p]), best_row, float(own[best_row]))
        hits.append(Ranked(int(common[k]), float(total[k]), moments))
    return hits
