"""Compiling the kernels of the differentiable face ahead of their first use."""

from __future__ import annotations

import torch

from fxlens.dsp.gradient.compander import SETTINGS, compress
from fxlens.dsp.gradient.crossover import filter_lowpass_pair
from fxlens.dsp.gradient.filters import filter_cascade
from fxlens.dsp.gradient.limiter import limit_peaks
from fxlens.dsp.gradient.saturation import saturate_batch


def compile_gradient_kernels() -> None:
    """Compile every kernel here now, or read it from disk: half a minute at most, once a machine.

    For programs that must not pause at the first step; calling the effects does the same piece by piece.
    """

    def halves(*shape: int) -> torch.Tensor:
        return torch.full(shape, 0.5, dtype=torch.float64, requires_grad=True)

    for dtype in (torch.float32, torch.float64):
        audio = torch.zeros(1, 2, 2, dtype=dtype, requires_grad=True)
        outputs = [
            filter_cascade(audio, halves(1, 1, 6)),
            *filter_lowpass_pair(audio, halves(1, 2)),
            compress(audio, halves(1, 1, len(SETTINGS)), 0.5),
            limit_peaks(audio, halves(1, 3)),
            saturate_batch(audio, halves(1, 4), 0.5, 0.5, 1e-8),
        ]
        torch.autograd.grad(torch.cat(outputs).sum(), audio)
