"""A search on the terminal: its progress with loss and time left, and Ctrl-C, which ends it with the best so far."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from fxlens.cli import console

if TYPE_CHECKING:
    from fxlens.matching.settings import Progress


class SearchBar:
    """Progress of searches, then of what is rendered, on a terminal only. A context manager.

    Attributes:
        searching: whether a search runs, so that there is a best so far.
        loss: the best so far.
    """

    def __init__(self) -> None:
        self.searching = False
        self.loss = float("nan")
        self._bar: Any = None
        self._name = ""

    def __enter__(self) -> SearchBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self, name: str) -> None:
        """Name what is searched for next."""
        self.end()
        self._name = name

    def report(self, progress: Progress) -> None:
        """Take in a step of a search."""
        self.searching, self.loss = True, progress.loss
        if not sys.stderr.isatty():
            return
        if self._bar is None or self._bar.unit != "step":
            self._new(progress.total, "step", "{desc} {percentage:3.0f}%|{bar}|")
        self._bar.total = progress.total
        left = round(progress.seconds_left)
        left_words = f"{left // 60}:{left % 60:02} left"
        self._bar.set_description_str(
            f"{self._name}: step {progress.done} of {progress.total}, loss {progress.loss:.4f}, {left_words}", False
        )
        self._bar.update(progress.done - self._bar.n)

    def advance(self, seconds: float) -> None:
        """Take in seconds that are rendered: the search is over."""
        self.searching = False
        if not sys.stderr.isatty():
            return
        if self._bar is None or self._bar.unit != "s":
            self._new(None, "s", "{desc} rendering: {n:.0f} s of audio [{elapsed}]")
        self._bar.update(seconds)

    def end(self) -> None:
        """Take the bar away."""
        self.searching = False
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _new(self, total: int | None, unit: str, form: str) -> None:
        from tqdm import tqdm

        searching = self.searching
        self.end()
        self.searching = searching
        self._bar = tqdm(total=total, unit=unit, desc=self._name, file=sys.stderr, leave=False, bar_format=form)


@contextmanager
def best_so_far(bar: SearchBar) -> Iterator[threading.Event]:
    """Let the first Ctrl-C inside a search set the event; one at any other time, and a second, interrupt.

    Outside the main thread, and where Ctrl-C is ignored, nothing is changed.
    """
    told = threading.Event()
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield told
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not bar.searching or told.is_set():
            raise KeyboardInterrupt
        told.set()
        console.say("interrupted: the best settings so far are rendered; Ctrl-C again writes nothing")

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield told
    finally:
        signal.signal(signal.SIGINT, before)
