"""Vectors on disk: exact, appended to, searched in pieces by several threads."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from fxlens.errors import OutputError
from fxlens.index import vectors
from fxlens.index.vectors import VectorFile, scan


@pytest.mark.parametrize("rows", [1, 4095, 4096, 4097, 200_000])
def test_products_equal_those_of_float64(rows: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(rows)
    matrix = rng.standard_normal((rows, 24)).astype(np.float16)
    reference = rng.standard_normal(24).astype(np.float32)
    file = VectorFile(tmp_path / "v.f16", 24)
    file.write(0, matrix)
    exact = matrix.astype(np.float64) @ reference.astype(np.float64)
    np.testing.assert_allclose(file.similarities(reference, [(0, rows)]), exact, atol=2e-5)


def test_ranges_are_searched_alone_and_in_order() -> None:
    matrix = np.arange(40, dtype=np.float16).reshape(20, 2)
    reference = np.array([1.0, 0.0], np.float32)
    found = scan(matrix, reference, [(1, 3), (7, 8), (18, 20)])
    np.testing.assert_array_equal(found, [2, 4, 14, 36, 38])
    assert scan(matrix, reference, []).shape == (0,)


def test_rows_left_by_an_interrupted_writer_are_written_over(tmp_path: Path) -> None:
    file = VectorFile(tmp_path / "v.f16", 2)
    file.write(0, np.ones((3, 2)))
    file.write(1, np.full((4, 2), 5.0))
    np.testing.assert_array_equal(file.read(5), [[1, 1], *[[5, 5]] * 4])


def test_no_rows_need_no_file(tmp_path: Path) -> None:
    assert VectorFile(tmp_path / "absent.f16", 3).read(0).shape == (0, 3)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(vectors.os, "write", full)
    with pytest.raises(OutputError, match=r"v\.f16.*No space left.*free space"):
        VectorFile(tmp_path / "v.f16", 2).write(0, np.ones((1, 2)))
