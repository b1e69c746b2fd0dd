"""``fxlens merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli import console


def merge(
    parts: Annotated[list[Path], typer.Argument(metavar="PARTS...", help="npz or parquet files of fxlens embed.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; its suffix is the format.")],
) -> None:
    """Put the parts of a divided job together.

    The rows come in the order of their paths. A part that is missing from I-of-N, or is of another model or query, is
    an error.
    """
    from fxlens.embedding.merge import merge as put_together

    table = put_together(parts, output)
    files = len(set(table.path))
    console.result(f"{output}: {len(table.path)} x {table.embedding.shape[1]} from {files} files in {len(parts)} parts")
