"""The compiled saturation: finite differences, the same equations in torch operations, the coupling by SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from torch import Tensor

from fxlens.dsp.gradient.saturation import saturate_batch

POLE, RMS, FLOOR = 0.99, 0.25, 1e-8
# K, hardness, a and whether there is a coupling: soft and hard, faint and heavy, with and without it.
SETTINGS = torch.tensor(
    [[3.0, 0.3, 0.4, 1.0], [0.02, 0.5, 0.01, 1.0], [40.0, 0.0, 0.0, 0.0], [1e-9, 1.0, 0.0, 1.0]], dtype=torch.float64
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def run(audio: Tensor, c: Tensor) -> Tensor:
    return saturate_batch(audio, torch.cat([c, SETTINGS[: len(c), 3:]], dim=1), POLE, RMS, FLOOR)


def plain(audio: np.ndarray, c: np.ndarray) -> np.ndarray:
    power = np.mean(audio**2)
    scale = RMS / math.sqrt(power + FLOOR**2)
    u = scale * audio
    r = np.sqrt(c[0]) * np.abs(u)
    s = u * ((1.0 - c[1]) * np.tanh(r) / r + c[1] / np.maximum(r, 1.0))
    even = -c[2] * s**2 / (1.0 + c[2] * s)
    half = 0.5 * (1.0 + POLE)
    y = s + c[3] * lfilter([half, -half], [1.0, -POLE], even, axis=-1)
    return y * math.sqrt((np.mean(u**2) + FLOOR**2) / (np.mean(y**2) + FLOOR**2)) / scale


@pytest.mark.parametrize("length", [1, 511, 512, 513, 2000])
@pytest.mark.parametrize(("dtype", "budget"), [(torch.float64, 1e-11), (torch.float32, 2e-6)])
def test_output_is_the_equations(length: int, dtype: torch.dtype, budget: float) -> None:
    audio = noise(4, 2, length).to(dtype)
    out = run(audio, SETTINGS[:, :3])
    assert out.dtype == dtype
    for item in range(4):
        expected = plain(audio[item].double().numpy(), SETTINGS[item].numpy())
        assert np.abs(out[item].double().numpy() - expected).max() < budget * np.abs(expected).max()


def test_gradients_of_audio_and_every_setting() -> None:
    assert torch.autograd.gradcheck(
        run, (noise(3, 2, 30).requires_grad_(), SETTINGS[:3, :3].clone().requires_grad_()), atol=1e-7
    )


def test_gradients_across_blocks() -> None:
    audio, c, weight = noise(2, 2, 1500, seed=1), SETTINGS[:2, :3].clone(), noise(2, 2, 1500, seed=2)
    audio, c = audio.requires_grad_(), c.requires_grad_()
    grads = torch.autograd.grad((run(audio, c) * weight).sum(), (audio, c))
    g = torch.Generator().manual_seed(3)
    for _ in range(3):
        steps = [1e-6 * torch.randn(x.shape, generator=g, dtype=torch.float64) * x.detach().abs() for x in (audio, c)]
        ends = [
            (run(audio.detach() + sign * steps[0], c.detach() + sign * steps[1]) * weight).sum() for sign in (1, -1)
        ]
        slope = sum((grad * step).sum() for grad, step in zip(grads, steps, strict=True))
        assert slope.item() == pytest.approx(0.5 * (ends[0] - ends[1]).item(), rel=1e-5)


def test_silence_is_silent_and_has_finite_gradients() -> None:
    audio, c = torch.zeros(4, 2, 600, requires_grad=True), SETTINGS[:, :3].clone().requires_grad_()
    out = run(audio, c)
    assert (out == 0.0).all()
    for grad in torch.autograd.grad(out.sum(), (audio, c)):
        assert torch.isfinite(grad).all()
