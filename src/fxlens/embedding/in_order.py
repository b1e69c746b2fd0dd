"""Work on many files in threads, results in the order of the files; what a bad file raises becomes a failure."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fxlens.errors import AudioDecodeError, AudioError, FxLensError, MissingExtraError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """A file that could not be used: its path, the error's name and its message."""

    path: str
    error: str
    message: str


def in_order(
    files: Iterable[Path],
    work: Callable[[Path], Result],
    jobs: int,
    stopped: threading.Event,
    fail_fast: bool = False,
) -> Generator[tuple[Path, Result | Failure], None, None]:
    """Call ``work`` for every file, ``jobs`` at a time; close the generator to give up.

    Args:
        files: taken one by one as threads become free, so the list may be very long.
        work: runs in a thread.
        jobs: threads.
        stopped: set when the caller gives up, so that work in progress can end early.
        fail_fast: raise a file's error instead of yielding a :class:`Failure`.

    Raises:
        AudioError: of the first file that fails, with ``fail_fast``.
        FxLensError: there is not enough memory.
    """

    def one(file: Path) -> Result | Failure:
        if stopped.is_set():
            raise CancelledError
        try:
            return tried(file)
        except BaseException as error:
            raised.append(error)  # before what giving up makes of the files in work
            stopped.set()  # here, not where the result is taken: the thread would begin the next file before
            raise

    def tried(file: Path) -> Result | Failure:
        try:
            return work(file)
        except (AudioError, MissingExtraError) as error:
            if fail_fast:
                raise
            return Failure(str(file), type(error).__name__, str(error))
        except FxLensError:
            raise
        except OSError as error:  # the file's disk or network share failed while it was read
            broken = AudioDecodeError(file, f"it cannot be read ({error.strerror or error}); try it again")
            if fail_fast:
                raise broken from None
            return Failure(str(file), type(broken).__name__, str(broken))
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error):
                raise FxLensError(f"{file}: there is not enough memory; lower the batch size (-b)") from error
            raise

    raised: list[BaseException] = []
    todo = iter(files)
    with ThreadPoolExecutor(jobs, thread_name_prefix="fxlens-file") as pool:
        running: deque[tuple[Path, Future[Result | Failure]]] = deque()
        try:
            while True:
                # One long file must not idle the other threads, nor may finished ones pile up behind it.
                while len(running) < 2 * jobs + 1 and (file := next(todo, None)) is not None:
                    running.append((file, pool.submit(one, file)))
                if not running:
                    return
                file, future = running.popleft()
                if future.exception() is not None:
                    raise raised[0]
                yield file, future.result()
        except BaseException:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
