"""Embeddings of single stems of a benchmark together with what was done to each, for probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fxlens.data.chain_labels import ChainLabels, label_chain
from fxlens.evaluation.benchmark.recipe import Recipe, draw_style


@dataclass(frozen=True)
class Labelled:
    """Clips, one row each.

    Attributes:
        embeddings: ``[N, D]``.
        labels: of the chains.
        instruments: what plays.
        songs: where it is from.
        styles: ``[N]``, a number for each chain; both sides of a style have one.
    """

    embeddings: np.ndarray
    labels: list[ChainLabels]
    instruments: list[str]
    songs: list[str]
    styles: np.ndarray


def labelled_clips(recipe: Recipe, arrays: Mapping[str, np.ndarray], instruments: Sequence[str]) -> Labelled:
    """Label all stems of a recipe's first pool.

    Args:
        recipe: of the clips.
        arrays: ``stem/<instrument>``: ``[S, 2, D]``.
        instruments: those to take.
    """
    pool = recipe.settings.pools[0]
    rows, labels, names, songs, styles = [], [], [], [], []
    for number, name in enumerate(instruments):
        for style in range(recipe.settings.styles):
            plan = draw_style(recipe, name, pool, style)
            label = label_chain(plan.chain)
            for side, excerpt in enumerate(plan.excerpts):
                rows.append(arrays[f"stem/{name}"][style, side])
                labels.append(label)
                names.append(name)
                songs.append(excerpt.stem.song)
                styles.append(number * recipe.settings.styles + style)
    return Labelled(np.stack(rows).astype(np.float64), labels, names, songs, np.array(styles))
