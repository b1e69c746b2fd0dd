"""The option that says where the recorded rooms of a chain are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RoomsOption = Annotated[
    Path | None,
    typer.Option(
        "--rooms", metavar="FOLDER", help="Impulse responses that reverbs of the chain name (ir).", show_default="none"
    ),
]
