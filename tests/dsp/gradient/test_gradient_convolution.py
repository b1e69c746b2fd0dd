"""Convolution by the FFT: NumPy's own, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fxlens.dsp.gradient.convolution import convolve


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("length", "taps"), [(1, 1), (7, 3), (50, 50), (31, 40)])
def test_output_is_numpys(channels: int, length: int, taps: int) -> None:
    audio, response = noise(2, 2, length), noise(2, channels, taps, seed=1)
    out = convolve(audio, response)
    for item in range(2):
        for channel in range(2):
            expected = np.convolve(audio[item, channel], response[item, channel % channels])[:length]
            assert np.abs(out[item, channel].numpy() - expected).max() < 1e-12


@pytest.mark.parametrize("channels", [1, 2])
def test_gradients(channels: int) -> None:
    inputs = (noise(2, 2, 11).requires_grad_(), noise(2, channels, 6, seed=1).requires_grad_())
    assert torch.autograd.gradcheck(convolve, inputs)


def test_either_argument_alone() -> None:
    audio, response = noise(1, 2, 11), noise(1, 1, 6, seed=1)
    for wanted in (audio.clone().requires_grad_(), response.clone().requires_grad_()):
        pair = (wanted, response) if wanted.shape == audio.shape else (audio, wanted)
        assert torch.autograd.grad(convolve(*pair).square().sum(), wanted)[0].abs().max() > 0.0
