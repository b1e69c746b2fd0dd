"""Compressors and expanders from audio to audio, with the exact gradient, compiled for the CPU.

Over one band (the audio itself) or three (below, between and above two cutoffs)::

    y = x + sum_b weight_b (makeup_b gain_b - 1) band_b

where ``gain_b`` is the smoothed gain of the band's level, see :mod:`fxlens.dsp.envelope`. What the backward pass
needs of levels and gains is computed again, block by block, from their values at the block's start: that stays
in the cache, and the bands' envelopes need no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fxlens.dsp import envelope
from fxlens.dsp.envelope import attack_release
from fxlens.dsp.gradient.ballistics import (
    compander_curve,
    compander_curve_adjoint,
    linked_peak,
    linked_peak_adjoint,
    smooth,
    smooth_adjoint,
)
from fxlens.dsp.gradient.sums import compiled_sums
from fxlens.dsp.kernels import LEVEL_FLOOR, compiled

SETTINGS = (
    "threshold_db",
    "slope",
    "knee_db",
    "expander_threshold_db",
    "expander_slope",
    "attack",
    "release",
    "makeup",
    "weight",
)
"""What each band is told, in this order: slopes are ``1 - 1/ratio`` and ``1/expander_ratio - 1``, attack and
release one-pole coefficients, make-up and weight linear."""

_ATTACK, _RELEASE, _MAKEUP, _WEIGHT = 5, 6, 7, 8
_BLOCK = 256
_PEAK, _LEVEL, _LEVEL_DB, _TARGET, _GAIN = range(5)


@compiled
def _load(audio: np.ndarray, low: np.ndarray, high: np.ndarray, start: int, bands: np.ndarray) -> None:
    """Split a block into ``bands [L, 2, N]``; behind the end there is silence."""
    count = min(bands.shape[2], audio.shape[1] - start)
    bands[:, :, count:] = 0.0
    for channel in range(2):
        for t in range(count):
            x = float(audio[channel, start + t])
            if bands.shape[0] == 1:
                bands[0, channel, t] = x
            else:
                below, above = float(low[channel, start + t]), float(high[channel, start + t])
                bands[0, channel, t], bands[1, channel, t], bands[2, channel, t] = below, above - below, x - above


@compiled
def _envelopes(bands: np.ndarray, c: np.ndarray, fall: float, states: np.ndarray, work: np.ndarray) -> None:
    """Fill ``work [5, L, N]``: each band's peak, level, level in dB, the gain aimed at, and the gain.

    ``states [L, 2]`` are level and gain before the block.
    """
    rows = bands.shape[0]
    for b in range(rows):
        linked_peak(bands[b], work[_PEAK, b])
    smooth(work[_PEAK], np.full(rows, fall), np.ones(rows), states[:, 0], work[_LEVEL])
    for b in range(rows):
        compander_curve(work[_LEVEL, b], c[b], work[_LEVEL_DB, b], work[_TARGET, b])
    smooth(work[_TARGET], c[:, _ATTACK], c[:, _RELEASE], states[:, 1], work[_GAIN])


@compiled
def compand(
    audio: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    c: np.ndarray,
    fall: float,
    out: np.ndarray,
    states: np.ndarray,
) -> None:
    """Process a batch, from rest.

    Args:
        audio: ``[B, 2, T]``.
        low: likewise, what lies below the first cutoff; anything where there is one band.
        high: likewise, below the second cutoff.
        c: ``float64 [B, bands, 9]``, see ``SETTINGS``.
        fall: one-pole coefficient of the detectors' fall.
        out: as ``audio``, written.
        states: ``float64 [B, blocks, bands, 2]``, written: level and gain before every block.
    """
    rows = c.shape[1]
    bands, work = np.empty((rows, 2, _BLOCK)), np.empty((5, rows, _BLOCK))
    for item in range(audio.shape[0]):
        for block in range(states.shape[1]):
            start, state = block * _BLOCK, states[item, block]
            for b in range(rows):
                if block == 0:
                    state[b, 0], state[b, 1] = LEVEL_FLOOR, 1.0
                else:
                    state[b, 0], state[b, 1] = work[_LEVEL, b, _BLOCK - 1], work[_GAIN, b, _BLOCK - 1]
            _load(audio[item], low[item], high[item], start, bands)
            _envelopes(bands, c[item], fall, state, work)
            for channel in range(2):
                for t in range(min(_BLOCK, audio.shape[2] - start)):
                    y = float(audio[item, channel, start + t])
                    for b in range(rows):
                        change = c[item, b, _MAKEUP] * work[_GAIN, b, t] - 1.0
                        y += c[item, b, _WEIGHT] * change * bands[b, channel, t]
                    out[item, channel, start + t] = y


@compiled_sums
def _mix_adjoint(
    grad_out: np.ndarray,
    band: np.ndarray,
    gain: np.ndarray,
    c: np.ndarray,
    grad_band: np.ndarray,
    grad_gain: np.ndarray,
    to: np.ndarray,
) -> None:
    """Gradients of one band's share in the sum: ``[2, N]`` of the band and ``[N]`` of the gain are written."""
    makeup, weight = c[_MAKEUP], c[_WEIGHT]
    to_makeup, to_weight = 0.0, 0.0
    for t in range(gain.size):
        change = makeup * gain[t] - 1.0
        product = grad_out[0, t] * band[0, t] + grad_out[1, t] * band[1, t]
        grad_band[0, t] = weight * change * grad_out[0, t]
        grad_band[1, t] = weight * change * grad_out[1, t]
        grad_gain[t] = weight * makeup * product
        to_makeup += gain[t] * product
        to_weight += change * product
    to[_MAKEUP] += weight * to_makeup
    to[_WEIGHT] += to_weight


@compiled
def compand_adjoint(
    grad_out: np.ndarray,
    audio: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    c: np.ndarray,
    fall: float,
    states: np.ndarray,
    grad_audio: np.ndarray,
    grad_low: np.ndarray,
    grad_high: np.ndarray,
    grad_c: np.ndarray,
) -> None:
    """Exact gradient of :func:`compand`; the last four arguments are written (with one band, two of them)."""
    rows = c.shape[1]
    bands, grad_bands, grad_y = np.empty((rows, 2, _BLOCK)), np.empty((rows, 2, _BLOCK)), np.empty((2, _BLOCK))
    work, grad = np.empty((5, rows, _BLOCK)), np.empty((rows, _BLOCK))
    later_level, later_gain = np.empty(rows), np.empty(rows)  # their gradients from all later blocks
    falls, rises, unused = np.full(rows, fall), np.ones(rows), np.zeros(rows)
    for item in range(audio.shape[0]):
        settings, to = c[item], grad_c[item]
        later_level[:], later_gain[:], to[:] = 0.0, 0.0, 0.0
        for block in range(states.shape[1] - 1, -1, -1):
            start, state = block * _BLOCK, states[item, block]
            count = min(_BLOCK, audio.shape[2] - start)
            _load(audio[item], low[item], high[item], start, bands)
            _envelopes(bands, settings, fall, state, work)
            grad_y[:, count:] = 0.0
            for channel in range(2):
                for t in range(count):
                    grad_y[channel, t] = grad_out[item, channel, start + t]
            for b in range(rows):
                _mix_adjoint(grad_y, bands[b], work[_GAIN, b], settings[b], grad_bands[b], grad[b], to[b])
            attack, release = settings[:, _ATTACK], settings[:, _RELEASE]
            smooth_adjoint(
                work[_TARGET],
                attack,
                release,
                state[:, 1],
                work[_GAIN],
                later_gain,
                grad,
                to[:, _ATTACK],
                to[:, _RELEASE],
            )
            for b in range(rows):
                compander_curve_adjoint(
                    work[_LEVEL, b], settings[b], work[_LEVEL_DB, b], work[_TARGET, b], grad[b], to[b]
                )
            smooth_adjoint(work[_PEAK], falls, rises, state[:, 0], work[_LEVEL], later_level, grad, unused, unused)
            for b in range(rows):
                linked_peak_adjoint(bands[b], work[_PEAK, b], grad[b], grad_bands[b])
            for channel in range(2):
                for t in range(count):
                    at, last = start + t, grad_bands[rows - 1, channel, t]
                    grad_audio[item, channel, at] = grad_y[channel, t] + last
                    if rows == 3:
                        middle = grad_bands[1, channel, t]
                        grad_low[item, channel, at] = grad_bands[0, channel, t] - middle
                        grad_high[item, channel, at] = middle - last


class _Compander(torch.autograd.Function):
    """Stereo audio ``[B, 2, T]`` and settings ``float64 [B, bands, 9]`` on the CPU."""

    @staticmethod
    def forward(ctx: Any, audio: Tensor, low: Tensor, high: Tensor, c: Tensor, fall: float) -> Tensor:
        out = torch.empty_like(audio)
        ctx.fall, ctx.states = fall, np.empty((audio.shape[0], -(-audio.shape[2] // _BLOCK), c.shape[1], 2))
        compand(audio.numpy(), low.numpy(), high.numpy(), c.numpy(), fall, out.numpy(), ctx.states)
        ctx.save_for_backward(audio, low, high, c)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        audio, low, high, c = ctx.saved_tensors
        grads = [torch.empty_like(x) for x in (audio, low, high, c)]
        compand_adjoint(
            grad_out.contiguous().numpy(),
            audio.numpy(),
            low.numpy(),
            high.numpy(),
            c.numpy(),
            ctx.fall,
            ctx.states,
            grads[0].numpy(),
            grads[1].numpy(),
            grads[2].numpy(),
            grads[3].numpy(),
        )
        if c.shape[1] == 1:
            return grads[0], None, None, grads[3], None
        return (*grads, None)


def compress(audio: Tensor, c: Tensor, fall: float) -> Tensor:
    """Compress and expand all of the audio.

    Args:
        audio: ``[B, 2, T]``, float32 or float64.
        c: ``float64 [B, 1, 9]``, see ``SETTINGS``.
        fall: one-pole coefficient of the detector's fall.

    Returns:
        As ``audio``; differentiable once with respect to audio and settings.
    """
    if audio.device.type != "cpu":
        return compress_plain(audio, [audio], c, fall)
    audio = audio.contiguous()
    out: Tensor = _Compander.apply(audio, audio.detach(), audio.detach(), c.contiguous(), fall)
    return out


def compress_bands(audio: Tensor, low: Tensor, high: Tensor, c: Tensor, fall: float) -> Tensor:
    """Compress and expand three bands.

    Args:
        audio: ``[B, 2, T]``, float32 or float64.
        low: likewise, what lies below the lower cutoff.
        high: likewise, what lies below the upper cutoff; the bands are ``low``, ``high - low`` and
            ``audio - high``.
        c: ``float64 [B, 3, 9]``, see ``SETTINGS``.
        fall: one-pole coefficient of the detectors' fall.

    Returns:
        As ``audio``; differentiable once with respect to the three signals and the settings.
    """
    if audio.device.type != "cpu":
        return compress_plain(audio, [low, high - low, audio - high], c, fall)
    out: Tensor = _Compander.apply(audio.contiguous(), low.contiguous(), high.contiguous(), c.contiguous(), fall)
    return out


def compress_plain(audio: Tensor, bands: Sequence[Tensor], c: Tensor, fall: float) -> Tensor:
    """The same in torch operations, for any device; bands are ``[B, 2, T]``, other arguments as above."""
    stack = torch.stack(list(bands), dim=1)
    threshold_db, slope, knee_db, expander_threshold_db, expander_slope = c[..., :_ATTACK].to(audio).unbind(-1)
    makeup, weight = (c[..., i, None, None].to(audio) for i in (_MAKEUP, _WEIGHT))
    level = attack_release(envelope.linked_peak(stack), fall, 1.0, LEVEL_FLOOR)
    target = envelope.compander_curve(
        level,
        threshold_db,
        1.0 / (1.0 - slope),
        knee_db,
        expander_threshold_db,
        1.0 / (1.0 + expander_slope),
    )
    gain = attack_release(target, c[..., _ATTACK], c[..., _RELEASE], 1.0).unsqueeze(2)
    return audio + (weight * (makeup * gain - 1.0) * stack).sum(dim=1)
