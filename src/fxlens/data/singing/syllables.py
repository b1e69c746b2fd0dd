"""Finding the syllables of spoken words: a consonant, if there is one, and the voiced stretch after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

FRAME_SECONDS = 0.005
_SHORTEST_VOICED_FRAMES = 14
_LONGEST_CONSONANT_FRAMES = 28
_BRIDGED_FRAMES = 4
_DIP_DB = 6.0
_APART_FRAMES = 24
_CONSONANT_BELOW_DB = 4.0


@dataclass(frozen=True)
class Syllable:
    """Frames of one syllable: the consonant begins at ``begin``, the voice at ``vowel``, ``end`` is past it."""

    begin: int
    vowel: int
    end: int


def find_syllables(level_db: np.ndarray, voiced: np.ndarray) -> list[Syllable]:
    """Divide one recording into syllables.

    A voiced stretch is divided where its level dips by 6 dB between two maxima; what is loud but unvoiced
    before it, and quieter than it, is its consonant, at most 140 ms.

    Args:
        level_db: level of every 5 ms frame, ``[F]``.
        voiced: whether the frame has a pitch, ``[F]``.
    """
    found: list[Syllable] = []
    if not len(level_db):
        return found
    floor = float(np.percentile(level_db, 10))
    loud = level_db > max(float(level_db.max()) - 35.0, floor + 8.0)
    smooth = gaussian_filter1d(level_db, 3.0)
    last_end = 0
    for begin, end in _runs(voiced & loud):
        for first, last in _split(smooth, begin, end):
            consonant = first
            lowest = max(last_end, first - _LONGEST_CONSONANT_FRAMES)
            quieter = level_db < level_db[first:last].max() - _CONSONANT_BELOW_DB  # else it is a creaking vowel
            while first == begin and consonant > lowest and loud[consonant - 1] and quieter[consonant - 1]:
                consonant -= 1
            found.append(Syllable(consonant, first, last))
            last_end = last
    return found


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of ``mask`` that are long enough, short gaps bridged."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    runs: list[tuple[int, int]] = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if runs and begin - runs[-1][1] <= _BRIDGED_FRAMES:
            runs[-1] = (runs[-1][0], int(end))
        else:
            runs.append((int(begin), int(end)))
    return [(b, e) for b, e in runs if e - b >= _SHORTEST_VOICED_FRAMES]


def _split(smooth: np.ndarray, begin: int, end: int) -> list[tuple[int, int]]:
    if end - begin < 2 * _APART_FRAMES:
        return [(begin, end)]
    middle = smooth[begin + _APART_FRAMES // 2 : end - _APART_FRAMES // 2]
    at = begin + _APART_FRAMES // 2 + int(np.argmin(middle))
    if min(smooth[begin:at].max(), smooth[at:end].max()) - smooth[at] < _DIP_DB:
        return [(begin, end)]
    return [
        part
        for first, last in ((begin, at), (at, end))
        if last - first >= _SHORTEST_VOICED_FRAMES
        for part in _split(smooth, first, last)
    ]
