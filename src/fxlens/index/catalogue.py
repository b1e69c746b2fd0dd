"""What an index knows of its vectors: recordings, their names and tags, and which rows are theirs. SQLite.

A *recording* is the content of a file, named by its hash; several paths may hold the same one. A *part* is one
recording's rows in one column (a column is a query). Times and rows of a part are kept together, so that the tables
grow with the recordings and not with their windows.

    recording(id, sha256, seconds)    place(path, recording, size, modified, song, tags)
    part(recording, query, first, times)

A row belongs to the index from the moment its part is committed; writers take turns.
"""

from __future__ import annotations

import fnmatch
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxlens.errors import DataError, OutputError, UsageError

_TABLES = """
create table if not exists recording (id integer primary key, sha256 text not null unique, seconds real not null);
create table if not exists place (
    path text primary key, recording integer not null references recording, size integer not null,
    modified integer not null, song text not null, tags text not null) without rowid;
create index if not exists place_recording on place (recording);
create table if not exists part (
    recording integer not null references recording, query text not null, first integer not null,
    last integer not null, times blob not null, primary key (query, first)) without rowid;
create unique index if not exists part_recording on part (recording, query);
"""


@dataclass(frozen=True)
class Place:
    """A file of the index: where, what it is called, and what it is tagged with."""

    path: str
    recording: int
    size: int
    modified: int
    song: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Parts:
    """All parts of one column, by row.

    Args:
        recordings: ``int64 [P]``.
        first: ``int64 [P]``, first row of each, ascending.
        last: ``int64 [P]``, one past the last.
    """

    recordings: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def only(self, recordings: set[int]) -> Parts:
        """Those of some recordings."""
        keep = np.isin(self.recordings, np.fromiter(recordings, np.int64, len(recordings)))
        return Parts(self.recordings[keep], self.first[keep], self.last[keep])

    def ranges(self) -> list[tuple[int, int]]:
        """Their rows, neighbouring parts joined."""
        joined: list[tuple[int, int]] = []
        for first, last in zip(self.first.tolist(), self.last.tolist(), strict=True):
            if joined and joined[-1][1] == first:
                joined[-1] = (joined[-1][0], last)
            else:
                joined.append((first, last))
        return joined


class Catalogue:
    """The SQLite file of an index; one object a process, used from any thread.

    Args:
        path: the file, made where missing.

    Raises:
        DataError: it is no catalogue.
        OutputError: it is to be made, and the disk or the folder does not allow it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.RLock()
        try:
            # Writers of other processes are waited for: each holds the file for one recording only.
            self._connection = sqlite3.connect(path, timeout=120.0, isolation_level=None, check_same_thread=False)
            self._connection.executescript("pragma synchronous = full;" + _TABLES)
        except sqlite3.OperationalError as error:  # of the disk or its permissions, not of what is in the file
            if "readonly" not in str(error):
                raise OutputError(f"{path}: cannot be written ({error}); check permissions and free space") from None
        except sqlite3.DatabaseError as error:
            raise DataError(f"{path}: cannot be read as an index ({error}); is it damaged?") from None

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer; commit at the end, or leave everything as it was when something is raised.

        Raises:
            OutputError: the disk is full, the folder cannot be written, or another writer does not end.
        """
        with self._turn:
            try:
                try:
                    self._connection.execute("begin immediate")
                    yield
                    self._connection.execute("commit")
                except BaseException:
                    # Ctrl-C may come when the commit is done, and SQLite itself gives up where the disk is full.
                    if self._connection.in_transaction:
                        self._connection.execute("rollback")
                    raise
            except sqlite3.OperationalError as error:
                raise OutputError(
                    f"{self.path}: cannot be written ({error}); check permissions and free space, and that no other "
                    "program holds it. What was added before is kept"
                ) from None

    def place(self, path: str) -> Place | None:
        """What is known of a file."""
        row = self._one("select path, recording, size, modified, song, tags from place where path = ?", path)
        return None if row is None else _place(row)

    def places(self, recording: int) -> list[Place]:
        """The files that hold a recording, by path."""
        rows = self._all(
            "select path, recording, size, modified, song, tags from place where recording = ? order by path", recording
        )
        return [_place(row) for row in rows]

    def recording(self, sha256: str) -> int | None:
        """The id of a content."""
        row = self._one("select id from recording where sha256 = ?", sha256)
        return None if row is None else row[0]

    def queries_of(self, recording: int) -> set[str]:
        """The columns in which a recording has rows, or was found to have none."""
        return {row[0] for row in self._all("select query from part where recording = ?", recording)}

    def queries(self) -> list[str]:
        """All columns, the whole mixture (the empty query) first."""
        return [row[0] for row in self._all("select distinct query from part order by query")]

    def add_recording(self, sha256: str, seconds: float) -> int:
        """Note a content, if it is new; only while :meth:`writing`."""
        self._connection.execute("insert or ignore into recording (sha256, seconds) values (?, ?)", (sha256, seconds))
        found = self.recording(sha256)
        assert found is not None
        return found

    def put_place(self, place: Place) -> None:
        """Note where a content lies; only while :meth:`writing`."""
        self._connection.execute(
            "insert or replace into place (path, recording, size, modified, song, tags) values (?, ?, ?, ?, ?, ?)",
            (place.path, place.recording, place.size, place.modified, place.song, json.dumps(dict(place.tags))),
        )

    def drop_place(self, path: str) -> bool:
        """Forget a file, only while :meth:`writing`; its rows stay, and are found no more once no file holds them."""
        return self._connection.execute("delete from place where path = ?", (path,)).rowcount > 0

    def rows(self, query: str) -> int:
        """Rows of a column; the next part begins there."""
        row = self._one("select last from part where query = ? order by first desc limit 1", query)
        return 0 if row is None else row[0]

    def add_part(self, recording: int, query: str, times: np.ndarray) -> int:
        """Give a recording ``len(times)`` rows in a column, only while :meth:`writing`; return the first of them.

        Args:
            recording: its id.
            query: the column.
            times: ``float64 [W, 2]``, start and end of every row in seconds.
        """
        first = self.rows(query)
        data = np.ascontiguousarray(times, dtype="<f8").tobytes()
        row = (recording, query, first, first + len(times), data)
        self._connection.execute("insert into part (recording, query, first, last, times) values (?, ?, ?, ?, ?)", row)
        return first

    def parts(self, query: str) -> Parts:
        """All parts of a column that some file still holds."""
        rows = self._all(
            "select recording, first, last from part where query = ? "
            "and recording in (select recording from place) order by first",
            query,
        )
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        return Parts(table[:, 0], table[:, 1], table[:, 2])

    def times(self, query: str, first: int) -> np.ndarray:
        """``float64 [W, 2]``: times of the part that begins at a row."""
        row = self._one("select times from part where query = ? and first = ?", query, first)
        assert row is not None, f"no part of {query!r} begins at {first}"
        return np.frombuffer(row[0], "<f8").reshape(-1, 2)

    def matching(self, where: Mapping[str, str]) -> set[int]:
        """Recordings of files that meet every condition.

        Args:
            where: ``path`` or ``song`` or a tag -> wanted value, in which ``*`` and ``?`` stand for anything; case
                does not matter. ``min_seconds`` and ``max_seconds`` bound the duration.

        Raises:
            UsageError: a bound that is no number.
        """
        bounds = {key: _seconds(key, value) for key, value in where.items() if key in ("min_seconds", "max_seconds")}
        wanted = {key: value.casefold() for key, value in where.items() if key not in bounds}
        low, high = bounds.get("min_seconds", 0.0), bounds.get("max_seconds", 1e300)
        rows = self._all(
            "select recording, path, song, tags from place where recording in "
            "(select id from recording where seconds between ? and ?)",
            low,
            high,
        )
        return {
            recording
            for recording, path, song, tags in rows
            if all(
                fnmatch.fnmatchcase(str({"path": path, "song": song, **json.loads(tags)}.get(k, "")).casefold(), value)
                for k, value in wanted.items()
            )
        }

    def counts(self) -> dict[str, int]:
        """Numbers of files and of different recordings."""
        ((files, recordings),) = self._all("select count(*), count(distinct recording) from place")
        return {"files": files, "recordings": recordings}

    def _one(self, statement: str, *values: object) -> tuple | None:
        with self._turn:
            return self._connection.execute(statement, values).fetchone()

    def _all(self, statement: str, *values: object) -> list[tuple]:
        with self._turn:
            return self._connection.execute(statement, values).fetchall()


def _place(row: tuple) -> Place:
    path, recording, size, modified, song, tags = row
    return Place(path, recording, size, modified, song, json.loads(tags))


def _seconds(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"{key} must be a number of seconds, not {value!r}") from None
