"""The differentiable face: exact to the reference, and its gradients are slopes, for every processor and a chain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.processor import Processor, Range
from fxlens.effects.registry import PROCESSORS

EVERY = pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)
SEVEN = ("equalizer", "distortion", "multiband_compressor", "limiter", "gain", "stereo_imager", "delay")

AUDIBLE: dict[str, dict[str, float]] = {
    "equalizer": {},
    "distortion": {"drive_db": 9.0, "bias": 0.2, "hardness": 0.3},
    "compressor": {"threshold_db": -25.0, "ratio": 4.0, "knee_db": 8.0, "attack_ms": 0.3, "release_ms": 8.0},
    "limiter": {"threshold_db": -20.0, "attack_ms": 0.3, "release_ms": 20.0},
    "delay": {"time_ms": 2.03, "feedback": 0.4, "wet": 0.4},
    "reverb": {"decay_seconds": 0.21, "predelay_ms": 0.4, "damping": 0.3, "wet": 0.4},
    "multiband_compressor": {
        **{f"{band}_{name}": value for band in ("low", "mid", "high") for name, value in
           {"threshold_db": -30.0, "ratio": 3.0, "expander_threshold_db": -45.0, "expander_ratio": 0.5,
            "attack_ms": 1.0, "release_ms": 20.0}.items()},
        "low_crossover_hz": 250.0, "high_crossover_hz": 2500.0, "mix": 0.6,
    },
}  # fmt: skip
"""Settings under which a clip of a few milliseconds hears every parameter; others are drawn."""

AGREEMENT = {"reverb": 2e-5}
"""Largest error in float64 against the reference, where not 1e-7: the reverb rounds its room to float32."""


def phrase(length: int, rate: int, seed: int = 0, quiet: float = 1e-3) -> np.ndarray:
    """Notes and noise that rise from ``quiet`` to near full scale and fall again: ``float64 [2, T]``."""
    rng = np.random.default_rng(seed)
    t = np.arange(length) / rate
    swell = quiet ** np.abs(np.linspace(-1.0, 0.4, length))
    notes = sum(np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in (110.0, 440.0, 1760.0))
    return 0.15 * swell * (notes * np.array([[1.0], [0.6]]) + rng.standard_normal((2, length)))


def settings(processor: Processor, seed: int) -> dict[str, float]:
    return processor.draw(np.random.default_rng(seed)) | AUDIBLE.get(processor.type, {})


def continuous(processor: Processor) -> list[str]:
    discrete: frozenset[str] = getattr(processor, "discrete", frozenset())
    return [p.name for p in processor.parameters if p.name not in discrete]


@EVERY
def test_gradients_of_audio_and_every_parameter(processor: Processor) -> None:
    rate = 44_100 if processor.type == "equalizer" else 8000  # no cutoff above the Nyquist frequency
    length = {"multiband_compressor": 60, "compressor": 160, "limiter": 160}.get(processor.type, 24)
    audio = torch.from_numpy(phrase(length, rate)[None]).requires_grad_()
    values = settings(processor, 1)
    names = continuous(processor)
    given = [torch.tensor([values[n]], dtype=torch.float64, requires_grad=True) for n in names]

    def run(audio: Tensor, *given: Tensor) -> Tensor:
        fixed = {n: torch.tensor([v], dtype=torch.float64) for n, v in values.items()}
        return processor.forward(audio, rate, fixed | dict(zip(names, given, strict=True)))

    found = torch.autograd.grad(run(audio, *given).square().sum(), given)
    assert [n for n, grad in zip(names, found, strict=True) if grad.item() == 0.0] == []
    assert torch.autograd.gradcheck(run, (audio, *given), eps=1e-7, atol=1e-5, rtol=1e-4, fast_mode=True)


@EVERY
@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_output_is_the_references(processor: Processor, rate: int, dtype: torch.dtype) -> None:
    audio = np.stack([phrase(rate // 4, rate, seed) for seed in range(3)])
    draws = [processor.draw(np.random.default_rng(seed)) for seed in range(3)]
    values = {n: torch.tensor([d[n] for d in draws], dtype=torch.float64) for n in draws[0]}
    out = processor.forward(torch.from_numpy(audio).to(dtype), rate, values)
    assert out.dtype == dtype
    budget = 1e-5 if dtype == torch.float32 else AGREEMENT.get(processor.type, 1e-7)
    for item, draw in enumerate(draws):
        expected = processor.reference(audio[item], rate, **draw)
        error = np.abs(out[item].double().numpy() - expected).max()
        assert error <= max(budget, AGREEMENT.get(processor.type, 0.0)) * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("ranges", ["default", "paper"])
@EVERY
def test_gradients_are_finite_at_every_edge_and_on_silence(processor: Processor, ranges: Range) -> None:
    """In float32, through the unit range, each setting at 0 and at 1 while the others are drawn."""
    chain = EffectChain((Effect(processor.type, parameters=settings(processor, 2)),))
    count = len(chain.parameter_names(ranges))
    rng = np.random.default_rng(3)
    rows = [np.zeros(count), np.ones(count)]
    for i in range(count):
        for edge in (0.0, 1.0):
            rows.append(rng.random(count))
            rows[-1][i] = edge
    unit = torch.from_numpy(np.stack(rows)).float().requires_grad_()
    clip = phrase(900, 44_100).astype(np.float32)
    clip[:, :300] = 0.0
    for sound in (clip, np.zeros_like(clip)):
        audio = torch.from_numpy(np.stack([sound] * len(rows))).requires_grad_()
        out = chain.forward(audio, 44_100, unit, ranges)
        for grad in torch.autograd.grad(out.square().sum() + out.sum(), (audio, unit)):
            assert torch.isfinite(grad).all()


def test_a_chains_unit_gradient_is_its_slope() -> None:
    """Seven effects, float64, over several blocks of every kernel: directions in the unit range, and in the audio."""
    rate, length = 44_100, 4000
    chain = EffectChain(tuple(Effect(type_, parameters=settings(PROCESSORS[type_], 4)) for type_ in SEVEN))
    audio = torch.from_numpy(phrase(length, rate, quiet=0.02)[None]).requires_grad_()
    g = torch.Generator().manual_seed(5)
    weight = torch.randn(1, 2, length, generator=g, dtype=torch.float64)
    unit = chain.unit().double().clamp(0.02, 0.98).requires_grad_()

    def value(audio: Tensor, unit: Tensor) -> Tensor:
        return (chain.forward(audio, rate, unit) * weight).sum()

    grads = torch.autograd.grad(value(audio, unit), (audio, unit))
    assert (grads[1] != 0.0).float().mean() > 0.9
    for _ in range(4):
        ways = [torch.randn(x.shape, generator=g, dtype=torch.float64) for x in (audio, unit)]
        for which in range(2):
            step = [1e-7 * way if i == which else 0.0 * way for i, way in enumerate(ways)]
            ends = [value(audio.detach() + s * step[0], unit.detach() + s * step[1]).item() for s in (1.0, -1.0)]
            slope = sum((grad * way).sum().item() for grad, way in zip(grads, step, strict=True))
            assert slope == pytest.approx(0.5 * (ends[0] - ends[1]), rel=3e-5)


@pytest.mark.gpu
@EVERY
def test_cuda_does_the_same(processor: Processor) -> None:
    values = settings(processor, 6)
    audio = torch.from_numpy(phrase(5000, 44_100)[None])
    results = []
    for device in ("cpu", "cuda"):
        x = audio.detach().to(device).requires_grad_()
        given = {
            n: torch.tensor([v], dtype=torch.float64, device=device, requires_grad=True) for n, v in values.items()
        }
        out = processor.forward(x, 44_100, given)
        wanted = [given[name] for name in continuous(processor)]
        results.append([out.detach(), *torch.autograd.grad(out.square().sum(), (x, *wanted))])
    for here, there in zip(*results, strict=True):
        assert (here - there.cpu()).abs().max() <= 1e-6 * max(1.0, here.abs().max().item())
