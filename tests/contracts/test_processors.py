"""What every processor promises, checked for each one that is registered.

Settings are drawn as a chain draws them. The signals are like music: decaying chords and bursts of
noise at -18 LUFS.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fxlens.audio.loudness import normalize_loudness
from fxlens.audio.waveform import resample
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.processor import Parameter, Processor
from fxlens.effects.registry import PROCESSORS
from fxlens.errors import AudioNotFiniteError, PresetError

RATE = 44_100
EVERY = pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)
RANGES = ("default", "paper")

DECORRELATING = frozenset({"reverb"})
"""Processors that make stereo of mono on purpose."""
SMOOTH = {
    "gain": ("gain_db",),
    "stereo_imager": ("width",),
    "distortion": ("drive_db",),
    "delay": ("wet",),
    "reverb": ("wet",),
}
"""Parameters whose gradient is compared with finite differences; others have kinks, or tests of their own."""
NONLINEAR = frozenset({"distortion", "multiband_compressor", "compressor", "limiter"})
RATE_BUDGETS = {"equalizer": (2.0, 1.5, 0.25)}
"""Largest and mean difference in level, dB, and relative error between rates, where not 1.0, 0.25 and 0.02.

The bilinear transform narrows an equaliser's bands near the Nyquist frequency: its definition, not an error.
"""


@lru_cache(maxsize=64)
def music(seed: int = 0, seconds: float = 0.5) -> np.ndarray:
    """Chords and noise bursts at 44.1 kHz, nothing above 8 kHz, -18 LUFS: ``float64 [2, T]``, read-only."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(2.0 * seconds * 22_050)) / 22_050  # twice what is kept: loudness needs 0.4 s
    left, right = np.zeros_like(t), np.zeros_like(t)
    for start in np.arange(0.0, t[-1], 0.125):
        fade = np.where(t >= start, np.exp(-(t - start) * rng.uniform(5.0, 20.0)), 0.0)
        tone = sum(np.sin(2 * np.pi * rng.uniform(60.0, 1_500.0) * n * t) / n for n in range(1, 5))
        burst = rng.standard_normal(t.size) * (rng.random() < 0.5)
        pan = rng.uniform(0.2, 0.8)
        left, right = left + pan * fade * (tone + burst), right + (1.0 - pan) * fade * (tone - 0.5 * burst)
    spectrum = np.fft.rfft(np.stack([left, right]))
    spectrum[:, np.fft.rfftfreq(t.size, 1 / 22_050) > 8_000.0] = 0.0
    audio = normalize_loudness(resample(np.fft.irfft(spectrum, t.size), 22_050, RATE), RATE, -18.0)[0]
    audio = np.ascontiguousarray(audio[:, : int(seconds * RATE)], dtype=np.float64)
    audio.flags.writeable = False
    return audio


def draw(processor: Processor, seed: int, ranges: str = "default") -> dict[str, float]:
    return processor.draw(np.random.default_rng(seed), ranges)  # type: ignore[arg-type]


def forward(
    processor: Processor, audio: np.ndarray | Tensor, values: list[dict[str, float]], rate: int = RATE
) -> Tensor:
    """Run a batch ``[B, 2, T]`` with one set of values an item, in float64 as chains hand them over."""
    batch = torch.as_tensor(np.array(audio)) if isinstance(audio, np.ndarray) else audio
    columns = {n: torch.tensor([v[n] for v in values], dtype=torch.float64) for n in values[0]}
    return processor.forward(batch, rate, columns)


def differentiable_names(processor: Processor) -> list[str]:
    discrete = getattr(processor, "discrete", frozenset())
    return [p.name for p in processor.parameters if p.name not in discrete]


def edges(processor: Processor) -> list[dict[str, float]]:
    """All parameters at their minimum, all at their maximum, then each one at either, the others drawn."""
    found = [{p.name: p.bounds()[edge] for p in processor.parameters} for edge in (0, 1)]
    for i, parameter in enumerate(processor.parameters):
        found += [{**draw(processor, i), parameter.name: edge} for edge in parameter.bounds()]
    return found


@EVERY
def test_declaration_is_complete(processor: Processor) -> None:
    assert PROCESSORS[processor.type] is processor
    names = [p.name for p in processor.parameters]
    assert len(set(names)) == len(names) > 0
    for parameter in processor.parameters:
        low, high = parameter.bounds("paper")
        assert parameter.minimum < parameter.maximum and low <= high
        assert not parameter.log or min(parameter.minimum, low) > 0.0
    with pytest.raises(PresetError, match="no_such_thing"):
        processor.complete({"no_such_thing": 1.0})
    with pytest.raises(PresetError, match="finite"):
        processor.complete({names[0]: float("nan")})


@EVERY
@pytest.mark.parametrize("ranges", RANGES)
def test_unit_and_physical_round_trip(processor: Processor, ranges: str) -> None:
    unit = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    for parameter in processor.parameters:
        low, high = parameter.bounds(ranges)  # type: ignore[arg-type]
        if low == high:  # held still in this range: not part of the unit vector
            continue
        physical = parameter.to_physical(unit, ranges)  # type: ignore[arg-type]
        assert physical[0].item() == pytest.approx(low) and physical[-1].item() == pytest.approx(high)
        assert (physical.diff() > 0.0).all()
        torch.testing.assert_close(parameter.to_unit(physical, ranges), unit, atol=1e-12, rtol=0.0)


@EVERY
@pytest.mark.parametrize("ranges", RANGES)
def test_draws_lie_in_range_and_repeat(processor: Processor, ranges: str) -> None:
    assert draw(processor, 1, ranges) == draw(processor, 1, ranges) != draw(processor, 2, ranges)

    def inside(parameter: Parameter, value: float) -> bool:
        low, high = parameter.bounds(ranges)  # type: ignore[arg-type]
        return low - 1e-9 <= value <= high + 1e-9

    for seed in range(50):
        values = draw(processor, seed, ranges)
        assert list(values) == [p.name for p in processor.parameters]
        assert all(inside(p, values[p.name]) for p in processor.parameters)
        Effect(processor.type, parameters=values)  # a preset with these values is valid


@EVERY
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_both_faces_agree(processor: Processor, seed: int) -> None:
    values = draw(processor, seed)
    audio = music(seed % 4).astype(np.float32)
    expected = processor.reference(audio.astype(np.float64), RATE, **values)
    assert expected.dtype == np.float64 and expected.shape == audio.shape
    # A budget for the loudest sample: chains may add 24 dB of make-up gain.
    scale = max(1.0, np.abs(expected).max())
    for dtype, budget in ((np.float32, 1e-4), (np.float64, 2e-5)):
        out = forward(processor, audio[None].astype(dtype), [values])
        assert out.numpy().dtype == dtype
        assert np.abs(out[0].numpy() - expected).max() <= budget * scale


@EVERY
def test_neutral_is_the_identity(processor: Processor) -> None:
    audio = music().astype(np.float32)
    out = forward(processor, audio[None], [processor.neutral()])
    assert np.abs(out[0].numpy() - audio).max() <= 1e-6
    exact = processor.reference(audio.astype(np.float64), RATE, **processor.neutral())
    assert np.abs(exact - audio).max() <= 1e-6


@EVERY
def test_processing_does_not_touch_its_input(processor: Processor) -> None:
    audio = music().copy()
    batch = torch.from_numpy(music()[None].copy())
    for values in (draw(processor, 0), processor.neutral()):
        out = processor.reference(audio, RATE, **values)
        out += 1.0
        forward(processor, batch, [values])
    np.testing.assert_array_equal(audio, music())
    np.testing.assert_array_equal(batch[0].numpy(), music())


@EVERY
def test_silence_stays_silence(processor: Processor) -> None:
    silence = np.zeros((1, 2, 3_000), dtype=np.float32)
    for values in [draw(processor, seed) for seed in range(5)] + edges(processor)[:2]:
        out = forward(processor, silence, [values]).numpy()
        exact = processor.reference(silence[0].astype(np.float64), RATE, **values)
        assert np.isfinite(out).all() and np.abs(out).max() <= 1e-7
        assert np.isfinite(exact).all() and np.abs(exact).max() <= 1e-7


@EVERY
def test_nothing_leaks_between_items(processor: Processor) -> None:
    one, two, three = (music(seed).astype(np.float32) for seed in range(3))
    values = [draw(processor, seed) for seed in range(3)]
    others = [values[0], draw(processor, 7), draw(processor, 8)]
    silence = np.zeros_like(one)
    first = forward(processor, np.stack([one, two, three]), values)[0]
    assert (forward(processor, np.stack([one, three, silence]), values)[0] - first).abs().max() <= 1e-7
    # Other settings may ask for other FFT sizes, which round differently.
    scale = max(1.0, first.abs().max().item())
    loud = np.stack([one, silence, 100.0 * two])
    for batch, settings_ in ((loud, others), (one[None], values[:1])):
        assert (forward(processor, batch, settings_)[0] - first).abs().max() <= 1e-6 * scale


@EVERY
@pytest.mark.parametrize("length", [1, 2, 17])
def test_very_short_clips(processor: Processor, length: int) -> None:
    audio = np.ascontiguousarray(music()[:, 3_000 : 3_000 + length]).astype(np.float32)
    for seed in range(3):
        values = draw(processor, seed)
        out = forward(processor, audio[None], [values])[0].numpy()
        exact = processor.reference(audio.astype(np.float64), RATE, **values)
        assert out.shape == exact.shape == (2, length)
        assert np.isfinite(exact).all()
        assert np.abs(out - exact).max() <= 1e-4 * max(1.0, np.abs(exact).max())


@EVERY
def test_mono_as_stereo_stays_mono(processor: Processor) -> None:
    mono = np.repeat(music()[:1], 2, axis=0)
    for seed in range(3):
        values = draw(processor, seed)
        out = processor.reference(mono, RATE, **values)
        assert np.abs(out).max() > 0.01  # no width, no room makes silence of it
        if processor.type not in DECORRELATING:
            assert np.abs(out[0] - out[1]).max() <= 1e-9
            batch = forward(processor, mono[None].astype(np.float32), [values])
            assert (batch[:, 0] - batch[:, 1]).abs().max() <= 1e-6


@EVERY
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(processor: Processor, bad: float) -> None:
    chain = EffectChain((Effect(processor.type, parameters=draw(processor, 0)),))
    audio = music().copy()
    audio[1, 100] = bad
    with pytest.raises(AudioNotFiniteError):
        chain.apply(audio, RATE)
    with pytest.raises(AudioNotFiniteError):
        chain.forward(torch.from_numpy(audio[None]), RATE)


def envelope_db(audio: np.ndarray) -> np.ndarray:
    """Level in 20 ms frames, both channels together."""
    frames = audio[:, : audio.shape[1] // 441 * 441].reshape(2, -1, 441)
    return 10.0 * np.log10((frames**2).mean(axis=(0, 2)) + 1e-8)


@EVERY
@pytest.mark.parametrize("rate", [22_050, 44_100, 88_200, 192_000])
def test_the_sound_does_not_depend_on_the_sample_rate(processor: Processor, rate: int) -> None:
    """Against 48 kHz, compared at 22.05 kHz, where all have the whole signal (nothing above 8 kHz)."""
    if processor.type == "equalizer" and rate == 22_050:
        pytest.skip("most of its upper bands lie above the Nyquist frequency")
    source = music(2, 1.0)
    largest, mean, relative = RATE_BUDGETS.get(processor.type, (1.0, 0.25, 0.02))

    def sound(at: int, values: dict[str, float]) -> np.ndarray:
        return resample(processor.reference(resample(source, RATE, at), at, **values), at, 22_050)

    for seed in range(3):
        here, there = (sound(at, draw(processor, seed)) for at in (rate, 48_000))
        length = min(here.shape[1], there.shape[1])
        here, there = here[:, 2_205 : length - 2_205], there[:, 2_205 : length - 2_205]
        level = np.abs(envelope_db(here) - envelope_db(there))
        assert level.max() <= largest and level.mean() <= mean
        if processor.type not in NONLINEAR:
            assert np.linalg.norm(here - there) <= relative * np.linalg.norm(there)


@EVERY
def test_low_rates_work(processor: Processor) -> None:
    """At 22.05 kHz: finite, the faces agree, and cutoffs above the Nyquist frequency do no harm."""
    audio = resample(music(), RATE, 22_050).astype(np.float32)
    for values in [draw(processor, seed) for seed in range(3)] + edges(processor)[:2]:
        exact = processor.reference(audio.astype(np.float64), 22_050, **values)
        out = forward(processor, audio[None], [values], 22_050)[0].numpy()
        assert np.isfinite(exact).all()
        assert np.abs(out - exact).max() <= 1e-4 * max(1.0, np.abs(exact).max())


def gradients(processor: Processor, audio: np.ndarray, values: list[dict[str, float]]) -> dict[str, Tensor]:
    """Gradients of some fixed function of the output, for the audio and the parameters of a batch."""
    batch = torch.from_numpy(np.array(audio)).requires_grad_()
    leaves = {n: torch.tensor([v[n] for v in values], dtype=torch.float64) for n in values[0]}
    wanted = differentiable_names(processor)
    for name in wanted:
        leaves[name].requires_grad_()
    out = processor.forward(batch, RATE, leaves)
    probe = torch.from_numpy(np.random.default_rng(0).standard_normal(out.shape)).to(out)
    ((out * probe).sum() + out.square().sum()).backward()
    found = {"audio": batch.grad, **{n: leaves[n].grad for n in wanted}}
    assert all(g is not None for g in found.values()), [n for n, g in found.items() if g is None]
    return {n: g for n, g in found.items() if g is not None}


@EVERY
def test_every_parameter_has_a_gradient(processor: Processor) -> None:
    """For some settings at least: a threshold that nothing reaches has none."""
    audio = np.stack([music(seed % 3)[:, :11_025] for seed in range(6)])
    found = gradients(processor, audio, [draw(processor, seed) for seed in range(6)])
    assert [name for name, gradient in found.items() if not gradient.abs().max() > 0.0] == []


@EVERY
def test_gradients_are_finite_at_the_edges_and_on_silence(processor: Processor) -> None:
    """In float32, where it is harder, with audio that begins in silence and with nothing but silence."""
    values = [*edges(processor), processor.neutral()]
    half = music()[:, :1_200].astype(np.float32)
    half[:, :600] = 0.0
    for audio in (half, np.zeros_like(half)):
        for name, gradient in gradients(processor, np.stack([audio] * len(values)), values).items():
            fine = torch.isfinite(gradient.flatten(1) if name == "audio" else gradient[:, None]).all(dim=1)
            assert fine.all(), (name, [v for v, good in zip(values, fine, strict=True) if not good])


@pytest.mark.parametrize("type_", SMOOTH)
def test_gradients_are_slopes(type_: str) -> None:
    processor = PROCESSORS[type_]
    values = draw(processor, 3)
    # Short effects, so that 12 samples hear them.
    short = {"time_ms": 0.1, "predelay_ms": 0.0, "decay_seconds": 0.2}
    values.update({name: value for name, value in short.items() if name in values})
    audio = torch.from_numpy(np.array(music()[None, :, 5_000:5_012])).requires_grad_()
    smooth = [torch.tensor([values[n]], dtype=torch.float64, requires_grad=True) for n in SMOOTH[type_]]

    def run(audio: Tensor, *given: Tensor) -> Tensor:
        columns = {n: torch.tensor([v], dtype=torch.float64) for n, v in values.items()}
        return processor.forward(audio, RATE, {**columns, **dict(zip(SMOOTH[type_], given, strict=True))})

    assert torch.autograd.gradcheck(run, (audio, *smooth))
