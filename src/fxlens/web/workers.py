"""A few threads that work, a bounded number of requests that wait for them, and a refusal for all others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fxlens.web.refusals import BusyError

Result = TypeVar("Result")


class Workers:
    """A queue of bounded length.

    Args:
        threads: tasks that run at once.
        waiting: tasks that may wait for their turn.
        name: what to call the threads.
    """

    def __init__(self, threads: int, waiting: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most, self._held = threads + waiting, 0
        self._turn = threading.Lock()

    @property
    def held(self) -> int:
        """Tasks that run or wait."""
        return self._held

    def check_room(self) -> None:
        """Refuse what would be refused anyway, before it is sent.

        Raises:
            BusyError: too many wait already.
        """
        if self._held >= self._most:
            raise BusyError(f"{self._held} requests are at work or wait; try again in some seconds")

    def submit(self, task: Callable[[], Result]) -> Future[Result]:
        """Have a task done; in the order of submission.

        Raises:
            BusyError: too many wait already.
        """
        with self._turn:
            self.check_room()
            self._held += 1
        try:
            future = self._pool.submit(task)
        except RuntimeError:
            self._release()
            raise BusyError("the server is stopping; send it to another one") from None
        future.add_done_callback(lambda _: self._release())
        return future

    def close(self) -> None:
        """Take no more, forget what waits, and wait for what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _release(self) -> None:
        with self._turn:
            self._held -= 1
