"""SIGTERM as Ctrl-C: who is told to end (by ``kill``, a scheduler, a container) cleans up as who is interrupted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 128 + int(signal.SIGTERM)
"""What shells call the end by SIGTERM: 143."""


class Termination:
    """Whether the process was told to end."""

    def __init__(self) -> None:
        self.came = False


@contextmanager
def as_interrupt() -> Iterator[Termination]:
    """Turn SIGTERM into :class:`KeyboardInterrupt` inside, the first alone: a second cannot cut the clean-up short.

    Processes that are forked off inside still end by it at once. Outside the main thread nothing is changed.
    """
    state, owner = Termination(), os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a fork has this handler, but nothing of its own to clean up
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        signal.signal(number, signal.SIG_IGN)
        state.came = True
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield state
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield state
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
