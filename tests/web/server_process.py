"""A real server in a process of its own, with a list of every address it has tried to reach."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SERVE = """
import json, os, sys

log = open(os.environ["OUTSIDE_LOG"], "a")

def watch(event, arguments):  # the interpreter itself tells of every connection, whoever makes it
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        place = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        log.write(json.dumps([event, str(place)]) + "\\n")
        log.flush()

sys.addaudithook(watch)
from fxlens.cli import entry
from fxlens.cli.serve_command import serve

if serve not in [command.callback for command in entry.app.registered_commands]:
    entry.app.command()(serve)
sys.exit(entry.main(["serve", *sys.argv[1:]]))
"""
_READY = re.compile(r"ready at (http://\S+/)")
_OWN = ("127.0.0.1", "localhost", "::1")


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, outside: Path, temporary: Path) -> None:
        self.process, self.log, self._outside, self.temporary = process, log, outside, temporary
        self.address = ""

    def wait_until_ready(self, seconds: float = 300.0) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = _READY.search(self.log.read_text())
            if found:
                self.address = found.group(1).rstrip("/")
                return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        raise AssertionError(f"not ready: {self.log.read_text()}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=120.0)

    def outside(self) -> list[list[str]]:
        """What it has tried to reach beyond this machine."""
        lines = [json.loads(line) for line in self._outside.read_text().splitlines()]
        return [line for line in lines if not any(own in line[1] for own in _OWN) and not line[1].startswith("/")]

    def left(self) -> list[Path]:
        """Files of its own that are there now."""
        return [path for path in self.temporary.rglob("*") if path.is_file() and path.name != "lock"]


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Server]:
    """Start ``fxlens serve`` on a free port; stop it in the end, if it still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "tmp"
    temporary.mkdir()
    log, outside = folder / "server.log", folder / "outside.jsonl"
    outside.touch()
    environment = {**os.environ, "OUTSIDE_LOG": str(outside), "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    with log.open("wb") as errors:
        command = [sys.executable, "-c", SERVE, "--port", "0", "--device", "cpu", *options]
        process = subprocess.Popen(command, stdout=errors, stderr=errors, env=environment)
        server = Server(process, log, outside, temporary)
        try:
            yield server
        finally:
            if process.poll() is None:
                process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=60.0)
