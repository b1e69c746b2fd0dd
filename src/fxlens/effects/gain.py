"""Gain: y = 10^(gain_db / 20) x. The smallest processor, and the template for a new one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from fxlens.dsp.fast.mixing import scale_in_place
from fxlens.effects.processor import Parameter, Processor, column


class Gain(Processor):
    """Change the level by ``gain_db`` decibels."""

    type = "gain"
    parameters = (Parameter("gain_db", -12.0, 12.0, 0.0, paper_minimum=6.0, paper_maximum=12.0),)

    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        return audio * 10.0 ** (values["gain_db"] / 20.0)

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        return audio * 10.0 ** (column(values["gain_db"], audio) / 20.0)

    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        scale_in_place(clip, 10.0 ** (values["gain_db"] / 20.0))
