"""Writing a report: the tables as Markdown and CSV, figure 2, and tables put into a page of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from fxlens.errors import DataError, MissingExtraError
from fxlens.evaluation.report.figure import draw_figure2
from fxlens.evaluation.report.layout import by_origin, tables_of
from fxlens.evaluation.report.table import markdown, tidy_csv, wide_csv
from fxlens.evaluation.results import Result, load_results, merge
from fxlens.whole_files import write_text

_PLACE = re.compile(r"(<!-- fxlens report: ([\w-]+) -->\n).*?(<!-- end of report -->)", re.DOTALL)


def read_all(paths: Sequence[str | Path]) -> list[Result]:
    """Results of several files; of the same figure the last counts.

    Raises:
        DataError: a file cannot be read, or they hold nothing.
    """
    results = merge(*(load_results(path) for path in paths))
    if not results:
        raise DataError(f"{', '.join(map(str, paths))}: there are no results in it; fxlens evaluate writes them")
    return results


def write_report(
    results: Sequence[Result], folder: Path, pages: Sequence[Path] = (), say: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """Write every table and figure that the results can fill.

    Args:
        results: of any protocols and origins.
        folder: gets ``table2.md``, ``table2.csv``, ``table2-figures.csv`` (one line a figure, with intervals) and so
            on, ``figure2.svg`` and ``figure2.png``.
        pages: files in which the text between ``<!-- fxlens report: table2 -->`` and ``<!-- end of report -->`` is
            replaced by that table; any table's name may stand there.
        say: told what had to be left out.

    Returns:
        The files written.

    Raises:
        DataError: a page asks for a table that the results cannot fill.
        OutputError: a file cannot be written.
    """
    written: list[Path] = []
    texts: dict[str, str] = {}
    for table in tables_of(results):
        texts[table.name] = markdown(table)
        endings = {".md": texts[table.name], ".csv": wide_csv(table), "-figures.csv": tidy_csv(table)}
        for ending, text in endings.items():
            written.append(folder / f"{table.name}{ending}")
            write_text(written[-1], text)
    groups = by_origin(r for r in results if r.protocol == "retrieval")
    for number, own in enumerate(groups.values(), start=1):
        name = "figure2" if number == 1 else f"figure2-{number}"
        paths = [folder / f"{name}.svg", folder / f"{name}.png"]
        try:
            written += paths if draw_figure2(own, paths) else []
        except MissingExtraError as error:
            say(f"figure 2 is left out: {error}")
    for page in pages:
        _fill(page, texts)
        written.append(page)
    return written


def _fill(page: Path, texts: dict[str, str]) -> None:
    try:
        old = page.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{page}: cannot be read ({error.strerror}); tables are put into a page that is there"
        ) from None
    wanted = [match[2] for match in _PLACE.finditer(old)]
    if not wanted:
        raise DataError(
            f"{page}: there is no place for a table; write <!-- fxlens report: table2 --> and <!-- end of report --> "
            "on lines of their own"
        )
    lacking = [name for name in wanted if name not in texts]
    if lacking:
        raise DataError(f"{page}: asks for {', '.join(lacking)}; these results fill: {', '.join(texts) or 'none'}")
    write_text(page, _PLACE.sub(lambda match: f"{match[1]}\n{texts[match[2]]}\n{match[3]}", old))
