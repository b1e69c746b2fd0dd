"""Keep what libmpg123 prints about damaged MP3 files off the terminal.

The library writes to file descriptor 2 past Python, and libsndfile offers no switch for it. What it has to
say reaches the caller as an exception instead.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

_NOTE = re.compile(rb"^(?:Note|Warning): |libmpg123")


class _Redirection:
    """Descriptor 2 points into a temporary file while at least one thread is decoding."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depth = 0
        self.saved = -1
        self.caught: IO[bytes] | None = None

    def enter(self) -> None:
        with self.lock:
            self.depth += 1
            if self.depth > 1:
                return
            with suppress(OSError):  # no stderr, or no temporary files: then decode with the noise
                self.caught = tempfile.TemporaryFile()  # noqa: SIM115
                self.saved = os.dup(2)
                with suppress(OSError, ValueError, AttributeError):
                    sys.stderr.flush()
                os.dup2(self.caught.fileno(), 2)

    def leave(self) -> None:
        with self.lock:
            self.depth -= 1
            if self.depth > 0 or self.caught is None:
                return
            if self.saved >= 0:
                os.dup2(self.saved, 2)
                os.close(self.saved)
            self.caught.seek(0)
            others = b"".join(line for line in self.caught.readlines() if not _NOTE.search(line))
            self.caught.close()
            self.caught, self.saved = None, -1
            if others:  # something else that another thread said meanwhile: only late, not lost
                with suppress(OSError):
                    os.write(2, others)


_redirection = _Redirection()


@contextmanager
def without_decoder_notes(active: bool = True) -> Iterator[None]:
    """Hold back stderr for the length of the block, drop libmpg123's lines, pass on all others."""
    if not active:
        yield
        return
    _redirection.enter()
    try:
        yield
    finally:
        _redirection.leave()
