"""Second-order shelves and peaks: their coefficients, exact recursion and differentiable application.

Every filter here is one analogue prototype in ``s`` (normalised so that its cutoff is 1 rad/s), the ones of
R. Bristow-Johnson's "Cookbook formulae for audio EQ biquad filter coefficients", carried to digital by the
bilinear transform ``s = (1 - 1/z) / (k (1 + 1/z))`` with ``k = tan(pi cutoff / sample_rate)``. The recursion
and the frequency response are both read off that prototype, so they cannot drift apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from fxlens.dsp.gradient.filters import filter_cascade

Kind = Literal["low_shelf", "peak", "high_shelf"]
Value = Any
"""A float, a NumPy array or a torch tensor; what comes out is of the kind that went in."""

HIGHEST_CUTOFF = 0.49
"""Cutoffs above this share of the sample rate are held there: at one half the bilinear transform ends."""

TAIL_FLOOR = 1e-8
"""How far an impulse response must have decayed before its rest may wrap around in a circular convolution."""


class Section(NamedTuple):
    """One second-order filter before it is made digital.

    Args:
        numerator: coefficients of 1, s and s² above the bar.
        denominator: the same below the bar.
        warp: ``k`` of the bilinear transform.
    """

    numerator: tuple[Value, Value, Value]
    denominator: tuple[Value, Value, Value]
    warp: Value


def section(kind: Kind, gain_db: Value, cutoff_hz: Value, q: Value, sample_rate: float) -> Section:
    """Describe a shelf or a peak.

    Args:
        kind: ``"low_shelf"``, ``"peak"`` or ``"high_shelf"``.
        gain_db: gain of the shelf far beyond its cutoff, or of the peak at its centre, in dB.
        cutoff_hz: midpoint of the shelf's slope, or centre of the peak, in Hz; held below 0.49 sample_rate.
        q: quality factor, above 0.
        sample_rate: Hz.

    Returns:
        The section; its fields broadcast over the shapes of the arguments.
    """
    amplitude = 10.0 ** (gain_db / 40.0)
    slope = amplitude**0.5 / q
    top = HIGHEST_CUTOFF * sample_rate
    warp: Value
    if isinstance(cutoff_hz, Tensor):
        warp = torch.tan(math.pi * torch.clamp(cutoff_hz, max=top) / sample_rate)
    else:
        warp = np.tan(math.pi * np.minimum(cutoff_hz, top) / sample_rate)
    if kind == "peak":
        return Section((1.0, amplitude / q, 1.0), (1.0, 1.0 / (amplitude * q), 1.0), warp)
    # A shelf's two polynomials are each other's mirror images (s <-> 1/s) in both kinds.
    rising, falling = (amplitude, slope, 1.0), (1.0, slope, amplitude)
    above, below = (rising, falling) if kind == "low_shelf" else (falling, rising)
    return Section((amplitude * above[0], amplitude * above[1], amplitude * above[2]), below, warp)


def biquad(part: Section) -> Value:
    """Digital coefficients of a section.

    Use float64: at 20 Hz the coefficients differ from those of a double integrator only past the fifth digit.

    Returns:
        ``[..., 6]``: b0, b1, b2, 1, a1, a2, one row of SciPy's second-order sections.
    """
    k = part.warp

    def digital(polynomial: tuple[Value, Value, Value]) -> tuple[Value, Value, Value]:
        constant, first, second = polynomial[0] * k * k, polynomial[1] * k, polynomial[2]
        return constant + first + second, 2.0 * (constant - second), constant - first + second

    b, a = digital(part.numerator), digital(part.denominator)
    rows = [b[0] / a[0], b[1] / a[0], b[2] / a[0], a[0] / a[0], a[1] / a[0], a[2] / a[0]]
    if isinstance(k, Tensor):
        return torch.stack(torch.broadcast_tensors(*rows), dim=-1)
    return np.stack(np.broadcast_arrays(*rows), axis=-1)


def decay_samples(rows: np.ndarray, floor: float = TAIL_FLOOR) -> int:
    """How many samples the slowest of some biquads rings until it has fallen to ``floor``.

    Args:
        rows: ``float64 [..., 6]``, as :func:`biquad` gives them.
        floor: linear amplitude of a mode that starts at 1.

    Returns:
        Samples, rounded up.
    """
    a1, a2 = rows[..., 4], rows[..., 5]
    discriminant = a1 * a1 - 4.0 * a2
    real = (np.abs(a1) + np.sqrt(np.maximum(discriminant, 0.0))) / 2.0
    radius = np.where(discriminant < 0.0, np.sqrt(np.maximum(a2, 0.0)), real)
    slowest = min(float(radius.max()), 1.0 - 1e-7)
    return math.ceil(math.log(floor) / math.log(max(slowest, 1e-3)))


def filter_differentiable(audio: Tensor, parts: Sequence[Section], tail_samples: int) -> Tensor:
    """Run sections one after the other, differentiable with respect to the audio and every field of them.

    Stereo on the CPU is filtered by the exact recursion (:mod:`fxlens.dsp.gradient.filters`), anything else by
    :func:`filter_by_fft`, which alone needs ``tail_samples``.

    Args:
        audio: ``[B, C, T]``, float32 or float64.
        parts: sections whose fields are ``[B]`` tensors (or floats).
        tail_samples: see :func:`filter_by_fft`.

    Returns:
        ``[B, C, T]``, same type as ``audio``.
    """
    if audio.device.type != "cpu" or audio.shape[1] != 2:
        return filter_by_fft(audio, parts, tail_samples)

    def together(values: Sequence[Value]) -> Tensor:
        columns = [torch.as_tensor(value, dtype=torch.float64).expand(audio.shape[0]) for value in values]
        return torch.stack(columns, dim=1)

    def polynomials(all_of_them: Sequence[tuple[Value, Value, Value]]) -> tuple[Tensor, Tensor, Tensor]:
        constant, first, second = (together(values) for values in zip(*all_of_them, strict=True))
        return constant, first, second

    numerators, denominators = ([getattr(p, name) for p in parts] for name in ("numerator", "denominator"))
    warps = together([part.warp for part in parts])
    return filter_cascade(audio, biquad(Section(polynomials(numerators), polynomials(denominators), warps)))


def filter_by_fft(audio: Tensor, parts: Sequence[Section], tail_samples: int) -> Tensor:
    """:func:`filter_differentiable` in the frequency domain, for any device and number of channels.

    The cascade's frequency response multiplies the spectrum of the zero-padded audio. Read from the
    prototype, with ``sin`` and ``cos`` of half the frequency in place of powers of z, the response suffers no
    cancellation at low frequencies, so float32 is enough for it.

    Args:
        audio: ``[B, C, T]``, float32 or float64.
        parts: sections whose fields are ``[B]`` tensors (or floats).
        tail_samples: how much silence to append; what rings longer wraps around to the start. Take
            :func:`decay_samples` of the slowest filter that may come, not of those that did come: then no
            item of a batch changes the transform, and with it the rounding, of another.

    Returns:
        ``[B, C, T]``, same type as ``audio``.
    """
    length = audio.shape[-1]
    n_fft = next_fast_len(length + tail_samples, real=True)

    half = torch.arange(n_fft // 2 + 1, dtype=torch.float64, device=audio.device) * (math.pi / n_fft)
    sine, cosine = torch.sin(half), torch.cos(half)
    grid = [part.to(audio.dtype) for part in (cosine * cosine, sine * cosine, sine * sine)]

    def column(value: Value) -> Tensor:
        return torch.as_tensor(value, device=audio.device).to(audio.dtype).reshape(-1, 1)

    def on_grid(polynomial: tuple[Value, Value, Value], k: Value) -> Tensor:
        constant, first, second = polynomial
        real = column(constant * k * k) * grid[0] - column(second) * grid[2]
        return torch.complex(real, (column(first * k) * grid[1]).expand_as(real))

    above, below = on_grid(parts[0].numerator, parts[0].warp), on_grid(parts[0].denominator, parts[0].warp)
    for part in parts[1:]:
        above = above * on_grid(part.numerator, part.warp)
        below = below * on_grid(part.denominator, part.warp)
    # Only the change is filtered: at 0 dB it is exactly zero, and the dry part is never rounded.
    change = ((above - below) / below).unsqueeze(1)
    spectrum = torch.fft.rfft(audio, n_fft)
    return audio + torch.fft.irfft(spectrum * change, n_fft)[..., :length]
