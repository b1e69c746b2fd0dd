"""Averaging the stems of a training set into the statistics of its classes, one step after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fxlens.audio.loudness import ABSOLUTE_GATE_LUFS
from fxlens.errors import DataError
from fxlens.fxnorm.dynamics import Peaks
from fxlens.fxnorm.panning import MOMENTS
from fxlens.fxnorm.statistics import ClassStatistics, Statistics
from fxlens.fxnorm.steps import Measurement, Step, highest_mean_db


@dataclass(frozen=True)
class Member:
    """One stem of a training set: the song it belongs to and its canonical instrument."""

    song: str
    instrument: str


MeasureStep = Callable[[Step, Mapping[str, ClassStatistics], Sequence[int]], Mapping[int, Measurement]]
"""Measures members, by number, up to a step, given the averages so far. Members it does not return are left out from
then on: they are silent, or cannot be read."""


def fit(members: Sequence[Member], measure: MeasureStep, manifest_sha256: str = "") -> Statistics:
    """Fit the statistics of every class that the members have.

    Stems of one class in one song are averaged first, then songs: a song with twenty vocal takes counts once. The
    fallback is the average of the classes, weighted by their songs.

    Args:
        members: the stems of the training songs.
        measure: see :data:`MeasureStep`.
        manifest_sha256: what the members come from.

    Raises:
        DataError: no stem is left.
    """
    averages: dict[str, ClassStatistics] = {}
    found: dict[int, Measurement] = {}
    wanted: list[int] = list(range(len(members)))
    for step in Step:
        todo = wanted if step is not Step.PANNING else _compressed(members, found, averages)
        measured = measure(step, averages, todo)
        asked = set(todo)
        found = {i: measured[i] if i in asked else found[i] for i in wanted if i in measured or i not in asked}
        wanted = sorted(found)
        if not wanted:
            raise DataError("no stem of the training songs can be heard; there is nothing to fit Fx-normalisation to")
        averages = _averaged(members, found, step, averages)
    return Statistics(averages, _fallback(averages), len({members[i].song for i in wanted}), manifest_sha256)


def _compressed(
    members: Sequence[Member], found: Mapping[int, Measurement], averages: Mapping[str, ClassStatistics]
) -> list[int]:
    """The stems that the compressor changes; the panning of all others is known from the step before."""
    return [
        i for i, m in found.items()
        if m.peaks is not None and m.peaks.mean_db > highest_mean_db(averages[members[i].instrument])
    ]  # fmt: skip


def _averaged(
    members: Sequence[Member], found: Mapping[int, Measurement], step: Step, averages: Mapping[str, ClassStatistics]
) -> dict[str, ClassStatistics]:
    by_class: dict[str, dict[str, list[Measurement]]] = defaultdict(lambda: defaultdict(list))
    for i in sorted(found):
        by_class[members[i].instrument][members[i].song].append(found[i])
    result = {}
    for instrument, songs in by_class.items():
        stems = sum(map(len, songs.values()))
        before = averages.get(instrument, ClassStatistics(0, 0))
        values = np.mean([np.mean([_vector(m, step) for m in song], 0) for song in songs.values()], 0)
        result[instrument] = _with(replace(before, songs=len(songs), stems=stems), step, values).rounded()
    return result


def _vector(found: Measurement, step: Step) -> np.ndarray:
    """What a step measures, as a row of numbers that can be averaged."""
    if step is Step.SPECTRUM:
        assert found.spectrum is not None
        return found.spectrum.astype(np.float64)
    if step is Step.PEAKS:
        assert found.peaks is not None
        return np.array([found.peaks.mean_db, found.peaks.std_db])
    if step is Step.PANNING:
        assert found.panning is not None
        return found.panning[MOMENTS.index(1.0)].astype(np.float64)
    assert found.result_lufs is not None
    return np.array([max(found.result_lufs, ABSOLUTE_GATE_LUFS)])  # rumble that no loudness meter hears


def _with(average: ClassStatistics, step: Step, values: np.ndarray) -> ClassStatistics:
    if step is Step.SPECTRUM:
        return replace(average, spectrum=values.astype(np.float32))
    if step is Step.PEAKS:
        return replace(average, peaks=Peaks(float(values[0]), float(values[1])))
    if step is Step.PANNING:
        return replace(average, panning=values.astype(np.float32))
    return replace(average, loudness_lufs=float(values[0]))


def _fallback(averages: Mapping[str, ClassStatistics]) -> ClassStatistics:
    names = sorted(averages)
    weights = [averages[name].songs for name in names]
    fallback = ClassStatistics(sum(weights), sum(averages[name].stems for name in names))
    for step in Step:
        rows = [_vector(_as_measurement(averages[name]), step) for name in names]
        fallback = _with(fallback, step, np.average(rows, axis=0, weights=weights))
    return fallback.rounded()


def _as_measurement(average: ClassStatistics) -> Measurement:
    assert average.panning is not None
    panning = np.tile(average.panning, (len(MOMENTS), 1))
    return Measurement(None, average.spectrum, average.peaks, panning, result_lufs=average.loudness_lufs)
