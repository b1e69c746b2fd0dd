"""How far embeddings move: window by window, with the movement inside an unchanged recording as yardstick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxlens.models.fx_encoder import FxEncoder

WHOLE = "whole mixture"


@dataclass(frozen=True)
class Embedded:
    """Embeddings of one recording.

    Args:
        vectors: float32 ``[W, 1 + K, D]``: W windows; the whole mixture, then each of K instruments.
        times: float64 ``[W, 2]``, start and end of the windows in seconds.
    """

    vectors: np.ndarray
    times: np.ndarray


def embed(
    encoder: FxEncoder,
    source: np.ndarray | Path,
    sample_rate: int | None,
    queries: Sequence[str],
    hop_seconds: float | None = None,
) -> Embedded:
    """Embed a recording whole and for every query.

    Args:
        encoder: the model.
        source: a file, or samples ``[2, T]``.
        sample_rate: Hz, of samples.
        queries: instruments.
        hop_seconds: from window to window; no overlap where ``None``.
    """
    whole, times = encoder.encode(source, sample_rate, pool="none", return_times=True, hop_seconds=hop_seconds)
    each = encoder.encode(source, sample_rate, list(queries), pool="none", hop_seconds=hop_seconds)
    return Embedded(np.concatenate((whole[:, None], each), axis=1), times)


def cosine_distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """1 - cosine of the angle between vectors along the last axis: 0 the same, 1 unrelated, 2 opposite."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.clip(1.0 - np.sum(one * other, axis=-1) / np.maximum(norms, 1e-12), 0.0, 2.0)


def moved(before: Embedded, after: Embedded) -> np.ndarray:
    """Mean distance between the same windows of two recordings, float64 ``[1 + K]``; NaN if they share
    none."""
    places = {tuple(time): index for index, time in enumerate(after.times)}
    pairs = [(i, places[tuple(time)]) for i, time in enumerate(before.times) if tuple(time) in places]
    if not pairs:
        return np.full(before.vectors.shape[1], np.nan)
    first, second = np.array(pairs).T
    return cosine_distance(before.vectors[first], after.vectors[second]).mean(axis=0)


def yardstick(embedded: Embedded) -> tuple[np.ndarray, int]:
    """Mean distance between windows of one recording that do not overlap: what the music alone does.

    Returns:
        float64 ``[1 + K]``, and the number of pairs of windows; NaN if there is none.
    """
    start, end = embedded.times.T
    first, second = np.nonzero(start[None, :] >= end[:, None] - 1e-6)
    if first.size == 0:
        return np.full(embedded.vectors.shape[1], np.nan), 0
    return cosine_distance(embedded.vectors[first], embedded.vectors[second]).mean(axis=0), int(first.size)


def apart(embedded: Embedded) -> np.ndarray:
    """Mean distance between the columns of one recording in the same window, float64 ``[1 + K, 1 + K]``."""
    distances = cosine_distance(embedded.vectors[:, :, None], embedded.vectors[:, None]).mean(axis=0)
    np.fill_diagonal(distances, 0.0)
    return distances
