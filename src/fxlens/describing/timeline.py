"""Descriptions over time, drawn: a row for each effect, as high as it is probable. Colours: Okabe and Ito (2008)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fxlens.describing.description import LEAST_PROBABILITY, Description
from fxlens.describing.wording import label_of
from fxlens.errors import MissingExtraError, UsageError
from fxlens.whole_files import whole_file

_SURE, _UNSURE = "#0072B2", "#999999"
_NOT_SURE = next(least for least, verdict in LEAST_PROBABILITY if verdict == "not sure")
_LIKELY = next(least for least, verdict in LEAST_PROBABILITY if verdict == "likely")
_FORMATS = (".svg", ".png", ".pdf")


def draw(descriptions: Description | Sequence[Description], path: str | Path) -> Path:
    """Draw how probable each effect is from window to window.

    Grey is what is not sure: between the dotted lines, or throughout where the model is known to hear nothing.

    Args:
        descriptions: one, or several of one recording, side by side.
        path: svg, png or pdf file to write; the same descriptions give the same svg, byte for byte.

    Returns:
        The file.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: another kind of file, or nothing to draw.
        OutputError: the file cannot be written.
    """
    shown = [descriptions] if isinstance(descriptions, Description) else list(descriptions)
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{path}: a timeline is drawn as {', '.join(_FORMATS)}")
    if not shown:
        raise UsageError("there is no description to draw")
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("Drawing", "plot") from error
    with matplotlib.rc_context({"svg.hashsalt": "fxlens", "svg.fonttype": "none", "font.size": 9}):
        effects = shown[0].effects
        figure = Figure(figsize=(1.4 + 6.0 * len(shown), 1.0 + 0.55 * len(effects)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(effects), len(shown), sharex="col", sharey=True, squeeze=False)
        for column, description in enumerate(shown):
            axes[0, column].set_title(description.query or "whole mixture")
            for row, effect in enumerate(effects):
                _row(axes[row, column], description, effect, labelled=column == 0)
            _time_axis(axes[-1, column], description)
        figure.suptitle(Path(shown[0].source).name)
        _save(figure, path)
    return path


def _row(axis: Any, description: Description, effect: str, labelled: bool) -> None:
    column = description.effects.index(effect)
    finding = description.finding(effect)
    hears = finding.verdict != "not sure" or _NOT_SURE <= finding.probability < _LIKELY
    for start, end, probability in zip(
        description.times, _ends(description), description.probabilities[:, column], strict=True
    ):
        sure = hears and not _NOT_SURE <= probability < _LIKELY
        axis.bar(start, probability, width=end - start, align="edge", color=_SURE if sure else _UNSURE, linewidth=0)
    for level in (_NOT_SURE, _LIKELY):
        axis.axhline(level, color="#000000", linewidth=0.5, linestyle=":")
    axis.set_ylim(0.0, 1.0)
    axis.set_yticks([0.0, 1.0])
    axis.spines[["top", "right"]].set_visible(False)
    axis.text(1.005, 0.5, finding.verdict, transform=axis.transAxes, va="center", fontsize=8)
    if labelled:
        axis.set_ylabel(label_of(effect), rotation=0, ha="right", va="center")


def _ends(description: Description) -> np.ndarray:
    """Where each window's bar ends: at the next window, or at its own end before a silence."""
    ends = description.ends if len(description.ends) == len(description.times) else description.times + 10.0
    following = np.append(description.times[1:], np.inf)
    return np.minimum(ends, following)


def _time_axis(axis: Any, description: Description) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_xlim(float(description.times[0]), float(_ends(description)[-1]))
    axis.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 1.5, 2, 3, 6, 10], integer=True))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))


def clock(seconds: float) -> str:
    """``"1:05"``, ``"2:00:00"``."""
    whole = round(seconds)
    minutes = f"{whole // 60 % 60:02d}:{whole % 60:02d}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{minutes}" if whole >= 3600 else minutes


def _save(figure: Any, path: Path) -> None:
    form = path.suffix.lower().removeprefix(".")
    with whole_file(path) as scratch:
        figure.savefig(scratch, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
