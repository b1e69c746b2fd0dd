"""Warming the kernels: afterwards nothing is left to compile."""

from __future__ import annotations

import numpy as np
import torch

from fxlens.dsp.gradient import compander, crossover, filters, limiter, saturation
from fxlens.dsp.gradient.compilation import compile_gradient_kernels
from fxlens.effects.registry import PROCESSORS

KERNELS = [
    filters.cascade,
    filters.cascade_adjoint,
    crossover.lowpass_pass,
    compander.compand,
    compander.compand_adjoint,
    limiter.limit,
    limiter.limit_adjoint,
    saturation.saturate,
    saturation.saturate_adjoint,
]


def test_nothing_is_left_to_compile() -> None:
    compile_gradient_kernels()
    known = [len(kernel.signatures) for kernel in KERNELS]  # type: ignore[attr-defined]
    assert min(known) >= 2  # float32 and float64
    for processor in PROCESSORS.values():
        for dtype in (torch.float32, torch.float64):
            audio = torch.full((2, 2, 300), 0.3, dtype=dtype, requires_grad=True)
            draw = processor.draw(np.random.default_rng(0))
            values = {n: torch.full((2,), v, dtype=torch.float64, requires_grad=True) for n, v in draw.items()}
            processor.forward(audio, 44_100, values).square().sum().backward()
    assert [len(kernel.signatures) for kernel in KERNELS] == known  # type: ignore[attr-defined]
