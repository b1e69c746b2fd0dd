"""The finding in one picture. Colours: Okabe and Ito (2008) for lines, cividis for numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fxlens.audio.waveform import to_waveform
from fxlens.demo.result import DemoResult
from fxlens.errors import MissingExtraError
from fxlens.whole_files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw: TypeAlias = Callable[[Path], None]
Place: TypeAlias = Callable[[float, float, float, float], tuple[float, float, float, float]]

_DPI = 100
_WIDTH = 16.0
_ROW_INCHES = 1.15
_BEFORE, _AFTER, _INK, _FAINT = "#0072B2", "#D55E00", "#222222", "#777777"
_COLUMNS = 700  # of a waveform or spectrogram
_RATE = 22050


def draw_movement(
    result: DemoResult,
    before: Mapping[str, np.ndarray],
    after: Mapping[str, np.ndarray],
    sample_rate: int,
    path: Path,
) -> None:
    """Draw each stem before and after its change, and beside it how far every embedding moved.

    Args:
        result: of mode ``"stems"``.
        before: float32 ``[2, T]`` by instrument.
        after: the same with the other effects.
        sample_rate: Hz.
        path: png to write.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    rows = len(result.rows)
    top, height = 2.0, _ROW_INCHES * (rows + 1)
    figure, place = _figure(top + height + 0.9)
    _titles(
        figure,
        f"Change the effects on one instrument: its own embedding moved most in {result.rows_right} of {rows} cases",
        f"{result.source}; model {result.model_id}",
    )
    for index, name in enumerate(result.rows):
        _changed_stem(figure, place, top + index * _ROW_INCHES, name, before[name], after[name], result.words[name])
    _legend(figure, place, top, top + rows * _ROW_INCHES)
    map_axes = figure.add_axes(place(7.85, top, 7.9, height))
    _heat_map(map_axes, result)
    figure.text(
        0.25 / _WIDTH,
        0.4 / figure.get_figheight(),
        "Cells: mean cosine distance between the same windows before and after, and how many times the "
        "yardstick of their column that is.  Framed: the changed instrument.  ●: moved most in its row.\n"
        "Colours: times the yardstick, the brightest at the largest value of an instrument.",
        fontsize=10.5,
        color=_FAINT,
        va="center",
    )
    _save(figure, path)


def _changed_stem(
    figure: Figure,
    place: Place,
    top: float,
    name: str,
    before: np.ndarray,
    after: np.ndarray,
    words: tuple[str, str],
) -> None:
    """One row: the stem's name, its waveform before and after, and both in words."""
    label = figure.add_axes(place(0.25, top, 1.3, _ROW_INCHES))
    label.set_axis_off()
    label.text(0.0, 0.5, fill(name, 11), fontsize=14, fontweight="bold", color=_INK, va="center")
    _waveforms(figure.add_axes(place(1.5, top + 0.08, 2.75, _ROW_INCHES - 0.16)), before, after)
    said = figure.add_axes(place(4.35, top, 3.3, _ROW_INCHES))
    said.set_axis_off()
    was, now = words
    said.text(0.02, 0.54, _wrapped(was), color=_BEFORE, fontsize=10, va="bottom", linespacing=1.15)
    said.text(0.02, 0.46, "→ " + _wrapped(now), color=_AFTER, fontsize=10, va="top", linespacing=1.15)


def _legend(figure: Figure, place: Place, top: float, bottom: float) -> None:
    """What the columns are, above them, and the name of the last row, which has no stem."""
    head = figure.add_axes(place(0.25, top - 0.75, 7.4, 0.7))
    head.set_axis_off()
    head.text(0.169, 0.1, "before", color=_BEFORE, fontsize=12, fontweight="bold")
    head.text(0.265, 0.1, "and after the change", color=_AFTER, fontsize=12, fontweight="bold")
    figure.text(
        7.85 / _WIDTH,
        1 - 1.27 / figure.get_figheight(),
        "How far the embedding moves of ...",
        fontsize=12,
        fontweight="bold",
        color=_INK,
        va="center",
    )
    last = figure.add_axes(place(0.25, bottom, 7.4, _ROW_INCHES))
    last.set_axis_off()
    last.text(0.0, 0.5, "nothing changed", fontsize=14, fontweight="bold", color=_INK, va="center")
    yardstick = "the yardstick: other seconds\nof the same mixture"
    last.text(0.563, 0.5, yardstick, fontsize=10.5, color=_FAINT, va="center")


def draw_distances(result: DemoResult, file: Path, path: Path) -> None:
    """Draw a mixture's spectrogram and how far apart its embeddings are.

    Args:
        result: of mode ``"mixture"``.
        file: the mixture.
        path: png to write.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    figure, place = _figure(8.2)
    _titles(
        figure,
        f"{file.name}: how differently the effects on its instruments are heard",
        f"{result.windows} windows of {result.window_seconds:g} s; model {result.model_id}",
    )
    spectrum = figure.add_axes(place(0.95, 2.0, 5.1, 5.0))
    _spectrogram(spectrum, file)
    axes = figure.add_axes(place(7.9, 2.0, 7.85, 5.0))
    _heat_map(axes, result)
    axes.set_yticks(range(len(result.rows) + 1), [*result.rows, "nothing changed"], fontsize=12)
    axes.tick_params(axis="y", length=0)
    figure.text(
        0.25 / _WIDTH,
        0.45 / 8.2,
        "Cells: mean cosine distance between the embeddings of two queries in the same windows.  "
        "Last row, the yardstick: one query in different windows.\n"
        "Colours: times the yardstick, the brightest at the largest value between two instruments.",
        fontsize=10.5,
        color=_FAINT,
        va="center",
    )
    _save(figure, path)


def _figure(height: float) -> tuple[Figure, Place]:
    """A figure that pyplot never hears of, and a function from inches to the place of axes."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("Drawing", "plot") from error
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)

    def place(left: float, top: float, width: float, tall: float) -> tuple[float, float, float, float]:
        return left / _WIDTH, 1.0 - (top + tall) / height, width / _WIDTH, tall / height

    return figure, place


def _titles(figure: Figure, title: str, subtitle: str) -> None:
    height = figure.get_figheight()
    left = 0.25 / _WIDTH
    figure.text(left, 1 - 0.45 / height, title, fontsize=19, fontweight="bold", color=_INK, va="center")
    figure.text(left, 1 - 0.86 / height, subtitle, fontsize=12, color=_FAINT, va="center")


def _waveforms(axes: Axes, before: np.ndarray, after: np.ndarray) -> None:
    """Peaks before the change upwards, after it downwards."""
    for audio, sign, colour in ((before, 1.0, _BEFORE), (after, -1.0, _AFTER)):
        mono = np.abs(audio).max(axis=0)
        edges = np.linspace(0, mono.size, min(_COLUMNS, mono.size), endpoint=False).astype(np.int64)
        peaks = np.maximum.reduceat(mono, edges)
        peaks = peaks / max(float(peaks.max()), 1e-9)
        axes.fill_between(np.arange(peaks.size), sign * peaks, 0.0, color=colour, linewidth=0.0)
    axes.set_xlim(0, peaks.size)
    axes.set_ylim(-1.05, 1.05)
    axes.set_axis_off()


def _heat_map(axes: Axes, result: DemoResult) -> None:
    """Distances in colours and numbers, the yardstick as the last row."""
    from matplotlib.patches import Rectangle

    values = np.vstack((result.distances, result.yardstick))
    times = np.vstack((result.times_yardstick, np.full_like(result.yardstick, np.nan)))
    shades, top = _shades(result, values)
    axes.imshow(np.ma.masked_invalid(shades), cmap="cividis", vmin=0.0, vmax=top, aspect="auto")
    large = 14 if len(result.columns) < 8 else 11
    for (row, column), value in np.ndenumerate(values):
        if result.mode == "mixture" and row == column:
            continue
        ink = "white" if shades[row, column] < 0.55 * top else "black"
        has_times = bool(np.isfinite(times[row, column]))
        text = f"{value:.3f}" if np.isfinite(value) else "–"
        most = result.mode == "stems" and row < len(result.rows) and result.columns[column] == result.moved_most[row]
        weight = "bold" if most else "normal"
        axes.text(column, row - (0.13 if has_times else 0.0), ("● " if most else "") + text, color=ink,
                  fontsize=large, fontweight=weight, ha="center", va="center")  # fmt: skip
        if has_times:
            axes.text(column, row + 0.24, f"{times[row, column]:.1f}×", color=ink, fontsize=10, ha="center",
                      va="center")  # fmt: skip
    if result.mode == "stems":
        for row, name in enumerate(result.rows):
            column = result.columns.index(name)
            axes.add_patch(Rectangle((column - 0.44, row - 0.44), 0.88, 0.88, fill=False, edgecolor="white",
                                     linewidth=3.0))  # fmt: skip
            axes.add_patch(Rectangle((column - 0.44, row - 0.44), 0.88, 0.88, fill=False, edgecolor=_AFTER,
                                     linewidth=2.0))  # fmt: skip
    axes.axhline(len(result.rows) - 0.5, color="white", linewidth=8)
    axes.axvline(0.5, color="white", linewidth=8)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(result.columns)), [fill(name, 9) for name in result.columns], fontsize=12)
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _shades(result: DemoResult, values: np.ndarray) -> tuple[np.ndarray, float]:
    """What colours stand for, and where they end: times the yardstick, where there is one.

    The largest value among instruments has the brightest colour. The whole mixture, which may lie far beyond,
    shares it then, so that differences among instruments stay visible.
    """
    times = np.vstack((result.times_yardstick, np.ones_like(result.yardstick)))
    shades = times if np.isfinite(times).all() else values
    first = 1 if result.mode == "mixture" else 0
    return shades, max(float(np.nanmax(shades[first:, 1:])), 1e-9)


def _spectrogram(axes: Axes, file: Path) -> None:
    """Power of the mixture over a logarithmic axis of frequency, 80 dB deep."""
    from scipy.signal import get_window

    mono = to_waveform(file, None, _RATE).mean(axis=0)
    size = 2048
    padded = np.pad(mono, (0, max(0, size - mono.size)))
    starts = np.unique(np.linspace(0, padded.size - size, _COLUMNS).astype(np.int64))
    frames = np.stack([padded[start : start + size] for start in starts]) * get_window("hann", size)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    centres = np.geomspace(40.0, _RATE / 2.0, 160)
    nearest = np.clip(np.round(centres * size / _RATE).astype(np.int64), 1, size // 2)
    level_db = 10.0 * np.log10(power[:, nearest].T + 1e-12)
    top = float(level_db.max())
    edges = np.geomspace(centres[0], centres[-1], centres.size + 1)
    times = np.append(starts, starts[-1] + max(1, padded.size // starts.size)) / _RATE
    axes.pcolormesh(times, edges, level_db, cmap="cividis", vmin=top - 80.0, vmax=top, rasterized=True)
    axes.set_yscale("log")
    axes.set_yticks([50, 100, 200, 500, 1000, 2000, 5000, 10000])
    axes.set_yticklabels(["50", "100", "200", "500", "1 k", "2 k", "5 k", "10 k"], fontsize=11)
    axes.minorticks_off()
    axes.set_xlabel("seconds", fontsize=12)
    axes.set_ylabel("Hz", fontsize=12)
    axes.set_title("the mixture", fontsize=13, loc="left", color=_INK)


def _wrapped(words: str) -> str:
    """Break lines between numbers and not between a number and its unit."""
    return fill(re.sub(r"(\d) (?=[A-Za-z%])", "\\1\u00a0", words), 42)


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as scratch:
        figure.savefig(scratch, format="png", dpi=_DPI)
