"""The limiter from audio to audio, with the exact gradient, compiled for the CPU.

``y = gain x``; the peak of both channels is smoothed to a level, and ``min(1, threshold / level)`` to the gain,
see :mod:`fxlens.effects.dynamics`. As in :mod:`fxlens.dsp.gradient.compander`, the backward pass computes levels and
gains again, block by block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fxlens.dsp import envelope
from fxlens.dsp.gradient.ballistics import linked_peak, linked_peak_adjoint, smooth, smooth_adjoint
from fxlens.dsp.kernels import LEVEL_FLOOR, compiled

_BLOCK = 256
_PEAK, _LEVEL, _TARGET, _GAIN = range(4)


@compiled
def _envelopes(audio: np.ndarray, start: int, c: np.ndarray, before: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    """Load a block ``x [2, N]``, silence behind the end, and fill ``w [4, 1, N]``: peak, level, aim and gain."""
    count = min(_BLOCK, audio.shape[1] - start)
    x[:, count:] = 0.0
    for channel in range(2):
        for t in range(count):
            x[channel, t] = audio[channel, start + t]
    linked_peak(x, w[_PEAK, 0])
    smooth(w[_PEAK], c[2:3], c[1:2], before[0:1], w[_LEVEL])
    for t in range(_BLOCK):
        w[_TARGET, 0, t] = min(1.0, c[0] / w[_LEVEL, 0, t])
    smooth(w[_TARGET], c[1:2], c[2:3], before[1:2], w[_GAIN])


@compiled
def limit(audio: np.ndarray, c: np.ndarray, out: np.ndarray, states: np.ndarray) -> None:
    """Process a batch, from rest.

    Args:
        audio: ``[B, 2, T]``.
        c: ``float64 [B, 3]``: threshold (linear), attack and release (one-pole coefficients).
        out: as ``audio``, written.
        states: ``float64 [B, blocks, 2]``, written: level and gain before every block.
    """
    x, w = np.empty((2, _BLOCK)), np.empty((4, 1, _BLOCK))
    for item in range(audio.shape[0]):
        for block in range(states.shape[1]):
            start, before = block * _BLOCK, states[item, block]
            if block == 0:
                before[0], before[1] = LEVEL_FLOOR, 1.0
            else:
                before[0], before[1] = w[_LEVEL, 0, _BLOCK - 1], w[_GAIN, 0, _BLOCK - 1]
            _envelopes(audio[item], start, c[item], before, x, w)
            for channel in range(2):
                for t in range(min(_BLOCK, audio.shape[2] - start)):
                    out[item, channel, start + t] = w[_GAIN, 0, t] * x[channel, t]


@compiled
def limit_adjoint(
    grad_out: np.ndarray,
    audio: np.ndarray,
    c: np.ndarray,
    states: np.ndarray,
    grad_audio: np.ndarray,
    grad_c: np.ndarray,
) -> None:
    """Exact gradient of :func:`limit`; the last two arguments are written."""
    x, w, grad_x, grad = np.empty((2, _BLOCK)), np.empty((4, 1, _BLOCK)), np.empty((2, _BLOCK)), np.empty((1, _BLOCK))
    later_level, later_gain = np.empty(1), np.empty(1)
    for item in range(audio.shape[0]):
        settings, to = c[item], grad_c[item]
        attack, release, to_attack, to_release = settings[1:2], settings[2:3], to[1:2], to[2:3]
        later_level[:], later_gain[:], to[:] = 0.0, 0.0, 0.0
        for block in range(states.shape[1] - 1, -1, -1):
            start, before = block * _BLOCK, states[item, block]
            count = min(_BLOCK, audio.shape[2] - start)
            _envelopes(audio[item], start, settings, before, x, w)
            grad_x[:, count:], grad[0, count:] = 0.0, 0.0
            for t in range(count):
                left, right = float(grad_out[item, 0, start + t]), float(grad_out[item, 1, start + t])
                grad[0, t] = left * x[0, t] + right * x[1, t]
                grad_x[0, t], grad_x[1, t] = left * w[_GAIN, 0, t], right * w[_GAIN, 0, t]
            smooth_adjoint(w[_TARGET], attack, release, before[1:2], w[_GAIN], later_gain, grad, to_attack, to_release)
            to_threshold = 0.0
            for t in range(_BLOCK):
                level = w[_LEVEL, 0, t]
                limited = grad[0, t] / level if level > settings[0] else 0.0
                to_threshold += limited
                grad[0, t] = -limited * settings[0] / level
            to[0] += to_threshold
            smooth_adjoint(w[_PEAK], release, attack, before[0:1], w[_LEVEL], later_level, grad, to_release, to_attack)
            linked_peak_adjoint(x, w[_PEAK, 0], grad[0], grad_x)
            for channel in range(2):
                for t in range(count):
                    grad_audio[item, channel, start + t] = grad_x[channel, t]


class _Limiter(torch.autograd.Function):
    """Stereo audio ``[B, 2, T]`` and settings ``float64 [B, 3]`` on the CPU."""

    @staticmethod
    def forward(ctx: Any, audio: Tensor, c: Tensor) -> Tensor:
        out = torch.empty_like(audio)
        ctx.states = np.empty((audio.shape[0], -(-audio.shape[2] // _BLOCK), 2))
        limit(audio.numpy(), c.numpy(), out.numpy(), ctx.states)
        ctx.save_for_backward(audio, c)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor, Tensor]:
        audio, c = ctx.saved_tensors
        grad_audio, grad_c = torch.empty_like(audio), torch.empty_like(c)
        limit_adjoint(
            grad_out.contiguous().numpy(), audio.numpy(), c.numpy(), ctx.states, grad_audio.numpy(), grad_c.numpy()
        )
        return grad_audio, grad_c


def limit_peaks(audio: Tensor, c: Tensor) -> Tensor:
    """Limit a batch.

    Args:
        audio: ``[B, 2, T]``, float32 or float64.
        c: ``float64 [B, 3]``: threshold (linear), attack and release (one-pole coefficients).

    Returns:
        As ``audio``; differentiable once with respect to both arguments.
    """
    if audio.device.type != "cpu":
        return limit_plain(audio, c)
    out: Tensor = _Limiter.apply(audio.contiguous(), c.contiguous())
    return out


def limit_plain(audio: Tensor, c: Tensor) -> Tensor:
    """The same in torch operations, for any device."""
    threshold, attack, release = c.unbind(1)
    # The smoother's first coefficient is for a falling input: for a level that is the release.
    level = envelope.attack_release(envelope.linked_peak(audio), release, attack, LEVEL_FLOOR)
    target = (threshold[:, None].to(audio) / level).clamp(max=1.0)
    return audio * envelope.attack_release(target, attack, release, 1.0).unsqueeze(1)
