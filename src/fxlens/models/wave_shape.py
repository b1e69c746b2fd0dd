"""What a magnitude spectrogram cannot show: the shape of the wave itself.

A clipped peak, a limiter's ceiling, a distortion that bends one half of the wave more than the other: all of them are
a matter of how the harmonics lie in time, and log-mel bands keep magnitudes only. Twelve hand-made numbers, most of
them about the wave's shape, are enough to find an effect chain nearly as often as a network that sees 128 bands. So the
front end may measure the wave, too (:class:`WaveRows`: a few numbers a frame, below the mel bands in the same tensor),
and a small network reads from them what the whole clip looks like (:mod:`fxlens.models.clip_reader`).
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.dsp.frame_sums import SUMS, frame_sums

ROWS = 7
"""Peak, mean square and mean fourth power, peak and mean square of the slope, and two measures of asymmetry."""

_FLOOR = 1e-12  # of a mean square: -120 dBFS
_REST = 5.0  # of log10 of power under the loudest frame: frames below are rests
_SHAPES = 11
_LR = [[1.0, 0.0], [0.0, 1.0]]
_MATRICES = {
    "lr": np.array(_LR, np.float32),
    "lrms": np.array([*_LR, [0.5, 0.5], [0.5, -0.5]], np.float32),
}


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
        found = _summed_at_once if _may_leave_torch(audio) else _summed_by_torch
        sums = found(audio, _MATRICES[self.channels], self.hop_length, frames).unbind(dim=2)
        peak, power, fourth, slope_peak, slope, signed_power, cube, size_cube = sums
        rows = (
            _log(peak.square()),
            _log(power),
            0.5 * _log(fourth, _FLOOR**2),
            _log(slope_peak.square()),
            _log(slope),
            6.0 * signed_power / power.clamp(min=_FLOOR),
            3.0 * cube / size_cube.clamp(min=_FLOOR**1.5),
        )
        scaled = [row / 6.0 + 1.0 for row in rows[:5]] + [row / 6.0 for row in rows[5:]]
        return torch.stack(scaled, dim=2)


def _may_leave_torch(audio: Tensor) -> bool:
    """Whether nobody needs to know how the sums came about: no gradient, no exporter."""
    watched = torch.is_grad_enabled() and audio.requires_grad
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return audio.device.type == "cpu" and audio.dtype == torch.float32 and not (watched or traced)


def _summed_at_once(audio: Tensor, matrix: np.ndarray, hop: int, frames: int) -> Tensor:
    """``[B, C, SUMS, frame]`` in one pass over the samples."""
    sums = np.empty((len(audio), len(matrix), SUMS, frames), np.float32)
    frame_sums(np.ascontiguousarray(audio.detach().numpy()), matrix, hop, sums)
    return torch.from_numpy(sums)


def _summed_by_torch(audio: Tensor, matrix: np.ndarray, hop: int, frames: int) -> Tensor:
    """The same out of tensor operations."""
    if len(matrix) > 2:
        left, right = audio[:, :1], audio[:, 1:]
        audio = torch.cat((audio, 0.5 * (left + right), 0.5 * (left - right)), dim=1)
    length = frames * hop
    padded = F.pad(audio, (1, hop))
    wave = padded[..., 1 : 1 + length].reshape(audio.shape[0], -1, frames, hop)
    slope = wave - padded[..., :length].reshape(audio.shape[0], -1, frames, hop)
    size, square = wave.abs(), wave.square()
    sums = (
        size.amax(dim=-1),
        square.mean(dim=-1),
        square.square().mean(dim=-1),
        slope.abs().amax(dim=-1),
        slope.square().mean(dim=-1),
        (wave * size).mean(dim=-1),
        (wave * square).mean(dim=-1),
        (size * square).mean(dim=-1),
    )
    return torch.stack(sums, dim=2)


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
