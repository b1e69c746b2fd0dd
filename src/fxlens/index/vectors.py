"""Vectors on disk, and the nearest of them: float16, appended to, searched exactly.

A column is one matrix of the index: the embeddings under one query. Which rows are valid is known to the catalogue
alone; what lies behind them in the file is what an interrupted writer left, and the next writer writes over it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from fxlens.errors import OutputError

ROWS_AT_ONCE = 4096
"""Rows that are turned into float32 together: 2 MB of 128 numbers, what a core's own cache holds."""
_ROWS_A_THREAD = 65_536  # below that a second thread costs more than it helps

Ranges = Sequence[tuple[int, int]]
"""Rows ``[first, last)``, ascending."""


class VectorFile:
    """One column in a file of its own.

    Args:
        path: the file; made by the first :meth:`write`.
        dim: length of a vector.
    """

    exact = True

    def __init__(self, path: Path, dim: int) -> None:
        self.path, self.dim = path, dim

    def write(self, first: int, vectors: np.ndarray) -> None:
        """Put ``float [N, dim]`` at row ``first``, and have it on the disk before returning.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        data = np.ascontiguousarray(vectors, dtype=np.float16).tobytes()
        try:
            file = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o644)
            try:
                os.lseek(file, first * self.dim * 2, os.SEEK_SET)
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(file, rest) :]
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise OutputError(
                f"{self.path}: cannot be written ({error.strerror or error}); check permissions and free space. "
                "What was added before is kept: add the same files again to go on"
            ) from None

    def read(self, rows: int) -> np.ndarray:
        """The first ``rows`` vectors, ``float16 [rows, dim]``, not read before they are looked at."""
        if rows == 0:
            return np.zeros((0, self.dim), np.float16)
        # Copy on write: torch takes no read-only memory. Nothing is written to it.
        return np.memmap(self.path, np.float16, "c", shape=(rows, self.dim))

    def similarities(self, reference: np.ndarray, ranges: Ranges) -> np.ndarray:
        """Inner products of a vector with every row of some ranges.

        Args:
            reference: ``float32 [dim]``.
            ranges: of valid rows.

        Returns:
            ``float32 [N]``, in the order of the ranges.
        """
        rows = max((last for _, last in ranges), default=0)
        return scan(self.read(rows), np.asarray(reference, np.float32), ranges)


def scan(matrix: np.ndarray, reference: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Inner products of ``reference`` with the rows of ``matrix`` in ``ranges``; on as many threads as it pays.

    The matrix is turned into float32 piece by piece, in a buffer that stays in the cache, so that half precision
    costs no accuracy in the sums and no memory.
    """
    pieces: list[tuple[int, int, int]] = []  # first row, last row, place in the result
    place = 0
    for first, last in ranges:
        for start in range(first, last, ROWS_AT_ONCE):
            stop = min(last, start + ROWS_AT_ONCE)
            pieces.append((start, stop, place))
            place += stop - start
    result = np.empty(place, np.float32)
    threads = max(1, min(os.cpu_count() or 1, place // _ROWS_A_THREAD))
    if threads == 1:
        _scan_pieces(matrix, reference, pieces, result)
        return result
    with ThreadPoolExecutor(threads) as pool:
        for share in [pool.submit(_scan_pieces, matrix, reference, pieces[k::threads], result) for k in range(threads)]:
            share.result()
    return result


def _scan_pieces(
    matrix: np.ndarray, reference: np.ndarray, pieces: Sequence[tuple[int, int, int]], result: np.ndarray
) -> None:
    import torch  # turns float16 into float32 ten times as fast as NumPy does

    buffer = np.empty((ROWS_AT_ONCE, matrix.shape[1]), np.float32)
    for start, stop, place in pieces:
        part = buffer[: stop - start]
        torch.from_numpy(part).copy_(torch.frombuffer(matrix[start:stop], dtype=torch.float16).view(part.shape))
        np.dot(part, reference, out=result[place : place + len(part)])
