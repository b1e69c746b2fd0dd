"""Embeddings on disk: npz, npy, csv, jsonl, parquet. The same embeddings give the same bytes."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args

import numpy as np

from fxlens.errors import MissingExtraError, UsageError
from fxlens.whole_files import whole_file

Format = Literal["npz", "npy", "csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Table:
    """What is written: one row for every recording, or for every window.

    Args:
        embedding: ``float32 [N, D]``.
        path: of each row, ``N`` of them.
        start: of each row, ``float64 [N]`` seconds: where the first audible window begins.
        end: of each row, ``float64 [N]`` seconds: where the last audible window ends.
        query: text, ``"audio:<file>"``, or empty for the whole mixture.
        model: id of the model.
    """

    embedding: np.ndarray
    path: list[str]
    start: np.ndarray
    end: np.ndarray
    query: str
    model: str


def choose_format(output: Path, wanted: str | None = None) -> Format:
    """Find the format by name, or by the suffix of the file; check that it can be written here.

    Raises:
        UsageError: no such format.
        MissingExtraError: parquet without pyarrow.
    """
    name = (wanted if wanted is not None else output.suffix.removeprefix(".")).lower()
    for known in FORMATS:
        if name == known:
            if known == "parquet":
                _pyarrow()
            return known
    if wanted is None:
        raise UsageError(
            f"{output}: its suffix names no format; use one of {', '.join('.' + f for f in FORMATS)}, or say --format"
        )
    raise UsageError(f"format {wanted!r} is not known; there are {', '.join(FORMATS)}")


def rows_path(output: Path) -> Path:
    """The list of rows beside an npy file, which holds only the numbers."""
    return output.with_name(output.name + ".rows.jsonl")


def write_table(output: Path, table: Table, form: Format) -> None:
    """Write beside the place, then rename: there is never half a file.

    * npz: ``embedding (N, D)``, ``path (N,)``, ``start (N,)``, ``end (N,)``, and the texts ``query`` and
      ``model``.
    * npy: ``embedding`` alone; path, start and end of the rows are in ``<output>.rows.jsonl``.
    * csv: columns path, start, end, query, model, e0, e1, ...
    * jsonl: an object a row, with the same keys as npz.
    * parquet: columns path, start, end, embedding (lists of fixed length); query and model in the metadata.

    Texts carry nine digits, so float32 comes back exactly.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    if form == "npy":
        with whole_file(rows_path(output)) as scratch, open(scratch, "wb") as file:
            _write_lines(file, _row_lines(table))
    writers: dict[str, Callable[[IO[bytes], Table], None]] = {
        "npz": _write_npz,
        "npy": lambda file, table: _write_array(file, table.embedding),
        "csv": _write_csv,
        "jsonl": lambda file, table: _write_lines(file, _json_lines(table)),
        "parquet": _write_parquet,
    }
    with whole_file(output) as scratch, open(scratch, "wb") as file:
        writers[form](file, table)


def _write_array(file: IO[bytes], array: np.ndarray) -> None:
    np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)


def _write_npz(file: IO[bytes], table: Table) -> None:
    arrays = {
        "embedding": table.embedding,
        "path": np.asarray(table.path, dtype=np.str_),
        "start": table.start,
        "end": table.end,
        "query": np.asarray(table.query),
        "model": np.asarray(table.model),
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            # numpy.savez would write the time of day into the archive.
            entry = zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH)
            with archive.open(entry, "w", force_zip64=True) as member:
                _write_array(member, array)


def _write_csv(file: IO[bytes], table: Table) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
    writer = csv.writer(text, lineterminator="\n")
    names = [f"e{index}" for index in range(table.embedding.shape[1])]
    writer.writerow(["path", "start", "end", "query", "model", *names])
    for path, start, end, vector in _rows(table):
        numbers = [f"{value:.9g}" for value in vector]
        writer.writerow([path, repr(start), repr(end), table.query, table.model, *numbers])
    text.flush()
    text.detach()


def _write_lines(file: IO[bytes], lines: Iterator[dict[str, Any]]) -> None:
    for line in lines:
        file.write(json.dumps(line).encode("ascii") + b"\n")


def _row_lines(table: Table) -> Iterator[dict[str, Any]]:
    for path, start, end, _ in _rows(table):
        yield {"path": path, "start": start, "end": end, "query": table.query, "model": table.model}


def _json_lines(table: Table) -> Iterator[dict[str, Any]]:
    for line, vector in zip(_row_lines(table), table.embedding, strict=True):
        yield {**line, "embedding": [float(f"{value:.9g}") for value in vector]}


def _rows(table: Table) -> Iterator[tuple[str, float, float, np.ndarray]]:
    return zip(table.path, table.start.tolist(), table.end.tolist(), table.embedding, strict=True)


def _write_parquet(file: IO[bytes], table: Table) -> None:
    pyarrow, parquet = _pyarrow()
    flat = pyarrow.array(np.ascontiguousarray(table.embedding).reshape(-1), pyarrow.float32())
    # Arrow texts are UTF-8; a file name need not be.
    paths = [os.fsencode(path).decode("utf-8", "backslashreplace") for path in table.path]
    columns = {
        "path": pyarrow.array(paths, pyarrow.string()),
        "start": pyarrow.array(table.start, pyarrow.float64()),
        "end": pyarrow.array(table.end, pyarrow.float64()),
        "embedding": pyarrow.FixedSizeListArray.from_arrays(flat, table.embedding.shape[1]),
    }
    arrow = pyarrow.table(columns).replace_schema_metadata({"query": table.query, "model": table.model})
    parquet.write_table(arrow, file)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("Writing parquet", "parquet") from error
    return pyarrow, pyarrow.parquet
