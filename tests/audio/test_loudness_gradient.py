"""Loudness with a gradient: the same as the meter's, and blind to gain in both directions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fxlens.audio.loudness import integrated_loudness
from fxlens.audio.loudness_gradient import at_loudness, loudness_lufs


def clips(length: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    swell = np.abs(np.sin(np.arange(length) * 1e-4)) ** 4 + 1e-4  # passages that the gates shut out
    gains = np.array([1.0, 0.01, 0.3]).reshape(3, 1, 1)
    return (0.2 * gains * swell * rng.standard_normal((3, 2, length))).astype(np.float32)


@pytest.mark.parametrize(("rate", "length"), [(44_100, 100_000), (48_000, 48_000), (22_050, 60_001), (44_100, 9000)])
def test_it_is_the_meters(rate: int, length: int) -> None:
    audio = clips(length)
    assert np.abs(loudness_lufs(torch.from_numpy(audio), rate).numpy() - integrated_loudness(audio, rate)).max() < 1e-3


def test_the_result_has_the_loudness_asked_for() -> None:
    audio = torch.from_numpy(clips(60_000))
    out = at_loudness(audio, 44_100, torch.tensor([-18.0, -30.0, -23.0]))
    assert np.abs(integrated_loudness(out.numpy(), 44_100) - [-18.0, -30.0, -23.0]).max() < 1e-3


def test_gradients_are_slopes() -> None:
    audio = torch.from_numpy(clips(30_000)[:1]).double().requires_grad_()
    weight = torch.from_numpy(clips(30_000, 1)[:1]).double()

    def value(x: torch.Tensor) -> torch.Tensor:
        return (at_loudness(x, 44_100, -18.0) * weight).sum()

    (grad,) = torch.autograd.grad(value(audio), audio)
    way = torch.from_numpy(clips(30_000, 2)[:1]).double()
    slope = (value(audio + 1e-5 * way) - value(audio - 1e-5 * way)) / 2e-5
    assert (grad * way).sum().item() == pytest.approx(slope.item(), rel=1e-5)


def test_a_gain_has_no_slope() -> None:
    gain = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    audio = torch.from_numpy(clips(30_000)[:1]).double()
    level = at_loudness(gain * audio, 44_100, -18.0).abs().sum()
    (slope,) = torch.autograd.grad(level, gain)
    assert abs(slope.item()) < 1e-6 * level.item()


def test_silence_stays_and_nan_stays_with_its_clip() -> None:
    audio = torch.from_numpy(clips(30_000))
    audio[0] = 0.0
    audio[1, 0, 5] = torch.nan
    out = at_loudness(audio, 44_100, -18.0)
    assert not out[0].any()
    assert torch.isnan(out[1]).any()
    assert torch.isfinite(out[2]).all()
