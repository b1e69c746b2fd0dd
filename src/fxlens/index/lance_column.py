"""A column in LanceDB: for libraries of more than a few million windows, where looking at every one takes too long.

Above :data:`WORTH_INDEXING` rows the vectors are divided into inverted lists, and a search looks into the lists whose
centres are nearest; what it looks at is compared exactly. Below, and before :meth:`LanceColumn.tidy`, every row is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fxlens.errors import MissingExtraError, OutputError

WORTH_INDEXING = 200_000
"""Rows from which :meth:`LanceColumn.tidy` builds an index: below, comparing all is as fast."""
_LISTS_SEARCHED = 100
_ROW, _VECTOR = "row", "vector"


class LanceColumn:
    """One column as a table of LanceDB; made by the first :meth:`write`.

    Args:
        folder: the database.
        name: of the table.
        dim: length of a vector.

    Raises:
        MissingExtraError: LanceDB is not installed.
    """

    exact = False

    def __init__(self, folder: Path, name: str, dim: int) -> None:
        try:
            import lancedb
            import pyarrow
        except ImportError as error:
            raise MissingExtraError("An index kept in LanceDB", "lance") from error
        self._arrow, self._lancedb = pyarrow, lancedb
        self.folder, self.name, self.dim = folder, name, dim
        vector = pyarrow.field(_VECTOR, pyarrow.list_(pyarrow.float16(), dim))
        self._schema = pyarrow.schema([pyarrow.field(_ROW, pyarrow.int64()), vector])

    def _table(self) -> Any:
        return self._lancedb.connect(self.folder).create_table(self.name, schema=self._schema, exist_ok=True)

    def write(self, first: int, vectors: np.ndarray) -> None:
        """Put ``float [N, dim]`` at rows ``first ...``; rows there and behind were left by an interrupted writer.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        arrow = self._arrow
        flat = arrow.array(np.ascontiguousarray(vectors, np.float16).reshape(-1), arrow.float16())
        rows = arrow.array(np.arange(first, first + len(vectors)), arrow.int64())
        columns = {_ROW: rows, _VECTOR: arrow.FixedSizeListArray.from_arrays(flat, self.dim)}
        try:
            table = self._table()
            if table.count_rows(f"{_ROW} >= {first}"):
                table.delete(f"{_ROW} >= {first}")
            table.add(arrow.table(columns, schema=self._schema))
        except (OSError, RuntimeError) as error:
            raise OutputError(
                f"{self.folder}: cannot be written ({error}); check permissions and free space. What was added before "
                "is kept: add the same files again to go on"
            ) from None

    def tidy(self) -> None:
        """Join the small pieces that adding leaves, and index new rows where there are enough for it to pay."""
        from lancedb.index import IvfFlat

        table = self._table()
        table.optimize()
        rows = table.count_rows()
        if rows >= WORTH_INDEXING and not table.list_indices():
            lists = max(1, round(rows**0.5))
            # No quantised codes: neighbours in effects differ in the small, which codes round away.
            table.create_index(_VECTOR, config=IvfFlat(distance_type="dot", num_partitions=lists))

    def read(self, rows: int) -> np.ndarray:
        """The first ``rows`` vectors, ``float16 [rows, dim]``."""
        return self.take([(0, rows)])

    def take(self, ranges: Sequence[tuple[int, int]]) -> np.ndarray:
        """Vectors of some ranges of rows, ``float16 [N, dim]``, in their order."""
        wanted = [range(first, last) for first, last in ranges if last > first]
        if not wanted:
            return np.zeros((0, self.dim), np.float16)
        found = self._table().search().where(_in_ranges(ranges)).select([_ROW, _VECTOR]).limit(None).to_arrow()
        rows = found[_ROW].to_numpy()
        vectors = found[_VECTOR].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, self.dim)
        order = np.argsort(rows)
        return vectors[order][np.searchsorted(rows[order], np.concatenate(wanted))]

    def nearest(
        self, reference: np.ndarray, count: int, ranges: Sequence[tuple[int, int]] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The rows most similar to a vector.

        Args:
            reference: ``float32 [dim]``.
            count: rows wanted.
            ranges: only among these.

        Returns:
            Rows and their inner products, best first.
        """
        # Many lists: music that shares its effects lies scattered over neighbouring ones.
        search = self._table().search(np.asarray(reference, np.float32), vector_column_name=_VECTOR)
        search = search.distance_type("dot").nprobes(_LISTS_SEARCHED)
        if ranges is not None:
            search = search.where(_in_ranges(ranges), prefilter=True)
        found = search.limit(count).select([_ROW, "_distance"]).to_arrow()
        return found[_ROW].to_numpy(), 1.0 - found["_distance"].to_numpy()


def _in_ranges(ranges: Sequence[tuple[int, int]]) -> str:
    return " OR ".join(f"({_ROW} >= {first} AND {_ROW} < {last})" for first, last in ranges) or "false"
