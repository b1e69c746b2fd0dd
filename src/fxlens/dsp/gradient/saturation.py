"""The saturating curve of the distortion on the CPU, with the exact gradient, compiled.

With ``x`` a clip, ``scale`` such that ``u = scale x`` has a given RMS, ``z = K u^2`` and the shares of tanh and of
hard clipping given by ``hardness``::

    s = u ((1 - hardness) tanh(sqrt z) / sqrt z + hardness min(1, 1 / sqrt z))
    y = s + coupling(-a s^2 / (1 + a s))
    out = y rms(u) / rms(y) / scale

``coupling`` is the one-pole high-pass ``(1 + p) / 2 (1 - z^-1) / (1 - p z^-1)``; it is left out where ``a`` is 0 and
has no gradient to be found. What the settings mean is said in :mod:`fxlens.effects.distortion`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fxlens.dsp.gradient.sums import compiled_sums
from fxlens.dsp.kernels import compiled, exp2_normal

_BLOCK = 512
_TINY = 1e-30
_SMALL = 1e-2
_LOUDEST = 20.0
"""Beyond it tanh is 1 to the last digit."""


@compiled
def _soft(z: float) -> tuple[float, float, float]:
    """``q = tanh(r) / r`` for ``z = r^2``, its derivative by ``z``, and ``1 - tanh(r)^2 = q + 2 z dq/dz``."""
    large = max(z, _SMALL)
    r = math.sqrt(large)
    e = exp2_normal(min(r, _LOUDEST) * (2.0 / math.log(2.0)))
    tanh = (e - 1.0) / (e + 1.0)
    q = tanh / r
    flat = 1.0 - tanh * tanh
    slope = 0.5 * (flat - q) / large
    # Near 0 both quotients are 0 / 0: their series.
    series = 1.0 - z * (1.0 / 3.0 - z * (2.0 / 15.0 - z * (17.0 / 315.0 - z * (62.0 / 2835.0))))
    series_slope = -1.0 / 3.0 + z * (4.0 / 15.0 - z * (17.0 / 105.0 - z * (248.0 / 2835.0)))
    small = z < _SMALL
    q, slope = (series if small else q), (series_slope if small else slope)
    return q, slope, (series + 2.0 * z * series_slope if small else flat)


@compiled_sums
def _sum_of_products(a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for channel in range(2):
        for t in range(a.shape[1]):
            total += float(a[channel, t]) * float(b[channel, t])
    return total


@compiled
def _bend(x: np.ndarray, start: int, scale: float, k_squared: float, hardness: float, s: np.ndarray) -> None:
    """A block of one channel through the curve, ``s [N]``; behind the end there is silence."""
    count = min(s.size, x.size - start)
    s[count:] = 0.0
    for t in range(count):
        u = scale * x[start + t]
        z = k_squared * u * u
        s[t] = u * ((1.0 - hardness) * _soft(z)[0] + hardness / math.sqrt(max(z, 1.0)))


@compiled
def saturate(
    audio: np.ndarray, c: np.ndarray, pole: float, rms: float, floor: float, out: np.ndarray, matches: np.ndarray
) -> None:
    """Process a batch.

    Args:
        audio: ``[B, 2, T]``.
        c: ``float64 [B, 4]``: ``K``, hardness, ``a``, and whether there is a coupling (0 or 1).
        pole: of the coupling.
        rms: to which ``u`` is scaled.
        floor: RMS below which the scaling gives way.
        out: as ``audio``, written.
        matches: ``float64 [B, 2]``, written: ``out / y``, and the power of ``y`` with the floor's.
    """
    length = audio.shape[2]
    s = np.empty(_BLOCK)
    half = 0.5 * (1.0 + pole)
    for item in range(audio.shape[0]):
        k_squared, hardness, a, coupled = c[item, 0], c[item, 1], c[item, 2], c[item, 3] != 0.0
        power = _sum_of_products(audio[item], audio[item]) / (2.0 * length)
        scale = rms / math.sqrt(power + floor * floor)
        total = 0.0
        for channel in range(2):
            last, state = 0.0, 0.0
            for start in range(0, length, _BLOCK):
                _bend(audio[item, channel], start, scale, k_squared, hardness, s)
                for t in range(min(_BLOCK, length - start)):
                    y = s[t]
                    if coupled:
                        even = -a * y * y / (1.0 + a * y)
                        state = pole * state + half * (even - last)
                        last = even
                        y += state
                    total += y * y
                    out[item, channel, start + t] = y
                if abs(state) < _TINY:  # the decay into silence would end in denormal numbers, which are slow
                    state = 0.0
        after = total / (2.0 * length) + floor * floor
        match = math.sqrt((scale * scale * power + floor * floor) / after) / scale
        matches[item, 0], matches[item, 1] = match, after
        for channel in range(2):
            for t in range(length):
                out[item, channel, t] *= match


@compiled_sums
def _bend_adjoint(
    x: np.ndarray, start: int, scale: float, k_squared: float, hardness: float, grad: np.ndarray, to: np.ndarray
) -> None:
    """Turn the gradient of :func:`_bend`'s result into that of ``u``; add to those of ``K``, hardness and scale."""
    to_k, to_hardness, to_scale = 0.0, 0.0, 0.0
    for t in range(min(grad.size, x.size - start)):
        u = scale * x[start + t]
        z = k_squared * u * u
        soft, slope, flat = _soft(z)
        inverse = 1.0 / math.sqrt(max(z, 1.0))
        hard_slope = -0.5 * inverse * inverse * inverse if z > 1.0 else 0.0
        to_k += grad[t] * u * u * u * ((1.0 - hardness) * slope + hardness * hard_slope)
        to_hardness += grad[t] * u * (inverse - soft)
        grad[t] *= (1.0 - hardness) * flat + (0.0 if z > 1.0 else hardness)
        to_scale += grad[t] * x[start + t]
    to[0] += to_k
    to[1] += to_hardness
    to[3] += to_scale


@compiled
def saturate_adjoint(
    grad_out: np.ndarray,
    audio: np.ndarray,
    c: np.ndarray,
    pole: float,
    rms: float,
    floor: float,
    out: np.ndarray,
    matches: np.ndarray,
    grad_audio: np.ndarray,
    grad_c: np.ndarray,
) -> None:
    """Exact gradient of :func:`saturate`; the last two arguments are written (``grad_c`` but for the last column)."""
    length = audio.shape[2]
    s, grad, to = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(4)
    half = 0.5 * (1.0 + pole)
    for item in range(audio.shape[0]):
        k_squared, hardness, a, coupled = c[item, 0], c[item, 1], c[item, 2], c[item, 3] != 0.0
        match, after = matches[item]
        to[:] = 0.0
        power = _sum_of_products(audio[item], audio[item]) / (2.0 * length)
        scale = rms / math.sqrt(power + floor * floor)
        before = scale * scale * power + floor * floor
        # out = match y with match = sqrt(before / after) / scale and after = mean y^2 + floor^2.
        match_product = _sum_of_products(grad_out[item], out[item])
        by_y = -match_product / after / (2.0 * length * match)
        for channel in range(2):
            later = 0.0
            for start in range((length - 1) // _BLOCK * _BLOCK, -1, -_BLOCK):
                _bend(audio[item, channel], start, scale, k_squared, hardness, s)
                count = min(_BLOCK, length - start)
                for t in range(count - 1, -1, -1):
                    grad[t] = match * grad_out[item, channel, start + t] + by_y * out[item, channel, start + t]
                    if coupled:
                        now = pole * later + grad[t]
                        of_even = half * (now - later)
                        later = now
                        per = 1.0 / (1.0 + a * s[t])
                        to[2] -= of_even * s[t] * s[t] * per * per
                        grad[t] -= of_even * a * s[t] * (2.0 + a * s[t]) * per * per
                if abs(later) < _TINY:
                    later = 0.0
                _bend_adjoint(audio[item, channel], start, scale, k_squared, hardness, grad, to)
                for t in range(count):
                    grad_audio[item, channel, start + t] = scale * grad[t]
        to_scale = to[3] + match_product * (scale * power / before - 1.0 / scale)
        to_power = 0.5 * match_product * scale * scale / before - 0.5 * to_scale * scale / (power + floor * floor)
        for channel in range(2):
            for t in range(length):
                grad_audio[item, channel, t] += to_power / length * audio[item, channel, t]
        grad_c[item, 0], grad_c[item, 1], grad_c[item, 2], grad_c[item, 3] = to[0], to[1], to[2], 0.0


class _Saturation(torch.autograd.Function):
    """Stereo audio ``[B, 2, T]`` and settings ``float64 [B, 4]`` on the CPU."""

    @staticmethod
    def forward(ctx: Any, audio: Tensor, c: Tensor, pole: float, rms: float, floor: float) -> Tensor:
        out = torch.empty_like(audio)
        ctx.constants, ctx.matches = (pole, rms, floor), np.empty((audio.shape[0], 2))
        saturate(audio.numpy(), c.numpy(), pole, rms, floor, out.numpy(), ctx.matches)
        ctx.save_for_backward(audio, c, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        audio, c, out = ctx.saved_tensors
        grad_audio, grad_c = torch.empty_like(audio), torch.empty_like(c)
        pole, rms, floor = ctx.constants
        saturate_adjoint(
            grad_out.contiguous().numpy(),
            audio.numpy(),
            c.numpy(),
            pole,
            rms,
            floor,
            out.numpy(),
            ctx.matches,
            grad_audio.numpy(),
            grad_c.numpy(),
        )
        return grad_audio, grad_c, None, None, None


def saturate_batch(audio: Tensor, c: Tensor, pole: float, rms: float, floor: float) -> Tensor:
    """Bend a batch on the CPU; arguments as in :func:`saturate`.

    Returns:
        As ``audio``; differentiable once with respect to audio and settings.
    """
    out: Tensor = _Saturation.apply(audio.contiguous(), c.contiguous(), pole, rms, floor)
    return out
