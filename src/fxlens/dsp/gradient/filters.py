"""A cascade of second-order filters by its exact recursion, with the exact gradient, compiled for the CPU.

A section is written as what it changes, ``y = x + D x`` with ``D = (B - A) / A``: at 0 dB the change is exactly
zero. With ``A = 1 + a1 z^-1 + a2 z^-2`` and ``B - A = c0 + c1 z^-1 + c2 z^-2`` the adjoint is the same recursion
run backwards: for the gradient ``g`` of ``y`` and ``q[t] = g[t] - a1 q[t+1] - a2 q[t+2]``,

    gradient of x[t] = g[t] + c0 q[t] + c1 q[t+1] + c2 q[t+2]
    gradient of c_k  =  sum_t q[t+k] x[t]
    gradient of a_k  = -sum_t q[t+k] (y[t] - x[t])

Source: the adjoint of a linear recursion; for filters in machine learning, C.-Y. Yu, C. Mitcheltree, A. Carson,
S. Bilbao, J. Reiss, G. Fazekas, "Differentiable All-pole Filters for Time-varying Audio Systems", DAFx 2024.

The backward pass needs the signal between the sections. It is not stored but computed again, block by block,
from the filters' states at the block's start: that stays in the cache, while six signals in float64 do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fxlens.dsp.gradient.sums import compiled_sums
from fxlens.dsp.kernels import compiled

_BLOCK = 512
_TINY = 1e-30


@compiled
def _section(x: np.ndarray, c: np.ndarray, state: np.ndarray, y: np.ndarray) -> None:
    """One section over a block ``[2, N]``; the channels are two recursions that need not wait for each other."""
    c0, c1, c2, a1, a2 = c
    left1, left2, right1, right2 = state
    for t in range(x.shape[1]):
        left = (x[0, t] - a2 * left2) - a1 * left1
        right = (x[1, t] - a2 * right2) - a1 * right1
        y[0, t] = x[0, t] + (c0 * left + (c1 * left1 + c2 * left2))
        y[1, t] = x[1, t] + (c0 * right + (c1 * right1 + c2 * right2))
        left1, left2, right1, right2 = left, left1, right, right1
    # A decay into silence would end in denormal numbers, which are slow: cut it off far below hearing.
    if abs(left1) + abs(left2) < _TINY:
        left1 = left2 = 0.0
    if abs(right1) + abs(right2) < _TINY:
        right1 = right2 = 0.0
    state[0], state[1], state[2], state[3] = left1, left2, right1, right2


@compiled
def cascade(audio: np.ndarray, c: np.ndarray, out: np.ndarray, states: np.ndarray) -> None:
    """Filter a batch, from rest.

    Args:
        audio: ``[B, 2, T]``.
        c: ``float64 [B, S, 5]``: c0, c1, c2, a1, a2 of every section.
        out: as ``audio``, written.
        states: ``float64 [B, blocks, S, 4]``, written: the state at the start of every block.
    """
    state, signal = np.empty((c.shape[1], 4)), np.empty((2, 2, _BLOCK))
    for item in range(audio.shape[0]):
        state[:] = 0.0
        for block in range(states.shape[1]):
            start = block * _BLOCK
            count = min(_BLOCK, audio.shape[2] - start)
            states[item, block] = state
            for channel in range(2):
                for t in range(count):
                    signal[0, channel, t] = audio[item, channel, start + t]
            now = 0
            for s in range(c.shape[1]):
                _section(signal[now, :, :count], c[item, s], state[s], signal[1 - now, :, :count])
                now = 1 - now
            for channel in range(2):
                for t in range(count):
                    out[item, channel, start + t] = signal[now, channel, t]


@compiled
def _backwards(grad: np.ndarray, a1: float, a2: float, q: np.ndarray) -> None:
    """``q[t] = grad[t] - a1 q[t+1] - a2 q[t+2]`` over a block; ``q [2, N + 2]`` holds the last two already."""
    count = grad.shape[1]
    left1, left2, right1, right2 = q[0, count], q[0, count + 1], q[1, count], q[1, count + 1]
    for t in range(count - 1, -1, -1):
        left = (grad[0, t] - a2 * left2) - a1 * left1
        right = (grad[1, t] - a2 * right2) - a1 * right1
        q[0, t], q[1, t] = left, right
        left1, left2, right1, right2 = left, left1, right, right1


@compiled_sums
def _collect(x: np.ndarray, y: np.ndarray, q: np.ndarray, c: np.ndarray, grad: np.ndarray, grad_c: np.ndarray) -> None:
    """Turn one channel's ``grad`` from that of ``y`` into that of ``x``; add to the coefficients' gradients."""
    c0, c1, c2 = c[0], c[1], c[2]
    to_c0, to_c1, to_c2, to_a1, to_a2 = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(x.size):
        change = y[t] - x[t]
        to_c0 += q[t] * x[t]
        to_c1 += q[t + 1] * x[t]
        to_c2 += q[t + 2] * x[t]
        to_a1 += q[t + 1] * change
        to_a2 += q[t + 2] * change
        grad[t] += c0 * q[t] + c1 * q[t + 1] + c2 * q[t + 2]
    grad_c[0] += to_c0
    grad_c[1] += to_c1
    grad_c[2] += to_c2
    grad_c[3] -= to_a1
    grad_c[4] -= to_a2


@compiled
def cascade_adjoint(
    grad_out: np.ndarray,
    audio: np.ndarray,
    c: np.ndarray,
    states: np.ndarray,
    grad_audio: np.ndarray,
    grad_c: np.ndarray,
) -> None:
    """Exact gradient of :func:`cascade`.

    Args:
        grad_out: as ``audio``.
        audio, c, states: as they were given to, and written by, :func:`cascade`.
        grad_audio: as ``audio``, written.
        grad_c: as ``c``, written.
    """
    sections = c.shape[1]
    state, later = np.empty((sections, 4)), np.empty((sections, 2, 2))
    signal, grad, q = np.empty((sections + 1, 2, _BLOCK)), np.empty((2, _BLOCK)), np.empty((2, _BLOCK + 2))
    for item in range(audio.shape[0]):
        later[:] = 0.0
        grad_c[item] = 0.0
        for block in range(states.shape[1] - 1, -1, -1):
            start = block * _BLOCK
            count = min(_BLOCK, audio.shape[2] - start)
            state[:] = states[item, block]
            for channel in range(2):
                for t in range(count):
                    signal[0, channel, t] = audio[item, channel, start + t]
                    grad[channel, t] = grad_out[item, channel, start + t]
            for s in range(sections):
                _section(signal[s, :, :count], c[item, s], state[s], signal[s + 1, :, :count])
            for s in range(sections - 1, -1, -1):
                q[:, count : count + 2] = later[s]
                _backwards(grad[:, :count], c[item, s, 3], c[item, s, 4], q)
                for channel in range(2):
                    _collect(
                        signal[s, channel, :count],
                        signal[s + 1, channel, :count],
                        q[channel],
                        c[item, s],
                        grad[channel, :count],
                        grad_c[item, s],
                    )
                    if abs(q[channel, 0]) + abs(q[channel, 1]) < _TINY:  # denormals, as above
                        q[channel, :2] = 0.0
                later[s] = q[:, :2]
            for channel in range(2):
                for t in range(count):
                    grad_audio[item, channel, start + t] = grad[channel, t]


class _Cascade(torch.autograd.Function):
    """Stereo audio ``[B, 2, T]`` and coefficients ``float64 [B, S, 5]`` on the CPU."""

    @staticmethod
    def forward(ctx: Any, audio: Tensor, c: Tensor) -> Tensor:
        out = torch.empty_like(audio)
        ctx.states = np.empty((audio.shape[0], -(-audio.shape[2] // _BLOCK), c.shape[1], 4))
        cascade(audio.numpy(), c.numpy(), out.numpy(), ctx.states)
        ctx.save_for_backward(audio, c)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor, Tensor]:
        audio, c = ctx.saved_tensors
        grad_audio, grad_c = torch.empty_like(audio), torch.empty_like(c)
        cascade_adjoint(
            grad_out.contiguous().numpy(), audio.numpy(), c.numpy(), ctx.states, grad_audio.numpy(), grad_c.numpy()
        )
        return grad_audio, grad_c


def filter_cascade(audio: Tensor, rows: Tensor) -> Tensor:
    """Run second-order sections one after the other, from rest, on the CPU.

    Args:
        audio: ``[B, 2, T]``, float32 or float64; the recursion runs in float64 either way.
        rows: ``float64 [B, S, 6]``: b0, b1, b2, 1, a1, a2 of every section, as
            :func:`fxlens.dsp.filters.biquad` gives them.

    Returns:
        As ``audio``; differentiable once with respect to both arguments.
    """
    c = torch.cat([rows[..., :3] - rows[..., 3:], rows[..., 4:]], dim=-1)
    out: Tensor = _Cascade.apply(audio.contiguous(), c.contiguous())
    return out
