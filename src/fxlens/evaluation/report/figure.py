"""Figure 2: how often the right clip is found, by the number of effects. Colours: Okabe and Ito (2008)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fxlens.errors import MissingExtraError
from fxlens.evaluation.results import Result
from fxlens.whole_files import whole_file

METRICS = ("R@1", "R@5", "R@10")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_MARKERS = "osD^vPX*"
_OF_EACH = re.compile(r"(\d+) effects?")
_OF_BALANCED = re.compile(r"(\d+) of .*effects?")


def curves(results: Sequence[Result]) -> dict[tuple[str, str], dict[int, Result]]:
    """(task, system) -> number of effects -> result.

    Searched apart for each number where that was done, otherwise the queries of that number in a balanced pool.
    """
    for form in (_OF_EACH, _OF_BALANCED):
        found: dict[tuple[str, str], dict[int, Result]] = {}
        for result in results:
            match = form.fullmatch(result.pool)
            if result.protocol == "retrieval" and result.missing is None and match is not None:
                found.setdefault((result.task, result.system.name), {})[int(match[1])] = result
        if any(len(curve) > 1 for curve in found.values()):
            return found
    return {}


def draw_figure2(results: Sequence[Result], paths: Sequence[Path]) -> bool:
    """Draw one column a task, one row a cut-off, one line a system with its 95 % interval; chance is dashed.

    Args:
        results: of one origin.
        paths: svg or png files to write; the same results give the same bytes.

    Returns:
        Whether there was anything to draw: results of several numbers of effects.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: a file cannot be written.
    """
    found = curves(results)
    if not found:
        return False
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("Drawing", "plot") from error
    tasks = list(dict.fromkeys(task for task, _ in found))
    systems = list(dict.fromkeys(system for _, system in found))
    with matplotlib.rc_context({"svg.hashsalt": "fxlens", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(1.0 + 2.2 * len(tasks), 1.0 + 2.0 * len(METRICS)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(METRICS), len(tasks), sharex=True, sharey="row", squeeze=False)
        for row, metric in enumerate(METRICS):
            for column, task in enumerate(tasks):
                for number, system in enumerate(systems):
                    _line(axes[row, column], found.get((task, system), {}), metric, system, number)
                if row == 0:
                    axes[row, column].set_title(task.removeprefix("stem/"))
            axes[row, 0].set_ylabel(f"{metric} (%)")
        for column in range(len(tasks)):
            axes[-1, column].set_xlabel("number of effects")
        legend: dict[str, Any] = {}
        for one in axes[0]:
            for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
                legend.setdefault(label, handle)
        figure.legend(
            list(legend.values()), list(legend), loc="outside lower center", ncols=min(4, len(legend)), frameon=False
        )
        for path in paths:
            with whole_file(path) as beside:
                plain = {"Date": None} if path.suffix == ".svg" else {"Software": None}
                figure.savefig(beside, format=path.suffix[1:], dpi=150, metadata=plain)
    return True


def _line(axes: Any, curve: dict[int, Result], metric: str, system: str, number: int) -> None:
    counts = sorted(curve)
    if not counts:
        return
    values = [curve[n].metrics[metric] for n in counts]
    low, high = zip(*(curve[n].intervals[metric] for n in counts), strict=True)
    colour = _COLOURS[number % len(_COLOURS)]
    axes.fill_between(counts, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(counts, values, color=colour, marker=_MARKERS[number % len(_MARKERS)], markersize=4, label=system)
    chance = curve[counts[0]].chance[metric]
    axes.axhline(chance, color="#777777", linestyle="--", linewidth=0.8)
    axes.set_xticks(counts)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
