"""Every processor and face at any sample rate from 8 to 192 kHz and any length from one sample on.

Rates are drawn as they occur and as they do not (odd numbers, primes): a rate is a number in hertz, not a choice
from a list. Settings are drawn as chains draw them, or lie on the edges of their ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.processor import Processor
from fxlens.effects.registry import PROCESSORS
from fxlens.effects.streaming import measure, open_stream

EVERY = pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)
LONGEST = 4_000
EXAMPLES, EXAMPLES_OF_REVERBS = 15, 5  # a reverb makes a room each time
FAST, STREAMED, FORWARD_FLOAT32, FORWARD_FLOAT64 = 2e-6, 1e-6, 1e-4, 2e-5
"""Largest difference from the reference, per unit of the loudest sample of input and output."""

rates = st.one_of(
    st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000]), st.integers(8_000, 192_000)
)
lengths = st.one_of(st.integers(1, 70), st.integers(1, LONGEST))


@lru_cache(maxsize=8)
def sound(seed: int) -> np.ndarray:
    """A loud beginning, a quiet middle and a step, ``float32 [2, LONGEST]``; no matter at which rate."""
    rng = np.random.default_rng(seed)
    t = np.arange(LONGEST)
    loudness = np.exp(-t / 500.0) + (t > 2_500)
    tone = np.sin(0.03 * t + rng.random()) + 0.4 * np.sin(0.9 * t + rng.random((2, 1)))
    audio = (0.4 * loudness * (tone + 0.2 * rng.standard_normal((2, LONGEST)))).astype(np.float32)
    audio.flags.writeable = False
    return audio


def drawn(processor: Processor, seed: int) -> dict[str, float]:
    """Settings from either range, each of them with one chance in five on an edge of it."""
    rng = np.random.default_rng(seed)
    ranges = ("default", "paper")[int(rng.integers(2))]
    values = processor.draw(rng, ranges)  # type: ignore[arg-type]
    for parameter in processor.parameters:
        if rng.random() < 0.2:
            values[parameter.name] = parameter.bounds(ranges)[int(rng.integers(2))]  # type: ignore[arg-type]
    return values


def chain_of(processor: Processor, seed: int) -> EffectChain:
    return EffectChain((Effect(processor.type, True, drawn(processor, seed)),))


def check_faces(processor: Processor, seed: int, rate: int, length: int) -> None:
    chain, audio = chain_of(processor, seed), sound(seed % 4)[:, :length]
    values = chain.effects[0].parameters
    exact = processor.reference(audio.astype(np.float64), rate, **values)
    assert exact.dtype == np.float64 and exact.shape == audio.shape and np.isfinite(exact).all()
    scale = max(1.0, float(np.abs(exact).max()))

    def off(result: np.ndarray) -> float:
        assert result.shape == audio.shape
        return float(np.abs(result - exact).max()) / scale

    assert off(chain.render(audio[None], rate)[0]) <= FAST
    assert off(chain.forward(torch.from_numpy(audio.copy())[None], rate)[0].numpy()) <= FORWARD_FLOAT32
    double = torch.from_numpy(audio.astype(np.float64))[None]
    assert off(chain.forward(double, rate)[0].numpy()) <= FORWARD_FLOAT64

    ends = np.sort(np.random.default_rng(seed).integers(0, length + 1, 3))
    blocks = np.split(audio, ends, axis=1)
    stream = open_stream(chain, rate, measure(chain, rate, lambda: blocks))
    streamed = np.concatenate([*(stream.process(block) for block in blocks), stream.finish()], axis=1)
    assert off(streamed) <= STREAMED


def check_gradients(processor: Processor, seed: int, rate: int, length: int) -> None:
    chain = chain_of(processor, seed)
    audio = torch.from_numpy(sound(seed % 4)[:, :length].copy())[None].requires_grad_()
    unit = chain.unit().clamp(0.0, 1.0).requires_grad_()
    chain.forward(audio, rate, unit).square().sum().backward()
    for gradient in (audio.grad, unit.grad):
        assert gradient is not None and bool(torch.isfinite(gradient).all())


@EVERY
@pytest.mark.parametrize("check", [check_faces, check_gradients])
def test_any_rate_and_any_length(processor: Processor, check: Callable[[Processor, int, int, int], None]) -> None:
    @settings(max_examples=EXAMPLES_OF_REVERBS if processor.type == "reverb" else EXAMPLES, deadline=None)
    @given(seed=st.integers(0, 10_000), rate=rates, length=lengths)
    @example(seed=0, rate=8_000, length=1)
    @example(seed=1, rate=192_000, length=1)
    def anywhere(seed: int, rate: int, length: int) -> None:
        check(processor, seed, rate, length)

    anywhere()
