"""Stereo width: the side signal is scaled, the mid stays.

With ``mid = (left + right) / 2`` and ``side = (left - right) / 2``::

    left' = mid + width * side        right' = mid - width * side

Width 1 changes nothing, 0 is mono, 2 doubles the side (6 dB). What both channels share is never touched, so a
mono signal passes at every width. The other common form weighs mid by ``2 (1 - w)`` and side by ``2 w`` and
is neutral at ``w = 0.5``; its upper end deletes the mid, and mono with it. See
:func:`from_crossfade_width`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fxlens.dsp.fast.mixing import widen_in_place
from fxlens.effects.processor import Parameter, Processor, column
from fxlens.errors import UsageError


class StereoImager(Processor):
    """Narrow (``width`` < 1) or widen (``width`` > 1) the stereo image; mono passes unchanged."""

    type = "stereo_imager"
    parameters = (Parameter("width", 0.0, 2.0, 1.0, paper_minimum=0.0, paper_maximum=1.0),)

    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        # Written as a change of the input, so that width 1 and mono are exact and not merely close.
        change = (values["width"] - 1.0) * 0.5 * (audio[0] - audio[1])
        return np.stack([audio[0] + change, audio[1] - change])

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        change = (column(values["width"], audio) - 1.0) * 0.5 * (audio[:, :1] - audio[:, 1:])
        return audio + torch.cat([change, -change], dim=1)

    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        widen_in_place(clip, values["width"])


def from_crossfade_width(width: float) -> tuple[float, float]:
    """Express a mid/side crossfade as this imager followed by a gain.

    The crossfade ``2 (1 - w) mid + 2 w side`` (Martinez-Ramirez et al., 2022, and the papers that follow
    it) is this imager at ``w / (1 - w)``, at ``2 (1 - w)`` times the level. After loudness normalisation
    only the width is left.

    Args:
        width: the crossfade's parameter, 0 (mono) to below 1; 0.5 is neutral.

    Returns:
        ``width`` for :class:`StereoImager` (above 2 where the crossfade's is above 2/3) and the gain in dB.

    Raises:
        UsageError: ``width`` is not in 0 <= width < 1. At 1 the mid is gone, which no width here can do.

    >>> from_crossfade_width(0.5)
    (1.0, 0.0)
    """
    if not 0.0 <= width < 1.0:
        raise UsageError(f"crossfade width {width!r} has no equivalent: give 0 to below 1 (at 1 the mid is deleted)")
    return width / (1.0 - width), 20.0 * math.log10(2.0 * (1.0 - width))
