"""Change of sample rate with gradients: a Kaiser-windowed sinc, one short filter for each output phase.

J. O. Smith, *Digital Audio Resampling Home Page*, CCRMA: x is the sum of its samples' sinc functions, low-passed below
the lower of the two Nyquist frequencies. :func:`fxlens.audio.waveform.resample` is the one to use where no gradient
is needed.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fxlens.audio.waveform import check_rate
from fxlens.errors import UsageError

_ZERO_CROSSINGS = 40  # of the sinc, to each side
_PASS_BAND = 0.94  # share of the lower Nyquist frequency; the transition reaches just beyond it
_KAISER_BETA = 9.0  # stop band about -90 dB
_MOST_TAPS = 4_000_000  # coefficients of all phases; common rates need under 300 000


def resample_tensor(audio: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """``[B, C, T]`` -> ``[B, C, T']`` with T' = T x to_rate / from_rate rounded; no delay, gradients flow.

    Args:
        audio: float32.
        from_rate: Hz.
        to_rate: Hz.

    Raises:
        UsageError: rates outside 1 000 to 768 000 Hz, not whole numbers, or with so little in common that the filter
            would not fit into memory.
    """
    check_rate(from_rate, "from_rate")
    check_rate(to_rate, "to_rate")
    if from_rate == to_rate:
        return audio
    if int(from_rate) != from_rate or int(to_rate) != to_rate:
        raise UsageError(f"sample rates must be whole numbers here, not {from_rate} and {to_rate} Hz")
    common = math.gcd(int(from_rate), int(to_rate))
    step, phases = int(from_rate) // common, int(to_rate) // common
    reach = math.ceil(_ZERO_CROSSINGS * step / (_PASS_BAND * min(step, phases)))
    if phases * (2 * reach + step) > _MOST_TAPS:
        raise UsageError(f"cannot go from {from_rate} to {to_rate} Hz with gradients; resample to 44100 Hz first")
    kernel = torch.from_numpy(_kernel(step, phases, reach)).to(audio)
    length = round(audio.shape[-1] * phases / step)
    rows = F.pad(audio.flatten(0, 1)[:, None], (reach, reach + step))
    made = F.conv1d(rows, kernel[:, None], stride=step)  # [B C, phase, block]
    return made.transpose(1, 2).reshape(*audio.shape[:2], -1)[..., :length]


@lru_cache(maxsize=16)
def _kernel(step: int, phases: int, reach: int) -> np.ndarray:
    """``float32 [phases, 2 reach + step]``: row p weighs the input around time p / phases of a block."""
    cutoff = _PASS_BAND * min(1.0, phases / step)  # in units of the input's Nyquist frequency
    input_samples = np.arange(-reach, reach + step)
    distance = input_samples[None] - (np.arange(phases) * step / phases)[:, None]
    position = np.clip(distance * cutoff / _ZERO_CROSSINGS, -1.0, 1.0)
    window = np.i0(_KAISER_BETA * np.sqrt(1.0 - position**2)) / np.i0(_KAISER_BETA)
    taps = cutoff * np.sinc(distance * cutoff) * window * (np.abs(position) < 1.0)
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)  # DC passes exactly in every phase
