"""Draw what training runs logged: losses, and the loss of pairs with a single effect, over steps.

    python benchmarks/learning_curves.py first=run/ second=listening/ -o docs/benchmarks/learning-curves.svg

Each RUN is a folder of ``fxlens train``; its ``metrics.csv`` is read. Noisy losses are shown as running means, the
loss of pairs with one effect (``single/...``) as measured. The picture has its place in docs/model.md.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from bench_pages import MODEL_PAGE, put_into

from fxlens.cli import console
from fxlens.errors import DataError
from fxlens.whole_files import whole_file

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "learning-curves.svg"
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_POINTS = 120


def read_metrics(run: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name -> steps and values.

    Raises:
        DataError: the run has no metrics.
    """
    path = run / "metrics.csv"
    if not path.is_file():
        raise DataError(f"{path}: there are no metrics; give the folder of a training run")
    found: dict[str, list[tuple[int, float]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            found.setdefault(line["name"], []).append((int(line["step"]), float(line["value"])))
    if not found:
        raise DataError(f"{path}: nothing is logged yet; a run logs every log_every steps")
    return {name: tuple(np.array(column) for column in zip(*own, strict=True)) for name, own in found.items()}


def thinned(steps: np.ndarray, values: np.ndarray, points: int = _POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Means of as many runs of neighbours as there shall be points; few values are left as they are."""
    if len(steps) <= points:
        return steps, values
    parts = np.array_split(np.arange(len(steps)), points)
    return np.array([steps[p].mean() for p in parts]), np.array([values[p].mean() for p in parts])


def draw(runs: dict[str, Path], path: Path) -> list[str]:
    """Draw one column a run: losses above, losses of single effects below, where there are any.

    Returns:
        One line a run: steps, and the last value of each loss.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    told = []
    with matplotlib.rc_context({"svg.hashsalt": "fxlens", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(1.0 + 4.2 * len(runs), 6.0), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, len(runs), squeeze=False)
        for column, (title, run) in enumerate(runs.items()):
            metrics = read_metrics(run)
            for row, prefix in enumerate(("loss/", "single/")):
                own = [name for name in sorted(metrics) if name.startswith(prefix)]
                for number, name in enumerate(own):
                    colour = _COLOURS[number % len(_COLOURS)]
                    axes[row, column].plot(*thinned(*metrics[name]), color=colour, label=name.removeprefix(prefix))
                if own:
                    axes[row, column].legend(fontsize=7, frameon=False)
                    axes[row, column].grid(alpha=0.25)
                else:
                    axes[row, column].set_axis_off()
            axes[0, column].set_title(f"{title}: losses")
            if axes[1, column].axison:
                axes[1, column].set_title("pairs with one effect")
            axes[1 if axes[1, column].axison else 0, column].set_xlabel("step")
            last = ", ".join(
                f"{name.removeprefix('loss/')} {float(thinned(*metrics[name])[1][-1]):.3f}"
                for name in sorted(metrics)
                if name.startswith("loss/")
            )
            told.append(f"{title}: {int(max(steps[-1] for steps, _ in metrics.values()))} steps; at the end {last}")
        with whole_file(path) as beside:
            figure.savefig(beside, format="svg", metadata={"Date": None})
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="+", metavar="[TITLE=]RUN")
    parser.add_argument("-o", "--output", type=Path, default=PAGE)
    arguments = parser.parse_args()
    runs = {}
    for given in arguments.run:
        title, equals, place = given.partition("=")
        runs[title if equals else Path(given).name] = Path(place if equals else given)
    told = draw(runs, arguments.output)
    for line in told:
        console.result(line)
    if arguments.output.resolve() == PAGE.resolve():
        picture = f"![Losses over steps](benchmarks/{PAGE.name})"
        put_into(MODEL_PAGE, "learning-curves", "\n".join([picture, "", *(f"- {line}" for line in told)]))
    console.result(f"written: {arguments.output}")


if __name__ == "__main__":
    main()
