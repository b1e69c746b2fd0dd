"""The command line: a thin shell over the library. Its commands are listed in :mod:`fxlens.cli.entry`."""

from __future__ import annotations

from fxlens.cli.entry import app, main

__all__ = ["app", "main"]
