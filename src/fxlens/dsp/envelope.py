"""Envelopes for dynamics: peak detector, static curves, attack and release, with exact gradients.

The chain is feed-forward: a stereo-linked level, a gain for that level (static curve), that gain smoothed
with one time constant where it falls (attack) and another where it rises (release).

Sources: D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design", JAES 60(6), 2012
(static curve and knee); C.-Y. Yu, C. Mitcheltree, A. Carson, S. Bilbao, J. Reiss, G. Fazekas, "Differentiable
All-pole Filters for Time-varying Audio Systems", DAFx 2024 (smoothing of the linear gain, and its gradient).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fxlens.dsp.kernels import (
    GAIN_FLOOR_DB,
    LEVEL_FLOOR,
    attack_release_rows,
    attack_release_rows_adjoint,
)

DETECTOR_FALL_MS = 10.0
"""Time constant with which the level of :func:`peak_level` falls; it rises at once."""

_NEPER_PER_DB = math.log(10.0) / 20.0


def time_coefficient(milliseconds: float, sample_rate: int) -> float:
    """Coefficient of a one-pole smoother that covers 1 - 1/e of a step in the given time.

    ``a = 1 - exp(-1000 / (milliseconds * sample_rate))``, for ``y[t] = y[t-1] + a (x[t] - y[t-1])``.
    """
    return -math.expm1(-1000.0 / (milliseconds * sample_rate))


def time_coefficients(milliseconds: Tensor, sample_rate: int) -> Tensor:
    """:func:`time_coefficient` for a tensor of any shape; differentiable."""
    return -torch.expm1(-1000.0 / (milliseconds * sample_rate))


class _AttackRelease(torch.autograd.Function):
    """Rows ``[N, T]`` on the CPU; forward and backward are compiled recursions."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, attack: Tensor, release: Tensor, initial: Tensor) -> Tensor:
        y = torch.empty_like(x)
        falling = torch.empty(x.shape, dtype=torch.bool)
        attack_release_rows(
            _array(x), _array64(attack), _array64(release), _array64(initial), y.numpy(), falling.numpy()
        )
        ctx.save_for_backward(x, attack, release, initial, y, falling)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, attack, release, initial, y, falling = ctx.saved_tensors
        grad_x = torch.empty_like(x)
        to_attack, to_release, to_initial = (np.empty(x.shape[0]) for _ in range(3))
        attack_release_rows_adjoint(
            _array(grad_y.contiguous()),
            _array(x),
            _array(y),
            falling.numpy(),
            _array64(attack),
            _array64(release),
            _array64(initial),
            grad_x.numpy(),
            to_attack,
            to_release,
            to_initial,
        )
        return (
            grad_x,
            torch.from_numpy(to_attack).to(attack),
            torch.from_numpy(to_release).to(release),
            torch.from_numpy(to_initial).to(initial),
        )


def _array(rows: Tensor) -> np.ndarray:
    return rows.detach().numpy()


def _array64(values: Tensor) -> np.ndarray:
    return values.detach().to(torch.float64).numpy()


def attack_release(x: Tensor, attack: Tensor | float, release: Tensor | float, initial: Tensor | float) -> Tensor:
    """Smooth with one coefficient where the signal falls and another where it rises.

    ``y[t] = y[t-1] + c[t] (x[t] - y[t-1])`` with ``c[t] = attack`` where ``x[t] < y[t-1]``, else ``release``.
    Once the choice is made the recursion is linear, so the backward pass is the same recursion reversed:
    exact, and linear in time. The choice itself is a step and has no gradient.

    The recursion runs on the CPU in ``float64``. A CUDA tensor is copied there and its result back: right,
    though slower than the rest of a GPU batch.

    Args:
        x: ``[..., T]``, float32 or float64.
        attack: coefficient in (0, 1], see :func:`time_coefficient`; broadcast to ``[...]``.
        release: likewise.
        initial: ``y[-1]``, broadcast to ``[...]``.

    Returns:
        As ``x``; differentiable once with respect to all four arguments.
    """
    rows = x.shape[:-1]
    flat = x.reshape(-1, x.shape[-1]).cpu().contiguous()

    def per_row(value: Tensor | float) -> Tensor:
        value = torch.as_tensor(value, dtype=x.dtype if not isinstance(value, Tensor) else None)
        return value.cpu().expand(rows).reshape(-1)

    y = _AttackRelease.apply(flat, per_row(attack), per_row(release), per_row(initial))
    return y.reshape(x.shape).to(x.device)


def linked_peak(audio: Tensor) -> Tensor:
    """Larger of the channels' magnitudes, never below -120 dBFS: ``[..., C, T]`` to ``[..., T]``."""
    return audio.abs().amax(dim=-2).clamp_min(LEVEL_FLOOR)


def peak_level(audio: Tensor, sample_rate: int) -> Tensor:
    """Linear level of both channels together: rises at once, falls with ``DETECTOR_FALL_MS``.

    The instant rise leaves the attack to the gain's time constant alone; the slow fall bridges the zero
    crossings, where an expander would otherwise close on every half-wave. The larger channel counts, so that
    both get one gain and the image stays where it is.

    Args:
        audio: ``[..., C, T]``.
        sample_rate: Hz.

    Returns:
        ``[..., T]``, at least ``LEVEL_FLOOR``.
    """
    fall = time_coefficient(DETECTOR_FALL_MS, sample_rate)
    return attack_release(linked_peak(audio), fall, 1.0, LEVEL_FLOOR)


def compander_curve(
    level: Tensor,
    threshold_db: Tensor,
    ratio: Tensor,
    knee_db: Tensor,
    expander_threshold_db: Tensor,
    expander_ratio: Tensor,
) -> Tensor:
    """Linear gain for a linear level: compression above one threshold, downward expansion below another.

    In dB, with ``over`` the distance to the threshold, the compressor takes ``(1 - 1/ratio) over`` above the
    knee and joins 0 dB by a parabola over ``knee_db``; the expander takes ``(1/expander_ratio - 1)`` per dB
    below its threshold. The larger of the two counts, at most 120 dB.

    Args:
        level: ``[..., T]``, above 0.
        threshold_db: ``[...]``.
        ratio: ``[...]``, dB in per dB out, 1 or more.
        knee_db: ``[...]``, above 0.
        expander_threshold_db: ``[...]``.
        expander_ratio: ``[...]``, dB in per dB out below the threshold, in (0, 1]; 1 switches the expander
            off.

    Returns:
        ``[..., T]``, in (0, 1].
    """
    level_db = level.log() / _NEPER_PER_DB
    over = level_db - threshold_db[..., None]
    knee = knee_db[..., None]
    inside = torch.minimum((over + 0.5 * knee).relu(), knee)
    taken = (1.0 - 1.0 / ratio)[..., None] * (inside.square() / (2.0 * knee) + (over - 0.5 * knee).relu())
    below = (1.0 / expander_ratio - 1.0)[..., None] * (expander_threshold_db[..., None] - level_db)
    taken = torch.maximum(taken, below).clamp(0.0, -GAIN_FLOOR_DB)
    return torch.exp(-_NEPER_PER_DB * taken)


def limiter_curve(peak: Tensor, threshold_db: Tensor) -> Tensor:
    """Linear gain ``min(1, threshold / peak)``: linear peaks ``[..., T]``, thresholds ``[...]`` in dBFS."""
    return (torch.exp(_NEPER_PER_DB * threshold_db)[..., None] / peak).clamp(max=1.0)
