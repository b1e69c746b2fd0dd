"""The loss at every step of a search, as a table or a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from fxlens.errors import MissingExtraError, OutputError, UsageError
from fxlens.matching.optimise import Optimised
from fxlens.whole_files import whole_file, write_text

SUFFIXES = (".csv", ".svg", ".png")

_INK = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito (2008)


def require_curve(path: Path) -> None:
    """Refuse a file that no curve can be written to, before there is one.

    Raises:
        UsageError: a suffix that is none of ``SUFFIXES``.
        MissingExtraError: a picture, and matplotlib is not installed.
        OutputError: there is no such folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a loss curve is written as {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot be written, the folder {path.parent} does not exist; create it first")
    if path.suffix.lower() != ".csv":
        _figure_class()


def write_curve(path: Path, search: Optimised) -> None:
    """Write the loss curves of all restarts.

    csv has the columns ``restart``, ``step`` and ``loss`` (the distance and the pull together), restarts counted
    from 1; steps after an early end are left out.

    Raises:
        As :func:`require_curve`; OutputError also where the file cannot be written.
    """
    require_curve(path)
    if path.suffix.lower() == ".csv":
        rows = [
            f"{number},{step},{loss:.6f}\n"
            for number, curve in enumerate(search.curves, start=1)
            for step, loss in enumerate(curve)
            if math.isfinite(loss)
        ]
        write_text(path, "restart,step,loss\n" + "".join(rows))
        return
    figure = _drawn(search)
    with whole_file(path) as scratch:
        figure.savefig(scratch, format=path.suffix.lower().removeprefix("."), dpi=120)


def _drawn(search: Optimised) -> Any:
    figure = _figure_class()(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for number, curve in enumerate(search.curves):
        chosen = number == search.restart
        axes.plot(
            range(len(curve)), curve, color=_INK[number % len(_INK)], linewidth=2.0 if chosen else 1.0,
            label=f"restart {number + 1}" + (", chosen" if chosen else ""),
        )  # fmt: skip
    axes.set_xlabel("step")
    axes.set_ylabel("loss (1 - cosine, and pull)")
    axes.set_ylim(bottom=0.0)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False)
    return figure


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("Drawing a loss curve", "plot") from None
    return Figure
