"""Times in musical terms: the note value nearest to some milliseconds."""

from __future__ import annotations

import math

_BEATS = {
    f"1/{divisor}{suffix}": 4.0 / divisor * factor
    for divisor in (1, 2, 4, 8, 16, 32, 64)
    for suffix, factor in (("", 1.0), (" dotted", 1.5), (" triplet", 2.0 / 3.0))
}


def nearest_note(milliseconds: float, tempo_bpm: float) -> tuple[str, float]:
    """Find the note value closest in ratio.

    Args:
        milliseconds: above 0.
        tempo_bpm: quarter notes a minute.

    Returns:
        Its name and its length in ms.

    >>> nearest_note(374.0, 120.0)
    ('1/8 dotted', 375.0)
    """
    beat_ms = 60_000.0 / tempo_bpm
    name = min(_BEATS, key=lambda note: abs(math.log(_BEATS[note] * beat_ms / milliseconds)))
    return name, _BEATS[name] * beat_ms
