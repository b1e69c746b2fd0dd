"""What is written comes back exactly, the same each time, and never half."""

from __future__ import annotations

import csv
import errno
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from fxlens.embedding.formats import FORMATS, Format, Table, choose_format, rows_path, write_table
from fxlens.errors import MissingExtraError, OutputError, UsageError


def table(rows: int = 3) -> Table:
    vectors = np.random.default_rng(0).standard_normal((rows, 5)).astype(np.float32)
    vectors[:1, 0] = np.nextafter(np.float32(0.1), np.float32(1.0))
    paths = ['a "b", c.wav', "ünï/ß 音.wav", "ünï/ß 音.wav"][:rows]
    start = np.array([0.0, 0.0, 1 / 3])[:rows]
    return Table(vectors, paths, start, start + 1.0, "lead vocals", "tiny-0123")


def read(path: Path, form: Format) -> tuple[np.ndarray, list[str], list[float], list[float]]:
    if form == "npz":
        with np.load(path, allow_pickle=False) as data:
            assert set(data.files) == {"embedding", "path", "start", "end", "query", "model"}
            assert str(data["query"]) == "lead vocals" and str(data["model"]) == "tiny-0123"
            return data["embedding"], data["path"].tolist(), data["start"].tolist(), data["end"].tolist()
    if form == "npy":
        rows = [json.loads(line) for line in rows_path(path).read_text().splitlines()]
        return (
            np.load(path),
            [r["path"] for r in rows],
            [r["start"] for r in rows],
            [r["end"] for r in rows],
        )
    if form == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        data = parquet.read_table(path)
        assert data.schema.metadata[b"query"] == b"lead vocals"
        vectors = data["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, 5)
        return vectors, *(data[name].to_pylist() for name in ("path", "start", "end"))
    if form == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        vectors = np.array([[r[f"e{i}"] for i in range(5)] for r in rows], np.float32).reshape(-1, 5)
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        vectors = np.array([r["embedding"] for r in rows], np.float32).reshape(-1, 5)
    assert all(r["query"] == "lead vocals" and r["model"] == "tiny-0123" for r in rows)
    return (
        vectors,
        [r["path"] for r in rows],
        [float(r["start"]) for r in rows],
        [float(r["end"]) for r in rows],
    )


@pytest.mark.parametrize("rows", [3, 0])
@pytest.mark.parametrize("form", FORMATS)
def test_everything_comes_back_exactly(tmp_path: Path, form: Format, rows: int) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    wanted, path = table(rows), tmp_path / f"out.{form}"
    write_table(path, wanted, form)
    vectors, paths, start, end = read(path, form)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors.reshape(rows, 5), wanted.embedding)
    assert paths == wanted.path
    assert start == wanted.start.tolist() and end == wanted.end.tolist()


@pytest.mark.parametrize("form", FORMATS)
def test_bytes_do_not_depend_on_the_time(tmp_path: Path, form: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    write_table(tmp_path / "one", table(), form)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 1e7)
    write_table(tmp_path / "two", table(), form)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("form", FORMATS)
def test_names_that_are_no_utf8_do_not_stop_the_writer(tmp_path: Path, form: Format) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    odd = Table(np.zeros((1, 5), np.float32), ["caf\udce9.wav"], np.zeros(1), np.ones(1), "", "m")
    write_table(tmp_path / "out", odd, form)
    assert (tmp_path / "out").stat().st_size > 0


def test_the_suffix_or_the_name_decides() -> None:
    assert choose_format(Path("x.NPZ")) == "npz"
    assert choose_format(Path("x.dat"), "csv") == "csv"
    with pytest.raises(UsageError, match=r"x\.dat: its suffix names no format"):
        choose_format(Path("x.dat"))
    with pytest.raises(UsageError, match="'xls' is not known"):
        choose_format(Path("x.npz"), "xls")


def test_parquet_without_pyarrow_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"fxlens\[parquet\]"):
        choose_format(Path("x.parquet"))


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.npz"
    write_table(path, table(), "npz")
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("fxlens.whole_files.os.fsync", full)
    with pytest.raises(OutputError, match=r"out\.npz: cannot be written \(No space left on device\)"):
        write_table(path, table(2), "npz")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
