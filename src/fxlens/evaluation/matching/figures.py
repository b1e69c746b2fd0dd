"""Triplets to figures: means with intervals for every instrument, and the mean over the instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fxlens.errors import DataError
from fxlens.evaluation.matching.batch import Row
from fxlens.evaluation.results import Origin, Result, SystemFacts
from fxlens.evaluation.sensitivity.rank_correlation import interval_of_mean

DISTANCES = ("L_d", "L_d as rendered")
_LOSSES = {"loss": "embedding loss", "dry_loss": "embedding loss of clean", "truth_loss": "embedding loss of truth"}
MEAN = "matching/mean"
"""Task of the mean over the instruments, each counting the same."""

_NOTES = {
    "L_d": "multi-resolution STFT distance of result and target, both at -18 LUFS",
    "L_d as rendered": "the same with the levels as the chains give them",
}


def line_results(
    rows: Mapping[str, Sequence[Row]],
    facts: SystemFacts,
    origin: Origin,
    column: str,
    floors: Mapping[tuple[str, int], float],
) -> list[Result]:
    """Summarise one line of the table.

    Args:
        rows: instrument -> its triplets.
        facts: whose line it is.
        origin: what it was evaluated on.
        column: which reference; empty for lines that hear none.
        floors: (instrument, index) -> L_d of the clean clip.

    Raises:
        DataError: a distance is not finite.
    """
    found = []
    table = {name: _table(own, [floors[name, row["index"]] for row in own], name) for name, own in rows.items()}
    for name, values in table.items():
        found.append(
            Result(
                "matching",
                f"matching/{name}",
                facts,
                origin,
                column,
                metrics={key: float(x.mean()) for key, x in values.items()},
                intervals={key: interval_of_mean(values[key], origin.seed) for key in DISTANCES},
                per_song={"L_d": _by_song(rows[name], values["L_d"])},
                counts={"triplets": len(rows[name]), "songs": len(origin.songs[name])},
                notes=_NOTES,
            )
        )
    if len(table) > 1:
        found.append(_mean(table, facts, origin, column))
    return found


def missing_results(
    instruments: Sequence[str], facts: SystemFacts, origin: Origin, column: str, reason: str
) -> list[Result]:
    """A dash with its reason for every instrument."""
    return [
        Result("matching", f"matching/{name}", facts, origin, column, missing=reason, notes=_NOTES)
        for name in instruments
    ]


def _table(rows: Sequence[Row], floors: Sequence[float], name: str) -> dict[str, np.ndarray]:
    """Metric -> its values ``[triplets]``."""
    values: dict[str, np.ndarray] = {key: np.array([row[key] for row in rows], dtype=np.float64) for key in DISTANCES}
    if not all(np.isfinite(x).all() for x in values.values()):
        raise DataError(f"{name}: a distance is not finite; its result cannot be measured")
    for key, told in _LOSSES.items():
        if all(row.get(key) is not None for row in rows):
            values[told] = np.array([row[key] for row in rows], dtype=np.float64)
    values["nearer than clean"] = 100.0 * (values["L_d"] < np.array(floors))
    return values


def _by_song(rows: Sequence[Row], distance: np.ndarray) -> dict[str, float]:
    songs = [row["songs"][0] for row in rows]
    return {
        song: float(np.mean([d for d, own in zip(distance, songs, strict=True) if own == song]))
        for song in sorted(set(songs))
    }


def _mean(table: Mapping[str, Mapping[str, np.ndarray]], facts: SystemFacts, origin: Origin, column: str) -> Result:
    common = [key for key in next(iter(table.values())) if all(key in values for values in table.values())]
    return Result(
        "matching",
        MEAN,
        facts,
        origin,
        column,
        metrics={key: float(np.mean([values[key].mean() for values in table.values()])) for key in common},
        intervals={
            key: _interval_of_means([values[key] for values in table.values()], origin.seed) for key in DISTANCES
        },
        counts={"triplets": sum(len(values["L_d"]) for values in table.values()), "instruments": len(table)},
        notes=_NOTES,
    )


def _interval_of_means(values: Sequence[np.ndarray], seed: int, resamples: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of means; triplets are drawn anew within each instrument."""
    rng = np.random.default_rng(seed)
    drawn = [own[rng.integers(len(own), size=(resamples, len(own)))].mean(axis=1) for own in values]
    low, high = np.percentile(np.mean(drawn, axis=0), [2.5, 97.5])
    return float(low), float(high)
