"""What a job has computed so far, on disk: nothing is lost to Ctrl-C, a kill or a full disk.

``<output>.partial/journal.jsonl`` begins with a line that says what the results depend on (model, query,
settings) and has one line for every finished file. A line is flushed as soon as it is written; one that was
torn by a kill is dropped when the journal is opened again.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fxlens.errors import OutputError, UsageError

try:
    import fcntl
except ImportError:  # Windows; there the second writer is not noticed
    fcntl = None  # type: ignore[assignment]

FORMAT = "fxlens.embedding-journal/1"
_END = {"finished": True}


@dataclass(frozen=True)
class Entry:
    """A finished file.

    Args:
        path: as it was named.
        signature: size in bytes and modification time in ns; a file that has changed is computed again.
        times: ``float64 [W, 2]``, start and end of each row in seconds.
        vectors: ``float32 [W, D]``.
    """

    path: str
    signature: tuple[int, int]
    times: np.ndarray
    vectors: np.ndarray


def signature(path: Path) -> tuple[int, int]:
    """Size and modification time of a file; ``(-1, -1)`` where it cannot be looked at."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return -1, -1
    return status.st_size, status.st_mtime_ns


class Journal:
    """The journal of one output file; a context manager.

    Args:
        output: the file that the job will write.
        binding: what the results depend on, as plain JSON values.
        resume: go on with a journal that is there. Without it, one of a run that came to its end is begun
            anew, and one of an interrupted run is refused.

    Raises:
        UsageError: the journal belongs to another model, query or setting; or it holds results of an
            interrupted run and ``resume`` is not set.
        OutputError: it cannot be written, or another process is writing it.
    """

    def __init__(self, output: Path, binding: dict[str, Any], resume: bool) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".partial")
        self.path = self.folder / "journal.jsonl"
        self.entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._broken = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Without a buffer: what could not be written must not be tried again when the file is closed.
            self._file = open(self.path, "ab+", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            self._claim()
            self._open(binding, resume)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self.entries:  # nothing to go on from
            self._remove()

    def append(self, entry: Entry) -> None:
        """Keep a finished file; threads may call it.

        Raises:
            OutputError: the disk is full, or gone.
        """
        line = {
            "path": entry.path,
            "signature": list(entry.signature),
            "times": entry.times.tolist(),
            "shape": list(entry.vectors.shape),
            "vectors": base64.b64encode(entry.vectors.astype("<f4").tobytes()).decode("ascii"),
        }
        with self._lock:
            if self._broken:
                raise self._unwritable(OSError(0, "an earlier result could not be written"))
            self._write(line)
            self.entries[entry.path] = entry

    def finished(self, path: Path) -> Entry | None:
        """The result for ``path``, unless there is none or the file has changed since."""
        entry = self.entries.get(str(path))
        return entry if entry is not None and entry.signature == signature(path) else None

    def finish(self) -> None:
        """Mark that the run came to its end, though some files failed: a later one may begin anew.

        Raises:
            OutputError: the disk is full, or gone.
        """
        with self._lock:
            self._write(_END)

    def discard(self) -> None:
        """Remove it, once everything is in the output."""
        self._file.close()
        self.entries = {}
        self._remove()

    def _remove(self) -> None:
        self.path.unlink(missing_ok=True)
        try:
            self.folder.rmdir()
        except OSError:  # something of somebody else's lies in it
            return

    def _claim(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"{self.output}: another fxlens is writing it at this moment; wait, or choose another output"
            ) from None
        except OSError:  # a file system without locks
            return

    def _open(self, binding: dict[str, Any], resume: bool) -> None:
        self._file.seek(0)
        lines = self._file.read().split(b"\n")
        head, sound, ended = _parsed(lines[0]) if len(lines) > 1 else None, 0, False
        if head is not None:
            sound = len(lines[0]) + 1
            for line in lines[1:-1]:
                parsed = _parsed(line)
                entry = _entry(parsed)
                if entry is None:
                    ended = parsed == _END
                    break
                self.entries[entry.path] = entry
                sound += len(line) + 1
        if ended and not resume:
            self.entries = {}
        if self.entries and not resume:
            raise UsageError(
                f"{self.folder} holds {len(self.entries)} results of an interrupted run: "
                "add --resume to go on, or remove that folder to begin again"
            )
        if self.entries and head is not None:
            self._compare(head, binding)
        else:
            sound = 0
        try:
            self._file.truncate(sound)
        except OSError as error:
            raise self._unwritable(error) from None
        if sound == 0:
            self._write({"format": FORMAT, **binding})

    def _compare(self, head: dict[str, Any], binding: dict[str, Any]) -> None:
        wanted = json.loads(json.dumps({"format": FORMAT, **binding}))
        differ = [key for key in {**wanted, **head} if wanted.get(key) != head.get(key)]
        if differ:
            key = differ[0]
            raise UsageError(
                f"{self.folder} was begun with {key} {head.get(key)!r}, now it is {wanted.get(key)!r}; "
                "repeat the first call, or remove that folder to begin again"
            )

    def _write(self, line: dict[str, Any]) -> None:
        try:
            rest = json.dumps(line).encode("ascii") + b"\n"
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            # Half a line may be out: nothing may follow it, or the reader would stop there.
            self._broken = True
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> OutputError:
        kept = f"; {len(self.entries)} finished files are kept in {self.folder}, go on with --resume"
        return OutputError(
            f"{self.output}: cannot be written ({error.strerror or error}); "
            f"check permissions and free space of {self.output.parent}{kept if self.entries else ''}"
        )


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _entry(line: dict[str, Any] | None) -> Entry | None:
    if line is None:
        return None
    try:
        size, modified = line["signature"]
        vectors = np.frombuffer(base64.b64decode(line["vectors"]), "<f4").reshape(line["shape"])
        times = np.asarray(line["times"], np.float64).reshape(len(vectors), 2)
        return Entry(str(line["path"]), (size, modified), times, vectors)
    except (KeyError, TypeError, ValueError):
        return None
