"""Level, width, dry and wet, compiled: loops over float32 audio in place, computed in float64."""

from __future__ import annotations

import numpy as np

from fxlens.dsp.kernels import compiled

_LARGEST = float(np.finfo(np.float32).max)


@compiled
def scale_in_place(audio: np.ndarray, gain: float) -> None:
    """``gain * x`` for ``float32 [2, T]``."""
    for channel in range(audio.shape[0]):
        for t in range(audio.shape[1]):
            audio[channel, t] *= gain


@compiled
def widen_in_place(audio: np.ndarray, width: float) -> None:
    """Scale the side signal of ``float32 [2, T]`` by ``width``, as a change of the input."""
    share = 0.5 * (width - 1.0)
    for t in range(audio.shape[1]):
        left, right = float(audio[0, t]), float(audio[1, t])
        change = share * (left - right)
        audio[0, t], audio[1, t] = left + change, right - change


@compiled
def blend_in_place(audio: np.ndarray, processed: np.ndarray, wet: float) -> None:
    """``(1 - wet) audio + wet processed``, both ``float32 [2, T]``."""
    for channel in range(audio.shape[0]):
        for t in range(audio.shape[1]):
            audio[channel, t] = (1.0 - wet) * audio[channel, t] + wet * processed[channel, t]


@compiled
def is_finite(audio: np.ndarray) -> bool:
    """Whether ``float32 [2, T]`` has neither NaN nor infinity."""
    faults = 0
    for channel in range(audio.shape[0]):
        for t in range(audio.shape[1]):
            faults |= not abs(float(audio[channel, t])) <= _LARGEST
    return faults == 0
