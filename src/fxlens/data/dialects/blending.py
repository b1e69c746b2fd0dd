"""What a mix knob does: from ``(1 - wet) x + wet y`` to other laws that plug-ins have."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

Law = Literal["linear", "equal_power", "send"]
LAWS: tuple[Law, ...] = ("linear", "equal_power", "send")


def blend(clip: np.ndarray, processed: np.ndarray, wet: float, law: Law) -> None:
    """Mix ``processed`` into ``float32 [2, T]`` in place.

    Args:
        clip: the dry sound.
        processed: the wet one; it may be overwritten.
        wet: 0-1; 0 leaves the clip as it is under every law.
        law: ``linear`` shares; ``equal_power`` of which the squares add up to one; ``send`` with the ratio of wet to
            dry that ``linear`` has, and the louder of them at unity, as on a console.
    """
    if law == "equal_power":
        dry, wet = math.cos(0.5 * math.pi * wet), math.sin(0.5 * math.pi * wet)
    elif law == "send":
        dry, wet = (1.0 - wet) / max(wet, 1.0 - wet), wet / max(wet, 1.0 - wet)
    else:
        dry = 1.0 - wet
    clip *= np.float32(dry)
    processed *= np.float32(wet)
    clip += processed
