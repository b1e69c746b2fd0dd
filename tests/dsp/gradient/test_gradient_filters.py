"""The compiled cascade: SciPy's recursion forwards, finite differences and the frequency domain backwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.signal import sosfilt
from torch import Tensor

from fxlens.dsp.filters import biquad, filter_by_fft, filter_differentiable, section
from fxlens.dsp.gradient.filters import filter_cascade

RATE = 44_100
# Lowest and highest cutoffs, cut and boost, broad and narrow: gain, cutoff, Q of a low shelf, a peak, a high shelf.
SETTINGS = torch.tensor(
    [
        [[12.0, 20.0, 5.0], [-12.0, 80.0, 0.5], [6.0, 21_000.0, 0.7]],
        [[-9.0, 2000.0, 0.5], [7.0, 12_000.0, 5.0], [-12.0, 4000.0, 2.0]],
    ],
    dtype=torch.float64,
)


def rows(settings: Tensor) -> Tensor:
    """``[B, S, 3]`` to ``[B, S, 6]``."""
    kinds = ("low_shelf", "peak", "high_shelf")
    return torch.stack([biquad(section(kinds[i], *settings[:, i].unbind(1), RATE)) for i in range(3)], dim=1)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("length", [1, 2, 511, 512, 513, 3000])
@pytest.mark.parametrize(("dtype", "budget"), [(torch.float64, 1e-9), (torch.float32, 2e-6)])
def test_output_is_scipys(length: int, dtype: torch.dtype, budget: float) -> None:
    audio = noise(2, 2, length).to(dtype)
    out = filter_cascade(audio, rows(SETTINGS))
    assert out.dtype == dtype
    for item in range(2):
        expected = sosfilt(rows(SETTINGS)[item].numpy(), audio[item].double().numpy(), axis=-1)
        assert np.abs(out[item].double().numpy() - expected).max() < budget * max(1.0, np.abs(expected).max())


def test_gradients_of_audio_and_every_coefficient() -> None:
    free = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0, 1.0], dtype=torch.float64)  # a0 is 1 by definition
    given = torch.tensor([[[1.1, -0.5, 0.2, 1.0, -0.6, 0.3], [0.9, 0.1, 0.1, 1.0, 0.2, 0.5]]] * 2, dtype=torch.float64)
    audio = noise(2, 2, 9).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, r: filter_cascade(x, r * free + (1.0 - free)), (audio, given.requires_grad_())
    )


def gradients(audio: Tensor, settings: Tensor, weight: Tensor, by_fft: bool) -> tuple[Tensor, ...]:
    x, s = audio.clone().requires_grad_(), settings.clone().requires_grad_()
    if by_fft:
        parts = [section(k, *s[:, i].unbind(1), RATE) for i, k in enumerate(("low_shelf", "peak", "high_shelf"))]
        out = filter_by_fft(x, parts, 400_000)
    else:
        out = filter_cascade(x, rows(s))
    return torch.autograd.grad((out * weight).sum(), (x, s))


def test_gradients_are_those_of_the_frequency_domain() -> None:
    """Over several blocks, at settings whose coefficients' gradients cancel to a millionth of their size."""
    audio, weight = noise(2, 2, 5000, seed=1), noise(2, 2, 5000, seed=2)
    for ours, theirs in zip(*(gradients(audio, SETTINGS, weight, by_fft) for by_fft in (False, True)), strict=True):
        # Every setting against its own size: the gradients of low cutoffs are a thousand times those of high ones.
        scale = theirs.abs().amax(dim=-1, keepdim=True) if theirs.shape[-1] > 3 else theirs.abs()
        assert ((ours - theirs).abs() / scale).max() < 1e-6


def test_single_precision_gradients_are_those_of_double_precision() -> None:
    audio, weight = noise(2, 2, 20_000, seed=3), noise(2, 2, 20_000, seed=4)
    double = gradients(audio, SETTINGS, weight, False)
    single = gradients(audio.float(), SETTINGS, weight.float(), False)
    for a, b in zip(single, double, strict=True):
        assert (a - b).abs().max() < 1e-5 * b.abs().max()


def test_a_flat_cascade_is_the_identity_and_has_gradients() -> None:
    settings = (SETTINGS * torch.tensor([0.0, 1.0, 1.0])).requires_grad_()
    audio = noise(2, 2, 1000, seed=5)
    out = filter_cascade(audio, rows(settings))
    assert torch.equal(out, audio)
    grad = torch.autograd.grad(out.square().sum(), settings)[0]
    assert (grad[..., 0] != 0.0).all() and (grad[..., 1:].abs() < 1e-6).all()  # only the gain is heard at 0 dB


def test_items_do_not_leak_and_silence_is_silent() -> None:
    audio = noise(3, 2, 700, seed=6)
    settings = SETTINGS[[0, 1, 0]]
    alone = filter_cascade(audio, rows(settings))
    audio[1] = math.nan
    audio[2] = 0.0
    out = filter_cascade(audio.requires_grad_(), rows(settings))
    assert torch.equal(out[0], alone[0]) and (out[2] == 0.0).all()
    grad = torch.autograd.grad(out.sum(), audio)[0]
    assert torch.isfinite(grad[[0, 2]]).all()


def test_mono_takes_the_frequency_domain() -> None:
    part = section("peak", torch.tensor([6.0]).double(), torch.tensor([900.0]).double(), 1.0, RATE)
    audio = noise(1, 1, 3000, seed=7)
    mono = filter_differentiable(audio, [part], 60_000)
    stereo = filter_differentiable(audio.expand(1, 2, -1), [part], 60_000)
    assert (mono[0, 0] - stereo[0, 1]).abs().max() < 1e-9
