"""The compiled loops of the fast forms, all of them, called once so that they are compiled."""

from __future__ import annotations

import numpy as np

from fxlens.dsp.fast.bands import compand_bands_in_place
from fxlens.dsp.fast.cascade import cascade_in_place
from fxlens.dsp.fast.dynamics import compress_in_place, limit_in_place
from fxlens.dsp.fast.echoes import TAPS_TOGETHER, add_echoes_in_place
from fxlens.dsp.fast.k_weighting import weighted_energies
from fxlens.dsp.fast.mixing import blend_in_place, is_finite, scale_in_place, widen_in_place
from fxlens.dsp.fast.saturation import saturate_in_place, sum_of_squares


def compile_fast_kernels() -> None:
    """Run every fast kernel on one sample; :func:`fxlens.dsp.compilation.compile_kernels` calls this."""
    clip, ones = np.zeros((2, 1), np.float32), np.ones(3)
    cascade_in_place(clip, np.zeros((3, 4)), 1.0)
    compress_in_place(clip, 1.0, 0.5, 1.0, 0.5, 0.5, 0.5, 1.0)
    limit_in_place(clip, 1.0, 0.5, 0.5)
    lowpass = np.array([1.0, 0.0, 0.0])
    compand_bands_in_place(clip, lowpass, lowpass, 1, np.ones((3, 5), np.float32), 0.5, ones, ones, 0.5)
    one = np.ones(1, np.int64)
    add_echoes_in_place(clip, one, one, np.zeros((1, TAPS_TOGETHER), np.float32), 0.5)
    saturate_in_place(clip, 1.0, 0.5, 1.0, 0.5, 0.5)
    sum_of_squares(clip)
    scale_in_place(clip, 1.0)
    widen_in_place(clip, 1.0)
    blend_in_place(clip, clip, 0.5)
    is_finite(clip)
    for dtype in (np.float32, np.float64):
        weighted_energies(clip[None].astype(dtype), np.ones((2, 6)), np.array([0, 1]))
