"""What goes where: results to stdout; messages, warnings and progress bars to stderr."""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

verbose = False
"""Whether ``-v`` was given."""


def set_verbose(on: bool) -> None:
    """Say more: a line for every finished item, and the log of the libraries."""
    global verbose
    verbose = on
    level = logging.INFO if on else logging.WARNING
    logging.basicConfig(level=level, format="%(name)s: %(message)s", force=on)


def say(message: str) -> None:
    """Print one line to stderr, past a progress bar if there is one."""
    line = " ".join(f"fxlens: {message}".splitlines())
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        tqdm.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def said_if_slow(message: str, after_seconds: float = 2.0) -> Iterator[None]:
    """Say ``message`` once the work inside has taken that long: nobody should wait without knowing for what."""
    timer = threading.Timer(after_seconds, say, (message,))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def result(text: str) -> None:
    """Print to stdout."""
    typer.echo(text)


def result_of(facts: dict[str, Any], as_json: bool) -> None:
    """Print named facts to stdout, as JSON or as aligned lines."""
    if as_json:
        result(json.dumps(facts, indent=2))
        return
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        result(f"{name.replace('_', ' '):{width}}  {value}")


class Progress:
    """A bar on a terminal; elsewhere nothing, or a line an item with ``-v``. A context manager.

    Args:
        unit: what is counted, e.g. ``"file"``.
    """

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self._bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int, item: object = None) -> None:
        """Report that ``done`` of ``total`` are done, ``item`` being the last of them."""
        if verbose:
            say(f"{done}/{total}" + ("" if item is None else f" {item}"))
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done - 1, unit=self.unit, file=sys.stderr, leave=False)
        self._bar.update(done - self._bar.n)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show warnings of fxlens as one line each, once for each text."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        say(str(message))

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning, module=r"fxlens(\.|$)")
        warnings.showwarning = show
        yield
