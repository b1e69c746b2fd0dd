"""``fxlens report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli import console


def report(
    results: Annotated[list[Path], typer.Argument(metavar="R.json...", help="Results of fxlens evaluate.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for tables and figures.")],
    into: Annotated[
        list[Path] | None, typer.Option(metavar="PAGE.md", help="Page whose marked places get the tables; repeatable.")
    ] = None,
) -> None:
    """Make tables (Markdown, CSV) and figure 2 (SVG, PNG) of results.

    In a page, what stands between <!-- fxlens report: table2 --> and <!-- end of report --> is replaced; names of
    tables are those of the files.
    """
    from fxlens.evaluation.report.write import read_all, write_report

    for path in write_report(read_all(results), output, into or (), console.say):
        console.result(str(path))
