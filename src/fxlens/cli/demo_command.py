"""``fxlens demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli.model_option import ModelOption


def demo(
    inputs: Annotated[
        list[Path] | None, typer.Argument(help="Mixtures of your own.", show_default="one is synthesised")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")] = Path("fxlens-demo"),
    model: ModelOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is synthesised.")] = 0,
) -> None:
    """Change one instrument, see what moves.

    A mixture is made or taken, embedded whole and for each instrument, and what differs is printed and drawn.
    """
    from fxlens.demo import run

    run(output, tuple(inputs or ()), model, seed)  # prints its table itself
