"""Detector, static curve and ballistics: against a plain loop, torchcomp, and their definitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
import torch
from torch import Tensor

from fxlens.dsp import envelope, kernels

RATE = 44_100


def plain_attack_release(x: np.ndarray, attack: float, release: float, initial: float) -> np.ndarray:
    state, out = initial, []
    for value in x.tolist():
        coefficient = attack if value < state else release
        state = (1.0 - coefficient) * state + coefficient * value
        out.append(state)
    return np.array(out)


def db(value: Tensor | float) -> Tensor:
    return 20.0 * torch.log10(torch.as_tensor(value, dtype=torch.float64))


@pytest.mark.parametrize("rate", [22_050, 44_100, 192_000])
@pytest.mark.parametrize("milliseconds", [0.5, 5.0, 50.0])
def test_a_time_constant_covers_all_but_one_eth_of_a_step(rate: int, milliseconds: float) -> None:
    n = round(milliseconds * rate / 1000)
    slow = envelope.time_coefficient(10_000.0, rate)
    fast = envelope.time_coefficient(n * 1000 / rate, rate)
    down = envelope.attack_release(torch.zeros(1, n, dtype=torch.float64), fast, slow, 1.0)
    up = envelope.attack_release(torch.ones(1, n, dtype=torch.float64), slow, fast, 0.0)
    assert down[0, -1].item() == pytest.approx(1 / math.e, abs=1e-9)
    assert up[0, -1].item() == pytest.approx(1 - 1 / math.e, abs=1e-9)


@pytest.mark.parametrize(("dtype", "budget"), [(torch.float64, 1e-12), (torch.float32, 2e-7)])
def test_smoother_equals_a_plain_loop(dtype: torch.dtype, budget: float) -> None:
    x = torch.rand(4, 3000, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    attack = torch.tensor([1.0, 0.3, 0.01, 1e-3], dtype=torch.float64)
    release = torch.tensor([0.2, 0.3, 5e-4, 0.1], dtype=torch.float64)
    y = envelope.attack_release(x, attack, release, 0.5)
    assert y.dtype == dtype
    for row in range(4):
        expected = plain_attack_release(x[row].double().numpy(), float(attack[row]), float(release[row]), 0.5)
        assert np.abs(y[row].double().numpy() - expected).max() < budget


def test_slow_release_at_high_rate_does_not_stall_in_single_precision() -> None:
    c = envelope.time_coefficient(1000.0, 192_000)
    y = envelope.attack_release(torch.ones(1, 5 * 192_000), c, c, 0.0)
    assert y[0, -1].item() == pytest.approx(1 - math.exp(-5), abs=1e-6)


def test_smoother_gradient() -> None:
    g = torch.Generator().manual_seed(2)
    x = torch.rand(3, 40, generator=g, dtype=torch.float64, requires_grad=True)
    attack = torch.tensor([0.5, 0.05, 0.9], dtype=torch.float64, requires_grad=True)
    release = torch.tensor([0.1, 0.4, 0.01], dtype=torch.float64, requires_grad=True)
    initial = torch.tensor([1.0, 0.0, 0.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(envelope.attack_release, (x, attack, release, initial), atol=1e-7)


def test_single_precision_gradient_is_that_of_double_precision() -> None:
    g = torch.Generator().manual_seed(3)
    x = torch.rand(2, 20_000, generator=g).cumsum(1).sin().abs()  # long settled stretches: x close to y
    x[:, 5000:15_000] = 1.0
    weight = torch.randn(2, 20_000, generator=g)

    def gradients(dtype: torch.dtype) -> list[Tensor]:
        inputs = [
            t.detach().to(dtype, copy=True).requires_grad_()
            for t in (x, torch.tensor([0.1, 0.02]), torch.tensor([1e-3, 1e-2]))
        ]
        (envelope.attack_release(inputs[0], inputs[1], inputs[2], 1.0) * weight.to(dtype)).sum().backward()
        return [t.grad.double() for t in inputs if t.grad is not None]

    for single, double in zip(gradients(torch.float32), gradients(torch.float64), strict=True):
        assert (single - double).abs().max() <= 1e-4 * double.abs().max()


def test_rows_do_not_leak_even_from_nan() -> None:
    g = torch.Generator().manual_seed(4)
    clean = torch.rand(3, 500, generator=g)
    broken = clean.clone()
    broken[1] = math.nan
    results = []
    for batch in (clean, broken):
        x = batch.clone().requires_grad_()
        attack = torch.full((3,), 0.1, requires_grad=True)
        y = envelope.attack_release(x, attack, 0.01, 1.0)
        y.sum().backward()
        results.append((y, x.grad, attack.grad))
    for a, b in zip(*results, strict=True):
        assert a is not None and b is not None
        assert torch.equal(a[[0, 2]], b[[0, 2]])


def test_level_rises_at_once_and_falls_in_ten_milliseconds() -> None:
    audio = torch.zeros(1, 2, 2000, dtype=torch.float64)
    audio[0, 1, 100:1000] = -0.5  # the right channel alone, negative: linked, rectified
    level = envelope.peak_level(audio, RATE)[0]
    assert level[99] == kernels.LEVEL_FLOOR
    assert torch.allclose(level[100:1000], torch.tensor(0.5, dtype=torch.float64))
    assert level[999 + 441].item() == pytest.approx(0.5 / math.e, rel=1e-3)


def curve(level_db: float, **changes: float) -> float:
    """Gain in dB at a level in dBFS."""
    settings = {"threshold_db": -20.0, "ratio": 4.0, "knee_db": 1e-3, **changes}
    settings = {"expander_threshold_db": -50.0, "expander_ratio": 1.0, **settings}
    level = torch.tensor([[10 ** (level_db / 20)]], dtype=torch.float64)
    values = {name: torch.tensor([value], dtype=torch.float64) for name, value in settings.items()}
    compiled = level[0].numpy().copy()
    kernels.compander_curve(
        compiled,
        settings["threshold_db"],
        1 - 1 / settings["ratio"],
        settings["knee_db"],
        settings["expander_threshold_db"],
        1 / settings["expander_ratio"] - 1,
    )
    gain = envelope.compander_curve(level, **values)
    assert gain.item() == pytest.approx(compiled[0], rel=1e-12)
    return db(gain).item()


@pytest.mark.parametrize(
    ("level_db", "changes", "gain_db"),
    [
        (-30.0, {}, 0.0),
        (-20.0, {}, 0.0),
        (-8.0, {}, -9.0),  # 12 dB over, a quarter of it left
        (0.0, {"ratio": 20.0}, -19.0),
        (-8.0, {"ratio": 1.0}, 0.0),
        (-20.0, {"knee_db": 12.0}, -0.75 * 6.0**2 / 24.0),  # middle of the knee
        (-26.0, {"knee_db": 12.0}, 0.0),  # its lower end
        (-14.0, {"knee_db": 12.0}, -4.5),  # its upper end: on the straight line
        (-60.0, {"expander_ratio": 0.5}, -10.0),
        (-50.0, {"expander_ratio": 0.5}, 0.0),
        (-60.0, {"expander_ratio": 0.25}, -30.0),
        (-120.0, {"expander_ratio": 0.1}, -120.0),  # bounded
    ],
)
def test_static_curve(level_db: float, changes: dict[str, float], gain_db: float) -> None:
    assert curve(level_db, **changes) == pytest.approx(gain_db, abs=1e-3)


def test_compiled_logarithm_and_power() -> None:
    x = 10.0 ** np.linspace(-6, 2, 2001)
    assert max(abs(kernels.log2_positive(v) - math.log2(v)) for v in x) < 1e-13
    x = np.linspace(-30, 10, 2001)
    assert max(abs(kernels.exp2_normal(v) / 2.0**v - 1) for v in x) < 1e-13


def test_curve_gradient_is_finite_on_silence() -> None:
    audio = torch.zeros(1, 2, 50, requires_grad=True)
    values = {"threshold_db": -20.0, "ratio": 4.0, "knee_db": 6.0}
    values |= {"expander_threshold_db": -40.0, "expander_ratio": 0.1}
    leaves = {name: torch.tensor([value], requires_grad=True) for name, value in values.items()}
    envelope.compander_curve(envelope.peak_level(audio, RATE), **leaves).sum().backward()
    for leaf in (audio, *leaves.values()):
        assert leaf.grad is not None and torch.isfinite(leaf.grad).all()


def test_against_torchcomp() -> None:
    torchcomp = pytest.importorskip("torchcomp", reason="the oracle for the gain computers: pip install torchcomp")
    g = torch.Generator().manual_seed(5)
    swell = (torch.arange(RATE) * 0.0007).sin().abs().double()
    x = torch.randn(4, RATE, generator=g, dtype=torch.float64) * 0.5 * swell
    level = x.abs().clamp_min(1e-4)  # above the level where our gain ends at -120 dB and theirs does not
    threshold, ratio = torch.tensor([-30.0, -20.0, -10.0, -5.0]), torch.tensor([2.0, 4.0, 6.0, 1.5])
    lower, expansion = torch.tensor([-60.0, -50.0, -40.0, -30.0]), torch.tensor([0.2, 0.5, 0.8, 0.95])
    attack_ms, release_ms = torch.tensor([0.5, 2.0, 10.0, 20.0]), torch.tensor([20.0, 50.0, 200.0, 500.0])
    threshold, ratio, lower, expansion, attack_ms, release_ms = (
        v.double() for v in (threshold, ratio, lower, expansion, attack_ms, release_ms)
    )
    # torchcomp's times are to 89 % of a step, 2.2 time constants
    theirs = tuple(torchcomp.ms2coef(2.2 * ms, RATE) for ms in (attack_ms, release_ms))
    attack, release = (envelope.time_coefficients(ms, RATE) for ms in (attack_ms, release_ms))
    for a, b in zip(theirs, (attack, release), strict=True):
        assert torch.allclose(a, b, rtol=1e-12)

    gain = envelope.compander_curve(level, threshold, ratio, torch.full((4,), 1e-9).double(), lower, expansion)
    gain = envelope.attack_release(gain, attack, release, 1.0)
    expected = torchcomp.compexp_gain(level, threshold, ratio, lower, expansion, *theirs)
    assert (gain - expected).abs().max() < 1e-9

    peak = envelope.attack_release(level, release, attack, 0.0)
    gain = envelope.attack_release(envelope.limiter_curve(peak, threshold), attack, release, 1.0)
    assert (gain - torchcomp.limiter_gain(level, threshold, *theirs)).abs().max() < 1e-9


def test_kernels_work_where_nothing_can_be_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def refusing(*args: Any, **options: Any) -> Callable[..., Any]:
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return njit(*args, **options)

    monkeypatch.setattr(numba, "njit", refusing)

    @kernels.compiled
    def doubled(x: float) -> float:
        return 2.0 * x

    assert doubled(3.0) == 6.0


@pytest.mark.gpu
def test_smoother_on_cuda() -> None:
    x = torch.rand(2, 300, generator=torch.Generator().manual_seed(6))
    there = x.cuda().requires_grad_()
    y = envelope.attack_release(there, torch.tensor([0.1, 0.2], device="cuda"), 0.01, 1.0)
    y.sum().backward()
    assert y.is_cuda and there.grad is not None and there.grad.is_cuda
    assert torch.equal(y.cpu(), envelope.attack_release(x, torch.tensor([0.1, 0.2]), 0.01, 1.0))
