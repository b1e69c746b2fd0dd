"""Short sounds and embeddings that anyone can check: levels of bands, and an envelope."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

RATE = 44_100


def noise(seconds: float, seed: int) -> Tensor:
    """Noise that swells: every band and many levels. ``float32 [1, 2, T]``, RMS about -20 dBFS."""
    rng = np.random.default_rng(seed)
    length = round(seconds * RATE)
    swell = 0.2 + np.abs(np.sin(np.arange(length) * (2 * np.pi / length)))
    return torch.from_numpy((0.12 * swell * rng.standard_normal((1, 2, length))).astype(np.float32))


def bursts(seconds: float, seed: int) -> Tensor:
    """A burst of 20 ms, then silence: what comes later is an echo."""
    sound = noise(seconds, seed)
    sound[..., round(0.02 * RATE) :] = 0.0
    return 5.0 * sound


def band_levels(clips: Tensor) -> Tensor:
    """Levels of 24 bands, 40 Hz to 20 kHz, in tens of dB, and a constant: ``[N, 25]``."""
    power = torch.fft.rfft(clips).abs().square().mean(dim=1)
    edges = np.geomspace(40.0, 20_000.0, 25) / (RATE / 2) * (power.shape[-1] - 1)
    bands = [power[:, int(a) : int(b) + 1].mean(dim=1) for a, b in pairwise(edges)]
    levels = torch.log10(torch.stack(bands, dim=1).clamp_min(1e-9))
    return torch.cat([levels, torch.ones(len(clips), 1)], dim=1)


def envelope(clips: Tensor) -> Tensor:
    """Energy in windows of 60 ms every 15 ms, so wide that an echo is seen coming: ``[N, frames]``."""
    power = clips.square().mean(dim=1, keepdim=True)
    size = round(0.06 * RATE)
    window = torch.hann_window(size).reshape(1, 1, -1)
    frames = torch.nn.functional.conv1d(power, window, stride=size // 4, padding=size // 2)
    return frames.squeeze(1).clamp_min(1e-12).sqrt()
