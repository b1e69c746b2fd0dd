"""The compiled compander and limiter: finite differences, and the same equations in torch operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fxlens.dsp.gradient.compander import SETTINGS, compress, compress_bands, compress_plain
from fxlens.dsp.gradient.limiter import limit_peaks, limit_plain

FALL = 0.02
COMPANDER = {"threshold_db": -20.0, "slope": 0.6, "knee_db": 6.0, "expander_threshold_db": -30.0}
COMPANDER |= {"expander_slope": 1.5, "attack": 0.2, "release": 0.03, "makeup": 1.3, "weight": 0.7}


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Rising from -60 dB to full level: expander, nothing, knee and compressor are all met."""
    g = torch.Generator().manual_seed(seed)
    loudness = torch.logspace(-3.0, 0.0, shape[-1], dtype=torch.float64)
    return torch.randn(shape, generator=g, dtype=torch.float64) * loudness


def compander_settings(batch: int, bands: int, seed: int = 1) -> Tensor:
    base = torch.tensor([COMPANDER[name] for name in SETTINGS], dtype=torch.float64)
    g = torch.Generator().manual_seed(seed)
    return base * (0.8 + 0.4 * torch.rand(batch, bands, len(SETTINGS), generator=g, dtype=torch.float64))


def limiter_settings() -> Tensor:
    return torch.tensor([[0.3, 0.3, 0.02], [0.1, 0.5, 0.1]], dtype=torch.float64)


def one_band(audio: Tensor, c: Tensor) -> Tensor:
    return compress(audio, c, FALL)


def one_band_plain(audio: Tensor, c: Tensor) -> Tensor:
    return compress_plain(audio, [audio], c, FALL)


def three_bands(audio: Tensor, low: Tensor, high: Tensor, c: Tensor) -> Tensor:
    return compress_bands(audio, low, high, c, FALL)


def three_bands_plain(audio: Tensor, low: Tensor, high: Tensor, c: Tensor) -> Tensor:
    return compress_plain(audio, [low, high - low, audio - high], c, FALL)


CASES: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor], int, Tensor]] = {
    "one band": (one_band, one_band_plain, 1, compander_settings(2, 1)),
    "three bands": (three_bands, three_bands_plain, 3, compander_settings(2, 3)),
    "limiter": (limit_peaks, limit_plain, 1, limiter_settings()),
}
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@each
def test_gradients_of_audio_and_every_setting(case: tuple) -> None:
    run, _, signals, c = case
    inputs = [noise(2, 2, 40, seed=s).requires_grad_() for s in range(signals)]
    c = c.clone().requires_grad_()
    assert (torch.autograd.grad(run(*inputs, c).square().sum(), c)[0].abs().sum(dim=0) > 0.0).all()
    assert torch.autograd.gradcheck(run, (*inputs, c), eps=1e-8, atol=1e-6, rtol=1e-4)


@each
@pytest.mark.parametrize("length", [1, 255, 256, 257, 2000])
@pytest.mark.parametrize(("dtype", "budget"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_equals_torch_operations(case: tuple, length: int, dtype: torch.dtype, budget: float) -> None:
    run, plain, signals, c = case

    def all_of(run: Callable[..., Tensor], dtype: torch.dtype) -> list[Tensor]:
        inputs = [noise(2, 2, length, seed=s).to(dtype).requires_grad_() for s in range(signals)]
        settings = c.clone().requires_grad_()
        out = run(*inputs, settings)
        weight = noise(2, 2, length, seed=9).to(dtype)
        return [out.detach(), *torch.autograd.grad((out * weight).sum(), (*inputs, settings))]

    for ours, theirs in zip(all_of(run, dtype), all_of(plain, torch.float64), strict=True):
        assert (ours - theirs).abs().max() <= budget * max(1.0, theirs.abs().max().item())


@each
def test_mono_shares_its_gradient_between_the_channels(case: tuple) -> None:
    run, _, signals, c = case
    inputs = [noise(2, 1, 600, seed=s).expand(2, 2, -1).clone().requires_grad_() for s in range(signals)]
    for grad in torch.autograd.grad(run(*inputs, c).square().sum(), inputs):
        assert torch.equal(grad[:, 0], grad[:, 1])


@each
def test_silence_is_silent_and_has_finite_gradients(case: tuple) -> None:
    run, _, signals, c = case
    inputs = [torch.zeros(2, 2, 600, dtype=torch.float64, requires_grad=True) for _ in range(signals)]
    c = c.clone().requires_grad_()
    out = run(*inputs, c)
    assert (out == 0.0).all()
    for grad in torch.autograd.grad(out.sum(), (*inputs, c)):
        assert torch.isfinite(grad).all()


@pytest.mark.parametrize(("name", "level_db"), [("slope", -6.0), ("expander_slope", -50.0)])
def test_a_slope_of_zero_has_the_slope_of_its_upper_side(name: str, level_db: float) -> None:
    """A ratio of 1 is the edge of its range: a gradient must be able to leave it."""
    audio = torch.full((1, 2, 400), 10.0 ** (level_db / 20.0), dtype=torch.float64)
    base = torch.tensor([[[COMPANDER[n] for n in SETTINGS]]], dtype=torch.float64)
    base[..., SETTINGS.index("slope")] = base[..., SETTINGS.index("expander_slope")] = 0.0
    # A gain that rests neither falls nor rises: one coefficient for both, to look at the curve alone.
    base[..., SETTINGS.index("release")] = COMPANDER["attack"]
    step = torch.zeros_like(base)
    step[..., SETTINGS.index(name)] = 1e-6
    slope = (one_band(audio, base + step).sum() - one_band(audio, base).sum()) / 1e-6
    grad = torch.autograd.grad(one_band(audio, base.requires_grad_()).sum(), base)[0]
    assert grad[0, 0, SETTINGS.index(name)].item() == pytest.approx(slope.item(), rel=1e-4)
    assert slope < 0.0
