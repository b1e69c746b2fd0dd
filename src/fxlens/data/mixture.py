"""How wet tracks become a mixture: random track levels, one target loudness, no clipping tricks.

Requirement 10 of the paper's recipe: each track is loudness-normalised to a level drawn from -18 to -14 LUFS, the
tracks are summed, and the mixture is normalised to -18 LUFS. Drawing the levels is separate from applying them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fxlens.audio.loudness import normalize_loudness

TRACK_LUFS = (-18.0, -14.0)
MIXTURE_LUFS = -18.0


def draw_track_levels(rng: np.random.Generator, tracks: int) -> np.ndarray:
    """Draw one level per track, uniform over -18 to -14 LUFS; returns ``[tracks]``."""
    return rng.uniform(*TRACK_LUFS, size=tracks)


def mix(
    tracks: Sequence[np.ndarray],
    track_lufs: Sequence[float] | np.ndarray,
    levels_lufs: Sequence[float] | np.ndarray,
    sample_rate: int,
    mixture_lufs: float = MIXTURE_LUFS,
) -> np.ndarray:
    """Sum tracks at given levels and normalise the sum.

    Args:
        tracks: ``[2, T]`` each, same length.
        track_lufs: measured integrated loudness of each track; a track without loudness (``-inf``) stays silent.
        levels_lufs: the loudness each track shall have.
        sample_rate: Hz.
        mixture_lufs: loudness of the result.

    Returns:
        float32 ``[2, T]``.
    """
    if len(tracks) == 1 and np.isfinite(track_lufs[0]):  # its loudness is known: no need to measure the sum
        return tracks[0].astype(np.float32) * np.float32(10.0 ** ((mixture_lufs - track_lufs[0]) / 20.0))
    total = np.zeros_like(tracks[0], dtype=np.float32)
    for track, measured, level in zip(tracks, track_lufs, levels_lufs, strict=True):
        if np.isfinite(measured):
            total += track * np.float32(10.0 ** ((level - measured) / 20.0))
    normalised, _ = normalize_loudness(total, sample_rate, mixture_lufs)
    return np.asarray(normalised, dtype=np.float32)
