"""Two zero-phase low-passes of one clip by their exact recursion, with the exact gradient, compiled for the CPU.

A second-order Butterworth low-pass run forwards and then backwards is the zero-phase filter ``Y`` with the
response ``1 / (1 + (W / k)^4)``, ``W`` and ``k`` the tangents of half the angular frequency and of half the
cutoff's (see :mod:`fxlens.dsp.crossover`). Both gradients follow from that:

* ``Y`` is its own adjoint: the gradient of the audio is ``Y g``, the same two passes over the gradient ``g``;
* ``dY/dk = (4 / k) (Y - Y^2)``, so the gradient of ``k`` is ``(4 / k) (<g, Y x> - <Y g, Y x>)``. The second
  product runs over all time, the ringing before and after the clip included.

Both cutoffs and both channels are run in one loop: four recursions that need not wait for each other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fxlens.dsp.gradient.sums import compiled_sums
from fxlens.dsp.kernels import compiled

_BLOCK = 512
_TINY = 1e-30
_RINGING = math.log(1e-9)
"""Logarithm of how far the slower filter must have decayed before its ringing is cut off."""


@compiled
def lowpass_pass(
    below: np.ndarray,
    above: np.ndarray,
    c: np.ndarray,
    backwards: bool,
    state: np.ndarray,
    below_out: np.ndarray,
    above_out: np.ndarray,
) -> None:
    """One pass of the lower filter over ``below [2, T]`` and of the upper one over ``above [2, T]``.

    ``c [2, 3]`` are ``b0, a1, a2`` of ``b0 (1 + z^-1)^2 / (1 + a1 z^-1 + a2 z^-2)``; ``state [2, 4]`` holds the
    last two values of each filter's all-pole part, left and right, and is carried on. The outputs may be the
    inputs.
    """
    b, a1, a2 = c[0]
    d, c1, c2 = c[1]
    p1, p2, q1, q2 = state[0]
    r1, r2, s1, s2 = state[1]
    total = below.shape[1]
    for start in range(0, total, _BLOCK):
        for step in range(start, min(start + _BLOCK, total)):
            t = total - 1 - step if backwards else step
            p = (b * below[0, t] - a2 * p2) - a1 * p1
            q = (b * below[1, t] - a2 * q2) - a1 * q1
            r = (d * above[0, t] - c2 * r2) - c1 * r1
            s = (d * above[1, t] - c2 * s2) - c1 * s1
            below_out[0, t], below_out[1, t] = p + (2.0 * p1 + p2), q + (2.0 * q1 + q2)
            above_out[0, t], above_out[1, t] = r + (2.0 * r1 + r2), s + (2.0 * s1 + s2)
            p1, p2, q1, q2, r1, r2, s1, s2 = p, p1, q, q1, r, r1, s, s1
        # A decay into silence would end in denormal numbers, which are slow: cut it off far below hearing.
        if abs(p1) + abs(p2) + abs(q1) + abs(q2) < _TINY:
            p1 = p2 = q1 = q2 = 0.0
        if abs(r1) + abs(r2) + abs(s1) + abs(s2) < _TINY:
            r1 = r2 = s1 = s2 = 0.0
    state[0, 0], state[0, 1], state[0, 2], state[0, 3] = p1, p2, q1, q2
    state[1, 0], state[1, 1], state[1, 2], state[1, 3] = r1, r2, s1, s2


@compiled_sums
def _product(a: np.ndarray, b: np.ndarray) -> float:
    """Scalar product of two ``[2, T]``, in float64."""
    total = 0.0
    for t in range(a.shape[1]):
        total += float(a[0, t]) * float(b[0, t]) + float(a[1, t]) * float(b[1, t])
    return total


class _Pair:
    """The two filters of one clip."""

    def __init__(self, k: np.ndarray) -> None:
        norm = 1.0 / (1.0 + math.sqrt(2.0) * k + k * k)
        a1, a2 = 2.0 * (k * k - 1.0) * norm, (1.0 - math.sqrt(2.0) * k + k * k) * norm
        self.c = np.stack([k * k * norm, a1, a2], axis=1)
        # The radius of the poles is the root of a2.
        self.ringing_samples = math.ceil(2.0 * _RINGING / math.log(max(float(a2.max()), 1e-9)))

    def ring(self, state: np.ndarray, backwards: bool) -> np.ndarray:
        """What the filters give without input, ``[2, 2, N]`` (filter, channel, sample); ``state`` moves on."""
        out = np.zeros((2, 2, self.ringing_samples))
        lowpass_pass(out[0], out[1], self.c, backwards, state, out[0], out[1])
        return out

    def return_from(self, state: np.ndarray) -> np.ndarray:
        """What both passes give behind the clip, whose end the forward pass left in ``state``.

        ``state`` becomes that of the backward pass where it enters the clip.
        """
        after = self.ring(state, False)
        state[:] = 0.0
        lowpass_pass(after[0], after[1], self.c, True, state, after[0], after[1])
        return after

    def both_ways(
        self, low: np.ndarray, high: np.ndarray, low_out: np.ndarray, high_out: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``Y`` of both filters: over the clip, written to the outputs, and behind it, returned.

        Also returned: the state of the forward pass at the end, and of the backward pass at the start.
        """
        state = np.zeros((2, 4))
        lowpass_pass(low, high, self.c, False, state, low_out, high_out)
        end = state.copy()
        after = self.return_from(state)
        lowpass_pass(low_out, high_out, self.c, True, state, low_out, high_out)
        return after, end, state


class _LowpassPair(torch.autograd.Function):
    """Stereo audio ``[B, 2, T]`` and ``k``, ``float64 [B, 2]``, on the CPU."""

    @staticmethod
    def forward(ctx: Any, audio: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        low, high = torch.empty_like(audio), torch.empty_like(audio)
        ctx.states = [
            _Pair(cutoffs).both_ways(clip, clip, below, above)[1:]
            for clip, cutoffs, below, above in zip(*(x.numpy() for x in (audio, k, low, high)), strict=True)
        ]
        ctx.save_for_backward(k, low, high)
        return low, high

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_low: Tensor, grad_high: Tensor) -> tuple[Tensor, Tensor]:
        k, *bands = (x.numpy() for x in ctx.saved_tensors)
        grads = [grad.contiguous().numpy() for grad in (grad_low, grad_high)]
        grad_audio, grad_k = np.empty_like(bands[0]), np.empty_like(k)
        back_high = np.empty_like(bands[0][0])
        for item, (end, start) in enumerate(ctx.states):
            pair, grad = _Pair(k[item]), [g[item] for g in grads]
            back = (grad_audio[item], back_high)
            after, _, before_grad = pair.both_ways(grad[0], grad[1], back[0], back[1])
            outside = [
                (after, pair.return_from(end.copy())),
                (pair.ring(before_grad, True), pair.ring(start.copy(), True)),
            ]
            for f in range(2):
                band = bands[f][item]
                total = _product(grad[f], band) - _product(back[f], band)
                total -= sum(_product(of_grad[f], of_audio[f]) for of_grad, of_audio in outside)
                grad_k[item, f] = total * 4.0 / k[item, f]
            grad_audio[item] += back_high
        return torch.from_numpy(grad_audio), torch.from_numpy(grad_k)


def filter_lowpass_pair(audio: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """What lies below each of two cutoffs, by zero-phase filters on the CPU.

    Args:
        audio: ``[B, 2, T]``, float32 or float64; the recursions run in float64 either way.
        k: ``float64 [B, 2]``, ``tan(pi cutoff / sample_rate)`` of the lower and the upper cutoff.

    Returns:
        Two tensors as ``audio``; differentiable once with respect to both arguments.
    """
    low, high = _LowpassPair.apply(audio.contiguous(), k.contiguous())
    return low, high
