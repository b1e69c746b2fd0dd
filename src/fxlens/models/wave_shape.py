"""What a magnitude spectrogram cannot show: the shape of the wave itself.

A clipped peak, a limiter's ceiling, a distortion that bends one half of the wave more than the other: all of them are
a matter of how the harmonics lie in time, and log-mel bands keep magnitudes only. Twelve hand-made numbers, most of
them about the wave's shape, are enough to find an effect chain nearly as often as a network that sees 128 bands. So the
front end may measure the wave, too (:class:`WaveRows`: a few numbers a frame, below the mel bands in the same tensor),
and a small network reads from them what the whole clip looks like (:mod:`fxlens.models.clip_reader`).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROWS = 7
"""Peak, mean square and mean fourth power, peak and mean square of the slope, and two measures of asymmetry."""

_FLOOR = 1e-12  # of a mean square: -120 dBFS
_REST = 5.0  # of log10 of power under the loudest frame: frames below are rests
_SHAPES = 11


class WaveRows(nn.Module):
    """Measure every frame of audio, without overlap.

    Args:
        hop_length: samples of a frame.
        channels: ``"lr"``, or ``"lrms"`` with mid and side.
    """

    def __init__(self, hop_length: int, channels: str) -> None:
        super().__init__()
        self.hop_length, self.channels = hop_length, channels

    def forward(self, audio: Tensor, frames: int) -> Tensor:
        """Audio float32 ``[B, 2, T]`` -> ``[B, C, ROWS, frame]``, all values around -1 to 1.

        Args:
            audio: to measure.
            frames: how many there shall be, at most ``T // hop_length + 1``; the last one is filled with zeros.
        """
        if self.channels == "lrms":
            left, right = audio[:, :1], audio[:, 1:]
            audio = torch.cat((audio, 0.5 * (left + right), 0.5 * (left - right)), dim=1)
        length = frames * self.hop_length
        padded = F.pad(audio, (1, self.hop_length))
        wave = padded[..., 1 : 1 + length].reshape(audio.shape[0], -1, frames, self.hop_length)
        slope = wave - padded[..., :length].reshape(audio.shape[0], -1, frames, self.hop_length)
        size, square = wave.abs(), wave.square()
        power = square.mean(dim=-1)
        rows = (
            _log(size.amax(dim=-1).square()),
            _log(power),
            0.5 * _log(square.square().mean(dim=-1), _FLOOR**2),
            _log(slope.abs().amax(dim=-1).square()),
            _log(slope.square().mean(dim=-1)),
            6.0 * (wave * size).mean(dim=-1) / power.clamp(min=_FLOOR),
            3.0 * (wave * square).mean(dim=-1) / (size * square).mean(dim=-1).clamp(min=_FLOOR**1.5),
        )
        scaled = [row / 6.0 + 1.0 for row in rows[:5]] + [row / 6.0 for row in rows[5:]]
        return torch.stack(scaled, dim=2)


def shape_count(channels: int) -> int:
    """How many numbers :func:`shapes` finds."""
    return _SHAPES * channels + (2 if channels == 4 else 0)


def shapes(rows: Tensor) -> Tensor:
    """Numbers of the whole clip, around -1 to 1, that do not change with its level.

    For each channel: crest, fourth moment, slope against level, crest of the slope and two asymmetries of the whole;
    mean and spread over the frames that sound of crest and fourth moment, spread of their level. With mid and side also
    correlation and width.

    Args:
        rows: ``[B, C, ROWS, frame]`` of :class:`WaveRows`.

    Returns:
        ``[B, 11 C]``, two more with mid and side.
    """
    peak, power, fourth, slope_peak, slope = ((rows[:, :, k] - 1.0) * 6.0 for k in range(5))  # log10 of power
    mean_power, weight = _mean(power), torch.softmax(power * math.log(10.0), dim=-1)
    sounding = (power > power.amax(dim=(1, 2), keepdim=True) - _REST).float()
    count = sounding.sum(dim=-1).clamp(min=1.0)

    def over_frames(values: Tensor) -> tuple[Tensor, Tensor]:
        mean = (values * sounding).sum(dim=-1) / count
        spread = ((values - mean[..., None]).square() * sounding).sum(dim=-1) / count
        return mean, torch.sqrt(spread.clamp(min=1e-6))

    crest, crest_spread = over_frames(peak - power)
    tail, tail_spread = over_frames(fourth - power)
    _, level_spread = over_frames(power)
    found = [
        peak.amax(dim=-1) - mean_power - 1.5,
        (0.5 * _mean(2.0 * fourth) - mean_power - 0.4) * 2.0,
        (_mean(slope) - mean_power + 1.5) * 0.6,
        slope_peak.amax(dim=-1) - _mean(slope) - 1.5,
        (rows[:, :, 5] * weight).sum(dim=-1) * 2.0,
        (rows[:, :, 6] * weight).sum(dim=-1) * 2.0,
        (crest - 0.9) * 2.0,
        crest_spread * 3.0,
        (tail - 0.25) * 4.0,
        tail_spread * 5.0,
        level_spread,
    ]
    found = [value.clamp(-4.0, 4.0) for value in found]
    if rows.shape[1] == 4:
        left, right, mid, side = (10.0 ** mean_power[:, c] for c in range(4))
        correlation = (mid - side) / torch.sqrt((left * right).clamp(min=_FLOOR**2))
        width = (mean_power[:, 3] - mean_power[:, 2]).clamp(-6.0, 3.0) / 3.0
        found.append(torch.stack((correlation.clamp(-1.0, 1.0), width), dim=1))
    return torch.cat(found, dim=1)


def _log(values: Tensor, floor: float = _FLOOR) -> Tensor:
    return torch.log10(values.clamp(min=floor))  # a sum with a number so small is dropped by onnxruntime


def _mean(log10_power: Tensor) -> Tensor:
    """Mean over frames of what is given as logarithms, -26 or more."""
    return torch.log10((10.0**log10_power).mean(dim=-1))
