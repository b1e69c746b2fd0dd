"""The parts of a job that was divided, put together again."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fxlens.embedding.formats import Format, Table, choose_format, write_table
from fxlens.errors import DataError, MissingExtraError, UsageError


def merge(parts: Sequence[Path], output: Path, form: Format | None = None) -> Table:
    """Write one table with the rows of all parts, in the order of the paths.

    For the shards of one folder these are the bytes of the job that was not divided.

    Args:
        parts: npz or parquet files of ``fxlens embed``, in any order.
        output: where to.
        form: the format; by the suffix of ``output`` if not given.

    Raises:
        UsageError: no parts, or a part that is named ``I-of-N`` is missing.
        DataError: a part that cannot be read, is of another model or query, or holds rows that another has too.
        MissingExtraError: parquet without pyarrow.
        OutputError: the output cannot be written.
    """
    form = choose_format(output, form)
    if not parts:
        raise UsageError("nothing to merge: name the parts")
    _check_complete(parts)
    tables = [read_table(part) for part in parts]
    first = tables[0]
    for part, table in zip(parts, tables, strict=True):
        for name in ("model", "query"):
            if getattr(table, name) != getattr(first, name):
                raise DataError(
                    f"{part}: its {name} is {getattr(table, name)!r}, that of {parts[0]} is {getattr(first, name)!r}; "
                    "such vectors cannot be compared"
                )
    owner: dict[str, Path] = {}
    for part, table in zip(parts, tables, strict=True):
        for path in set(table.path):
            if owner.setdefault(os.path.abspath(path), part) != part:
                raise DataError(f"{part} and {owner[os.path.abspath(path)]} both hold {path}; leave one of them out")
    whole = _joined(tables)
    write_table(output, whole, form)
    return whole


def _check_complete(parts: Sequence[Path]) -> None:
    """Every part of a job that numbers them; others may be merged as one likes."""
    seen: dict[tuple[str, int], set[int]] = {}
    for part in parts:
        found = re.fullmatch(r"(.*)\.(\d+)-of-(\d+)\.\w+", part.name)
        if found:
            seen.setdefault((str(part.parent / found[1]), int(found[3])), set()).add(int(found[2]))
    for (name, count), numbers in seen.items():
        missing = sorted(set(range(1, count + 1)) - numbers)
        if missing:
            raise UsageError(
                f"{name}: part {missing[0]} of {count} is missing; embed it with --shard {missing[0]}/{count}"
            )


def _joined(tables: Sequence[Table]) -> Table:
    start = np.concatenate([table.start for table in tables])
    path = [path for table in tables for path in table.path]
    keys = [os.path.abspath(one) for one in path]
    order = sorted(range(len(path)), key=lambda row: (keys[row], start[row]))
    return replace(
        tables[0],
        embedding=np.ascontiguousarray(np.concatenate([table.embedding for table in tables])[order]),
        path=[path[row] for row in order],
        start=start[order],
        end=np.concatenate([table.end for table in tables])[order],
    )


def read_table(path: Path) -> Table:
    """Read back what :func:`fxlens.embedding.formats.write_table` wrote as npz or parquet.

    Raises:
        DataError: missing, broken, or of another format.
    """
    suffix = path.suffix.lower()
    if suffix not in (".npz", ".parquet"):
        raise DataError(f"{path}: only npz and parquet can be merged; csv and jsonl files are joined line by line")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        return _read_npz(path) if suffix == ".npz" else _read_parquet(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is no table of embeddings, or broken ({error}); embed that part again") from None


def _read_npz(path: Path) -> Table:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        return Table(
            data["embedding"], data["path"].tolist(), data["start"], data["end"], str(data["query"]), str(data["model"])
        )


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("Reading parquet", "parquet") from error
    arrow = parquet.read_table(path)
    told = {key.decode(): value.decode() for key, value in (arrow.schema.metadata or {}).items()}
    column = arrow.column("embedding").combine_chunks()
    width = arrow.schema.field("embedding").type.list_size
    return Table(
        column.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, width),
        arrow.column("path").to_pylist(),
        arrow.column("start").to_numpy(),
        arrow.column("end").to_numpy(),
        told["query"],
        told["model"],
    )
