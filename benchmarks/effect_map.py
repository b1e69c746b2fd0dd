"""A map of embeddings of single effects in two dimensions, coloured by effect and, beside it, by instrument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fxlens.whole_files import whole_file

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")  # Okabe and Ito


def project(embeddings: np.ndarray, kind: str) -> tuple[np.ndarray, str]:
    """``[N, D]`` -> ``[N, 2]`` and the name of how.

    Args:
        embeddings: unit length.
        kind: ``pca``, ``tsne``, or ``auto``: t-SNE where scikit-learn is installed.
    """
    x = embeddings - embeddings.mean(axis=0)
    if kind == "tsne" or (kind == "auto" and find_spec("sklearn") is not None):
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(x) - 1) / 3.0)
        return np.asarray(TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(x)), "t-SNE"
    _, values, directions = np.linalg.svd(x, full_matrices=False)
    share = float((values[:2] ** 2).sum() / (values**2).sum())
    return x @ directions[:2].T, f"their first two principal components ({100.0 * share:.0f} % of the variance)"


def draw_map(effects: Sequence[str], arrays: Sequence[Mapping[str, np.ndarray]], path: Path, kind: str = "auto") -> str:
    """Draw stems with one effect each.

    Args:
        effects: the effect of each pool.
        arrays: by pool: ``stem/<instrument>``: ``[S, 2, D]``.
        path: the SVG; the same embeddings give the same bytes.
        kind: see :func:`project`.

    Returns:
        How it was projected.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, types, instruments = [], [], []
    for effect, own in zip(effects, arrays, strict=True):
        for task, x in own.items():
            if task.startswith("stem/"):
                flat = x.reshape(-1, x.shape[-1])
                rows.append(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9))
                types += [effect.replace("_", " ")] * len(flat)
                instruments += [task.removeprefix("stem/")] * len(flat)
    points, how = project(np.concatenate(rows).astype(np.float64), kind)
    with matplotlib.rc_context({"svg.hashsalt": "fxlens", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(10.0, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, title, of in zip(figure.subplots(1, 2), ("effect", "instrument"), (types, instruments), strict=True):
            for number, name in enumerate(dict.fromkeys(of)):
                own_points = points[np.array(of) == name]
                colour = _COLOURS[number % len(_COLOURS)]
                axes.scatter(*own_points.T, s=9, color=colour, alpha=0.7, linewidths=0, label=name)
            axes.set(title=f"coloured by {title}", xticks=[], yticks=[])
            axes.legend(fontsize=7, markerscale=1.5, frameon=False, loc="best")
        with whole_file(path) as beside:
            figure.savefig(beside, format="svg", metadata={"Date": None})
    return how
