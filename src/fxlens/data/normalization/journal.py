"""What an Fx-normalisation job has done so far, line by line, so that it can go on after an interruption."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np

from fxlens.errors import OutputError
from fxlens.fxnorm.dynamics import Compression, Peaks
from fxlens.fxnorm.steps import Measurement


def name_of(*parts: object) -> str:
    """A key for a piece of work: the same for the same parts, another for any other."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


class Journal:
    """A file of results by key. What an interruption cut short is not there; a later result takes the place of an
    earlier one. Threads may share it.

    Args:
        path: the file; made with the first result.
        resume: read what is there, instead of beginning anew.

    Raises:
        OutputError: the file cannot be read or removed.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._results: dict[str, dict[str, Any]] = {}
        try:
            if not resume:
                path.unlink(missing_ok=True)
            elif path.is_file():
                self._read()
        except OSError as problem:
            raise self._refused(problem) from problem

    def _read(self) -> None:
        with self.path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    self._results[entry["key"]] = entry["result"]
                except (ValueError, KeyError, TypeError):
                    continue  # cut short: it is done again

    def get(self, key: str) -> dict[str, Any] | None:
        """The result under a key, if there is one."""
        return self._results.get(key)

    def put(self, key: str, result: dict[str, Any]) -> None:
        """Keep a result.

        Raises:
            OutputError: the file cannot be written.
        """
        line = json.dumps({"key": key, "result": result})
        with self._lock:
            try:
                # A line that was cut short must not swallow the next: each begins with its own line break.
                with self.path.open("a", encoding="utf-8") as file:
                    file.write("\n" + line + "\n")
            except OSError as problem:
                raise self._refused(problem) from problem
            self._results[key] = result

    def _refused(self, problem: OSError) -> OutputError:
        reason = problem.strerror or problem
        return OutputError(f"{self.path}: cannot be written ({reason}); is the folder read-only or the disk full?")


def measurement_to_json(found: Measurement, fields: tuple[str, ...]) -> dict[str, Any]:
    """Some fields of a measurement; arrays are float32 in base64, so that they come back bit for bit."""
    entry: dict[str, Any] = {}
    for field in fields:
        value = getattr(found, field)
        if isinstance(value, np.ndarray):
            raw = base64.b64encode(np.ascontiguousarray(value, np.float32).tobytes()).decode()
            entry[field] = {"float32": raw, "shape": list(value.shape)}
        elif isinstance(value, Peaks | Compression):
            entry[field] = vars(value)
        else:
            entry[field] = value
    return entry


def add_from_json(found: Measurement, entry: dict[str, Any]) -> None:
    """Put the fields that :func:`measurement_to_json` wrote into a measurement."""
    for field, value in entry.items():
        if isinstance(value, dict) and "float32" in value:
            array = np.frombuffer(base64.b64decode(value["float32"]), np.float32)
            setattr(found, field, array.reshape(value["shape"]))
        elif field == "peaks" and value is not None:
            found.peaks = Peaks(**value)
        elif field == "compression" and value is not None:
            found.compression = Compression(**value)
        else:
            setattr(found, field, value)
