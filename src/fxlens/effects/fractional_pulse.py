"""A click between two samples: a sinc under a Blackman window, half width 32 samples.

Exact for whole samples, transparent to about 0.9 of the Nyquist frequency. On windowed sinc interpolation see
T. I. Laakso et al., "Splitting the unit delay", IEEE Signal Processing Magazine, 1996.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.signal import oaconvolve
from torch import Tensor

HALF_WIDTH = 32
"""Samples of the interpolator either side of the click."""


def pulse_taps(centre: float, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the taps of a click at ``centre`` lie, whole samples of 0 to ``length`` - 1, and their weights."""
    at = np.arange(max(math.ceil(centre) - HALF_WIDTH, 0), min(math.floor(centre) + HALF_WIDTH + 1, length))
    offset = at - centre
    angle = math.pi * offset / HALF_WIDTH
    return at, np.sinc(offset) * (0.42 + 0.5 * np.cos(angle) + 0.08 * np.cos(2.0 * angle))


def pulse_tensors(centre: Tensor) -> tuple[Tensor, Tensor]:
    """Do :func:`pulse_taps` for many clicks, differentiable.

    Args:
        centre: samples, ``float64 [...]``.

    Returns:
        ``int64 [..., 64]``, whole samples, which may lie below 0, and ``float64 [..., 64]``, their weights with
        gradients for ``centre``.
    """
    tap = torch.arange(1 - HALF_WIDTH, HALF_WIDTH + 1, device=centre.device)
    at = torch.floor(centre.detach()).long().unsqueeze(-1) + tap
    offset = at - centre.unsqueeze(-1)
    angle = math.pi * offset / HALF_WIDTH
    window = 0.42 + 0.5 * torch.cos(angle) + 0.08 * torch.cos(2.0 * angle)
    return at, torch.sinc(offset) * window


def delayed(response: np.ndarray, delay_samples: float) -> np.ndarray:
    """Shift ``[C, N]`` to later by 0 or more samples, fractions included: ``[C, N + M]``; what precedes 0 is lost."""
    if delay_samples == round(delay_samples):
        return np.pad(response, ((0, 0), (round(delay_samples), 0)))
    at, weights = pulse_taps(delay_samples, math.ceil(delay_samples) + HALF_WIDTH + 1)
    return np.pad(oaconvolve(response, weights[None], axes=-1), ((0, 0), (int(at[0]), 0)))
