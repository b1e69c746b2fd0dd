"""``fxlens index add`` killed in the middle, again and again: the vectors, rows and hits of an uninterrupted run."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from killed_process import kill_often, launcher, needs_proc, seconds_of_work, write_songs

from fxlens.cli import main
from fxlens.errors import OutputError
from fxlens.index.catalogue import Catalogue
from fxlens.index.fx_index import FxIndex
from fxlens.models.fx_encoder import FxEncoder

TABLES = ("recording", "place", "part")


def rows(index: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that the catalogue holds, ids and row numbers included."""
    with closing(sqlite3.connect(f"file:{index / 'catalogue.sqlite'}?mode=rw", uri=True)) as catalogue:
        return {name: sorted(catalogue.execute(f"select * from {name}")) for name in TABLES}


def finished_files(index: Path) -> int:
    """Files that are committed; a catalogue that was killed before its tables were made has none."""
    try:
        return len(rows(index)["place"])
    except sqlite3.OperationalError:
        return 0


def hits(index: Path, encoder: FxEncoder, songs: Path) -> list[Any]:
    with FxIndex.open(index) as opened:
        return [
            opened.search(song, encoder, query, k=30) for song in sorted(songs.iterdir()) for query in (None, "drums")
        ]


def assert_same(killed: Path, straight: Path, encoder: FxEncoder, songs: Path) -> None:
    """Every vector, row, time, place and hit, and every byte that is exported."""
    for name in ("mixture.f16", "query-drums.f16"):
        assert (killed / name).read_bytes() == (straight / name).read_bytes(), name
    assert rows(killed) == rows(straight)
    assert hits(killed, encoder, songs) == hits(straight, encoder, songs)
    assert sorted(path.name for path in killed.iterdir()) == sorted(path.name for path in straight.iterdir())
    tables = []
    for index in (straight, killed):
        assert main(["index", "export", str(index), "-o", f"{index}.npz", "-q", "drums"]) == 0
        tables.append(Path(f"{index}.npz").read_bytes())
    assert tables[0] == tables[1]


@needs_proc
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
@pytest.mark.parametrize(("kills", "files"), [(3, 8), pytest.param(10, 24, marks=pytest.mark.slow)])
def test_killed_and_repeated(
    model: Path, encoder: FxEncoder, tmp_path: Path, kind: signal.Signals, kills: int, files: int
) -> None:
    songs = write_songs(tmp_path / "songs", files)
    straight, killed = tmp_path / "straight", tmp_path / "killed"

    def call(index: Path) -> list[object]:
        return ["index", "add", index, songs, "-m", model, "-q", "drums", "--hop", "0.02", "-d", "cpu"]

    known: list[tuple[Any, ...]] = []

    def finished() -> int:
        """Count them, and see that all of those before are there as they were."""
        there = finished_files(killed)
        now = rows(killed)["part"] if there else []
        assert set(known) <= set(now) and there * 2 == len(now)
        known[:] = now
        return there

    def forget() -> None:
        shutil.rmtree(killed)
        known.clear()

    begins = killed / "catalogue.sqlite"
    with launcher() as start:
        work = seconds_of_work(start, call(straight), straight / "catalogue.sqlite")
        shown = kill_often(
            start, lambda _: call(killed), begins, work / files, files, kills, kind,
            lambda: finished_files(killed), finished, forget, seed=2,
        )  # fmt: skip
        before = finished_files(killed)
        last = start(call(killed))
        out, err = last.wait()
    assert last.returncode == 0, err
    print(f"{kind.name}, {work:.2f} s of work: finished after each kill {shown.finished}, {shown.starts} start(s)")
    assert len({count for count in shown.finished if 0 < count < files}) >= (4 if kills == 10 else 1), shown
    assert f"{files - before} files added" in out and f"{files} in all" in out, out
    assert (f"{before} known before" in out) == (before > 0), out
    assert_same(killed, straight, encoder, songs)


def test_killed_before_there_was_an_index(model: Path, encoder: FxEncoder, tmp_path: Path) -> None:
    """A folder with half a header is begun anew; one with somebody's file is still refused."""
    index = tmp_path / "library"
    index.mkdir()
    half = index / ".index.json.0123abcd.partial.json"
    half.write_text('{"for')
    os.utime(half, (1.0, 1.0))
    songs = write_songs(tmp_path / "songs", 1)
    assert main(["index", "add", str(index), str(songs), "-m", str(model)]) == 0
    assert not half.exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    with pytest.raises(OutputError, match="no index"):
        FxIndex.create(tmp_path / "other", encoder)


class Interrupted:
    """A connection after one statement of which Ctrl-C comes, as Python raises it when the statement is done."""

    def __init__(self, connection: sqlite3.Connection, statement: str) -> None:
        self._connection, self._statement = connection, statement

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> Any:
        found = self._connection.execute(statement, *values)
        if statement == self._statement:
            raise KeyboardInterrupt
        return found


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue(tmp_path / "catalogue.sqlite")
    yield opened
    opened.close()


@pytest.mark.parametrize(("statement", "kept"), [("begin immediate", False), ("commit", True)])
def test_ctrl_c_between_two_statements(catalogue: Catalogue, statement: str, kept: bool) -> None:
    """It stays an interruption, and the next writer is not in its way."""
    real = catalogue._connection
    catalogue._connection = Interrupted(real, statement)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt), catalogue.writing():
        catalogue.add_recording("a", 1.0)
    catalogue._connection = real
    assert not real.in_transaction and (catalogue.recording("a") is not None) == kept
    with catalogue.writing():
        catalogue.add_recording("b", 1.0)
    assert catalogue.recording("b") is not None
