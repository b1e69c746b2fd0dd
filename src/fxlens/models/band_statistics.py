"""What an engineer would read off a spectrogram: levels, movement, decay, echoes and width, over a whole clip.

A network finds such numbers by itself, given enough music. With little music it finds the music first, and a linear
transform of a hundred hand-made features knows effects nearly as well. So they are computed, and a small network learns
beside the large one what they mean (:mod:`fxlens.models.clip_reader`). All are differentiable and come of decibels, so
what a mask has left can be measured as well as a clip.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

BANDS, COARSE = 32, 16
LAGS = 48
"""Frames over which echoes are looked for: 1.1 s at 43 frames a second."""

_REST = 0.5  # a quarter of the scale from -1 to 1: what lies so deep under the mean of its band is a rest
_LARGEST = 4.0


def band_statistics(logmel: Tensor, span_db: float = 80.0) -> Tensor:
    """Measure a clip.

    For 32 bands of every channel the mean (against that of all) and the spread of the level. For 16 bands of mid and
    side, or left and right where there is no mid: how fast the level rises, how much it moves from frame to frame, how
    deep its rests are, and to which side it leans. How like itself the rise of the whole is 1 to 48 frames later. With
    mid and side also the correlation of left and right in 16 bands.

    Args:
        logmel: ``[B, C, mel, frame]`` in [-1, 1]. C is 2 (left, right) or 4 (also mid, side); a fifth, the mask's own,
            has its means and spreads.
        span_db: decibels from -1 to 1.

    Returns:
        ``[B, statistics_count(C)]`` float32, around -2 to 2.
    """
    logmel = logmel.float()
    if logmel.shape[-1] == 1:
        logmel = logmel.repeat(1, 1, 1, 2)  # one frame does not move
    stereo = logmel.shape[1] >= 4
    fine, coarse = _pooled(logmel, BANDS), _pooled(logmel, COARSE)
    mean = fine.mean(dim=-1)
    moving = coarse[:, 2:4] if stereo else coarse[:, :2]
    middle = moving.mean(dim=-1, keepdim=True)
    step = torch.diff(moving, dim=-1)
    rise = torch.relu(step)
    found = [
        mean - mean[:, :4].mean(dim=(1, 2), keepdim=True),
        4.0 * _size(fine - mean[..., None]),
        20.0 * rise.mean(dim=-1),
        4.0 * _size(step),
        20.0 * torch.relu(middle - moving - _REST).mean(dim=-1),
        _skewness(moving - middle),
        2.0 * _echoes(rise.mean(dim=(1, 2))),
    ]
    if stereo:
        found.append(_correlation(coarse, span_db))
    return torch.cat([numbers.flatten(1) for numbers in found], dim=1).clamp(-_LARGEST, _LARGEST)


def statistics_count(channels: int) -> int:
    """How many numbers :func:`band_statistics` finds."""
    return 2 * BANDS * channels + 4 * 2 * COARSE + LAGS + (COARSE if channels >= 4 else 0)


def statistics_of(channels: int, wanted: int) -> list[slice]:
    """Where, among the numbers of ``channels``, those of the first ``wanted`` stand: means, spreads, the rest."""
    means = slice(0, BANDS * wanted)
    spreads = slice(BANDS * channels, BANDS * (channels + wanted))
    return [means, spreads, slice(2 * BANDS * channels, statistics_count(channels))]


def _pooled(logmel: Tensor, bands: int) -> Tensor:
    """Mean of neighbouring bands, ``[B, C, bands, frame]``; where there are fewer, some count twice."""
    mels = logmel.shape[2]
    if mels % bands == 0:
        return logmel.unflatten(2, (bands, mels // bands)).mean(dim=3)
    edges = [mels * k // bands for k in range(bands + 1)]
    parts = [slice(low, max(high, low + 1)) for low, high in pairwise(edges)]
    return torch.stack([logmel[:, :, part].mean(dim=2) for part in parts], dim=2)


def _size(values: Tensor) -> Tensor:
    """Root mean square over frames."""
    return values.square().mean(dim=-1).add(1e-6).sqrt()


def _skewness(away: Tensor) -> Tensor:
    """Third moment over frames; what hardly moves has none."""
    return away.pow(3).mean(dim=-1) / (away.square().mean(dim=-1) + 1e-3).pow(1.5)


def _echoes(rise: Tensor) -> Tensor:
    """Correlation of ``[B, frame]`` with itself, 1 to LAGS frames later, ``[B, LAGS]``."""
    away = rise - rise.mean(dim=-1, keepdim=True)
    length = away.shape[1]
    padded = torch.cat((away, away.new_zeros(away.shape[0], LAGS)), dim=1)
    later = torch.stack([padded[:, lag : lag + length] for lag in range(1, LAGS + 1)], dim=1)
    return (away[:, None] * later).sum(dim=-1) / (away.square().sum(dim=-1, keepdim=True) + 1e-6)


def _correlation(coarse: Tensor, span_db: float) -> Tensor:
    """Of left and right by band, ``[B, COARSE]``: their product is the power of mid less that of side."""
    loudest = coarse[:, :4].amax(dim=(1, 2, 3))[:, None, None, None]
    left, right, mid, side = (10.0 ** (span_db / 20.0 * (coarse[:, :4] - loudest))).unbind(dim=1)
    both = torch.sqrt(left * right).mean(dim=-1) + 1e-6
    return ((mid - side).mean(dim=-1) / both).clamp(-2.0, 2.0)
