"""Units of work over processes: in any order, interruptible, and without orphans.

Processes are spawned, because a process that has used torch or OpenMP cannot be forked safely. Each computes with one
torch thread, so that results do not depend on how many there are.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import FrameType
from typing import TypeVar

import torch

from fxlens.errors import FxLensError

Unit = TypeVar("Unit")
Progress = Callable[[int, int], None]

_busy = False
_stopped = False


def run_units(
    function: Callable[[Unit], object], units: Sequence[Unit], jobs: int, progress: Progress | None = None
) -> None:
    """Call ``function`` with every unit; what it makes it leaves on disk.

    Args:
        function: importable by name; called in this process if there is one job.
        units: what to call it with.
        jobs: processes.
        progress: called with (units done, units in all).

    Raises:
        Exception: the first that a unit raises; units not yet begun are given up.
    """
    if jobs <= 1 or len(units) <= 1:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for done, unit in enumerate(units, start=1):
                function(unit)
                if progress is not None:
                    progress(done, len(units))
        finally:
            torch.set_num_threads(before)
        return
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(units)), context, initializer=_begin, initargs=(os.getpid(), sys.path))
    finished = False
    try:
        futures = [pool.submit(_call, function, unit) for unit in units]
        remaining, done = set(futures), 0
        while remaining:
            complete, remaining = wait(remaining, timeout=0.5, return_when=FIRST_EXCEPTION)
            for future in complete:
                future.result()
            if len(complete) and progress is not None:
                progress(done + len(complete), len(units))
            done += len(complete)
        finished = True
    except BrokenProcessPool:
        raise FxLensError(
            "a process of the evaluation died, perhaps for lack of memory; run again with fewer --jobs: "
            "what was finished is kept"
        ) from None
    finally:
        if not finished:
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _call(function: Callable[[Unit], object], unit: Unit) -> None:
    global _busy
    if _stopped:
        raise KeyboardInterrupt
    _busy = True
    try:
        function(unit)
    finally:
        _busy = False


def _begin(parent: int, path: list[str]) -> None:
    sys.path[:] = path
    torch.set_num_threads(1)
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, _stop)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _stop(number: int, frame: FrameType | None) -> None:
    """In the middle of a unit: unwind, so that no part of a file stays; between two: go, without a word."""
    global _stopped
    _stopped = True
    if not _busy:
        os._exit(128 + number)
    raise KeyboardInterrupt


def _leave_with(parent: int) -> None:
    """A parent that was killed cannot say good-bye: without it there is nobody to work for."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
