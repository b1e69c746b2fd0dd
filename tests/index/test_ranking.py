"""Ranking against a slow loop that says what is meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fxlens.index.catalogue import Parts
from fxlens.index.ranking import Column, Reference, blend, rank
from fxlens.index.vectors import VectorFile


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def column(path: Path, order: list[int], rng: np.random.Generator) -> tuple[Column, dict[int, np.ndarray]]:
    """Recordings in some order, each with one to six windows; a gap of foreign rows in the middle."""
    rows: dict[int, np.ndarray] = {}
    first, last, place = [], [], 0
    file = VectorFile(path, 6)
    for k, recording in enumerate(order):
        windows = unit(rng.standard_normal((int(rng.integers(1, 7)), 6))).astype(np.float16)
        if k == len(order) // 2:
            place += 3
        file.write(place, windows)
        rows[recording] = windows.astype(np.float64)
        first.append(place)
        place += len(windows)
        last.append(place)
    return Column(file, Parts(np.array(order), np.array(first), np.array(last))), rows


@pytest.mark.parametrize("seed", range(5))
def test_ranking_equals_a_loop(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    a, rows_a = column(tmp_path / "a", [3, 1, 4, 7, 5, 9, 2], rng)
    b, rows_b = column(tmp_path / "b", [9, 2, 8, 3, 5], rng)
    references = [
        Reference(unit(rng.standard_normal(6)).astype(np.float32), "a", 2.0),
        Reference(unit(rng.standard_normal(6)).astype(np.float32), "b", 1.0),
        Reference(unit(rng.standard_normal(6)).astype(np.float32), "a", -0.5),
    ]
    expected = {}
    for recording in rows_a.keys() & rows_b.keys():
        own = max(rows_a[recording] @ (2.0 * references[0].vector - 0.5 * references[2].vector))
        expected[recording] = (own + max(rows_b[recording] @ references[1].vector)) / 3.5
    hits = rank(blend(references), {"a": a, "b": b}, 3)
    best = sorted(expected, key=lambda r: -expected[r])[:3]
    assert [hit.recording for hit in hits] == best
    for hit in hits:
        recording = hit.recording
        assert hit.similarity == pytest.approx(expected[recording], abs=1e-5)
        first, row, similar = hit.moments["b"]
        stored = b.vectors.read(first + row + 1)[first + row].astype(np.float64)
        assert similar == pytest.approx(stored @ references[1].vector, abs=1e-5)
        assert similar == pytest.approx(max(rows_b[recording] @ references[1].vector), abs=1e-5)


def test_equal_recordings_come_in_the_order_of_their_ids(tmp_path: Path) -> None:
    file = VectorFile(tmp_path / "v", 2)
    file.write(0, np.tile([1.0, 0.0], (5, 1)))
    parts = Parts(np.array([8, 2, 9, 1, 5]), np.arange(5), np.arange(1, 6))
    hits = rank(blend([Reference(np.array([1.0, 0.0], np.float32))]), {"": Column(file, parts)}, 3)
    assert [hit.recording for hit in hits] == [1, 2, 5]


def test_nothing_is_found_among_nothing(tmp_path: Path) -> None:
    empty = Parts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    wanted = blend([Reference(np.ones(2, np.float32))])
    assert rank(wanted, {"": Column(VectorFile(tmp_path / "v", 2), empty)}, 3) == []
