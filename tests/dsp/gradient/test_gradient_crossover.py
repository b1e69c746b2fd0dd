"""The compiled pair of zero-phase low-passes: gradients by finite differences and by the frequency domain."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fxlens.dsp.crossover import lowpass_batch, lowpass_by_fft
from fxlens.dsp.gradient.crossover import filter_lowpass_pair

RATE = 44_100
CUTOFFS = torch.tensor([[20.0, 2000.0], [300.0, 12_000.0], [90.0, 11_025.0]], dtype=torch.float64)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gradients_of_audio_and_tangents() -> None:
    k = torch.tensor([[0.05, 0.5], [0.2, 1.4]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(filter_lowpass_pair, (noise(2, 2, 30).requires_grad_(), k), atol=1e-7)


@pytest.mark.parametrize(("dtype", "budget"), [(torch.float64, 2e-6), (torch.float32, 1e-4)])
def test_gradients_are_those_of_the_frequency_domain(dtype: torch.dtype, budget: float) -> None:
    """The frequency domain wraps around below 1e-7, so it is the less exact of the two."""
    audio, weights = noise(3, 2, 6000, seed=1), noise(2, 3, 2, 6000, seed=2)

    def gradients(by_fft: bool, dtype: torch.dtype) -> tuple[Tensor, ...]:
        x, cutoffs = audio.to(dtype).requires_grad_(), CUTOFFS.clone().requires_grad_()
        run = lowpass_by_fft if by_fft else lambda x, hz, rate: lowpass_batch(x, hz[:, 0], hz[:, 1], rate)
        low, high = run(x, cutoffs, RATE)
        total = (low * weights[0].to(dtype)).sum() + (high * weights[1].to(dtype)).sum()
        return torch.autograd.grad(total, (x, cutoffs))

    for ours, theirs in zip(gradients(False, dtype), gradients(True, torch.float64), strict=True):
        scale = theirs.abs() if theirs.ndim == 2 else theirs.abs().max()
        assert ((ours - theirs).abs() / scale).max() < budget


def test_gradient_counts_the_ringing_outside_the_clip() -> None:
    """A clip much shorter than a low filter's ringing: finite differences in k see all of it."""
    audio, weight, k = noise(1, 2, 20, seed=3), noise(1, 2, 20, seed=4), torch.tensor([[0.002, 0.01]]).double()

    def value(k: Tensor) -> Tensor:
        return sum((band * weight).sum() for band in filter_lowpass_pair(audio, k))

    k.requires_grad_()
    grad = torch.autograd.grad(value(k), k)[0]
    for i in range(2):
        step = torch.zeros(1, 2).double()
        step[0, i] = 1e-7
        slope = (value(k.detach() + step) - value(k.detach() - step)) / 2e-7
        assert grad[0, i].item() == pytest.approx(slope.item(), rel=1e-5)


def test_items_do_not_leak_and_silence_is_silent() -> None:
    audio = noise(3, 2, 700, seed=5)
    k = torch.tan(math.pi / RATE * CUTOFFS)
    alone = filter_lowpass_pair(audio, k)
    audio[1] = math.nan
    audio[2] = 0.0
    for out, expected in zip(filter_lowpass_pair(audio, k), alone, strict=True):
        assert torch.equal(out[0], expected[0]) and (out[2] == 0.0).all()
