"""Figures of heads as Markdown, and as a reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fxlens.describing.measuring import ASKED_NAMES, Figures
from fxlens.describing.quantities import EFFECTS, QUANTITIES
from fxlens.describing.wording import label_of
from fxlens.errors import MissingExtraError
from fxlens.whole_files import whole_file

_COLOURS = {"whole": "#0072B2", "instrument": "#D55E00"}
_NAMED = {"whole": "whole", "instrument": "one instrument, by name"}
_QUANTITY = {q.key: q for q in QUANTITIES}


def effects_table(figures: Mapping[str, Figures]) -> str:
    """Markdown: how well each effect is told apart, and how far its probability can be believed."""
    lines = [
        "| effect | reading | clips with it | AUC | ECE |",
        "| --- | --- | --- | --- | --- |",
    ]
    for effect in EFFECTS:
        for reading, found in figures.items():
            one = found["effects"][effect]
            interval = f" [{_number(one['auc_interval'][0])}, {_number(one['auc_interval'][1])}]"
            lines.append(
                f"| {label_of(effect)} | {_NAMED[reading]} | {_percent(one['share'])} | "
                f"{_number(one['auc'])}{interval} | {_percent(one['ece'])} |"
            )
    return "\n".join(lines)


def settings_table(figures: Mapping[str, Figures], told: Mapping[str, Mapping[str, bool]]) -> str:
    """Markdown: how near settings come, where the effect is there.

    Args:
        figures: by reading.
        told: by reading and name, whether the setting is told at all.
    """
    lines = [
        "| setting | reading | median error | always saying the median | ratio | interval covers (80 %) | told |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in ASKED_NAMES:
        for reading, found in figures.items():
            one = found["settings"][name]
            if one["count"] < 20:
                lines.append(f"| {_setting_name(name)} | {_NAMED[reading]} | too few clips | | | | no |")
                continue
            interval = f" [{_number(one['ratio_interval'][0])}, {_number(one['ratio_interval'][1])}]"
            lines.append(
                f"| {_setting_name(name)} | {_NAMED[reading]} | {_error(name, one['error'])} | "
                f"{_error(name, one['guess_error'])} | {_number(one['ratio'])}{interval} | "
                f"{_percent(one['coverage'])} | {'yes' if told[reading][name] else 'no'} |"
            )
    return "\n".join(lines)


def _setting_name(name: str) -> str:
    if name in _QUANTITY:
        return f"{label_of(_QUANTITY[name].effect)}, {_QUANTITY[name].label}"
    effect, _, what = name.partition(".")
    return f"{label_of(effect)}, {what}"


def _error(name: str, unit_error: float) -> str:
    """An error of the unit range in physical units; a factor where the range is logarithmic."""
    quantity = _QUANTITY.get(name)
    if quantity is None:
        return f"{unit_error:.2f}"
    if quantity.log:
        return f"× {(quantity.high / quantity.low) ** unit_error:.2f}"
    physical = unit_error * (quantity.high - quantity.low)
    return f"{physical:.3g} {quantity.unit.lstrip(':1')}".rstrip()


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.0f} %" if value >= 0.1 else f"{100.0 * value:.1f} %"


def draw_reliability(figures: Mapping[str, Mapping[str, Figures]], path: Path) -> None:
    """Draw said against seen, an effect a column, a set of songs a row; on the diagonal probabilities are true.

    Args:
        figures: by name of the set of songs, then by reading.
        path: svg file to write; the same figures give the same bytes.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("Drawing", "plot") from error
    with matplotlib.rc_context({"svg.hashsalt": "fxlens", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(1.7 * len(EFFECTS), 0.8 + 1.8 * len(figures)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(figures), len(EFFECTS), sharex=True, sharey=True, squeeze=False)
        for row, (songs, readings) in enumerate(figures.items()):
            for column, effect in enumerate(EFFECTS):
                _diagram(axes[row, column], readings, effect)
                if row == 0:
                    axes[row, column].set_title(label_of(effect), fontsize=8)
            axes[row, 0].set_ylabel(f"{songs}\nshare that has it")
        for axis in axes[-1]:
            axis.set_xlabel("probability said")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        with whole_file(path) as scratch:
            figure.savefig(scratch, format="svg", metadata={"Date": None})


def _diagram(axis: Any, readings: Mapping[str, Figures], effect: str) -> None:
    axis.plot([0, 1], [0, 1], color="#000000", linewidth=0.6, linestyle=":")
    for reading, found in readings.items():
        one = found["effects"][effect]
        most = max(one["count"])
        sizes = [4.0 + 36.0 * count / most for count in one["count"]]
        axis.plot(one["said"], one["seen"], color=_COLOURS[reading], linewidth=0.9, label=_NAMED[reading])
        axis.scatter(one["said"], one["seen"], s=sizes, color=_COLOURS[reading], linewidths=0)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.set_xticks([0, 0.5, 1])
    axis.set_yticks([0, 0.5, 1])
    axis.set_aspect("equal")
