"""Compressor and limiter: static curve, time constants, ceiling, image, both faces, gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fxlens.dsp.kernels import LEVEL_FLOOR
from fxlens.effects.dynamics import Compressor, Limiter
from fxlens.effects.processor import Processor
from fxlens.errors import PresetError

RATE = 44_100
PROCESSORS = [Compressor(), Limiter()]
each = pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: p.type)


def phrase(seconds: float, rate: int, seed: int) -> np.ndarray:
    """Notes, hits and pauses at about -18 LUFS, wide in stereo: ``float64 [2, T]``."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    notes = sum(np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in (65.0, 131.0, 330.0, 1320.0, 5000.0))
    swell = np.maximum(np.sin(2 * np.pi * 1.7 * t), 0.0)
    hits = rng.normal(size=(2, t.size)) * np.exp(-((t * 3.1) % 1.0) * 30.0)
    audio = np.stack([notes * swell, 0.4 * notes * swell]) + 2.0 * hits
    return audio * 10 ** (-18 / 20) / np.sqrt(np.mean(audio**2))


def tensors(values: dict[str, float], dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([value], dtype=dtype) for name, value in values.items()}


def plain_compressor(audio: np.ndarray, rate: int, v: dict[str, float]) -> np.ndarray:
    def coefficient(ms: float) -> float:
        return 1.0 - math.exp(-1000.0 / (ms * rate))

    level, gain, gains = LEVEL_FLOOR, 1.0, []
    for left, right in audio.T.tolist():
        peak = max(abs(left), abs(right), LEVEL_FLOOR)
        level = peak if peak > level else level + coefficient(10.0) * (peak - level)
        over = 20.0 * math.log10(level) - v["threshold_db"]
        if 2.0 * over <= -v["knee_db"]:
            target = 0.0
        elif 2.0 * over < v["knee_db"]:
            target = (1.0 / v["ratio"] - 1.0) * (over + v["knee_db"] / 2.0) ** 2 / (2.0 * v["knee_db"])
        else:
            target = (1.0 / v["ratio"] - 1.0) * over
        linear = 10.0 ** (target / 20.0)
        gain += coefficient(v["attack_ms"] if linear < gain else v["release_ms"]) * (linear - gain)
        gains.append(gain)
    return audio * np.array(gains) * 10.0 ** (v["makeup_db"] / 20.0)


def plain_limiter(audio: np.ndarray, rate: int, v: dict[str, float]) -> np.ndarray:
    attack, release = (1.0 - math.exp(-1000.0 / (v[f"{name}_ms"] * rate)) for name in ("attack", "release"))
    threshold, level, gain, gains = 10.0 ** (v["threshold_db"] / 20.0), 0.0, 1.0, []
    for left, right in audio.T.tolist():
        peak = max(abs(left), abs(right))
        level += (attack if peak > level else release) * (peak - level)
        target = 1.0 if level <= threshold else threshold / level
        gain += (attack if target < gain else release) * (target - gain)
        gains.append(gain)
    return audio * np.array(gains)


@pytest.mark.parametrize("seed", range(4))
def test_reference_equals_a_plain_loop(seed: int) -> None:
    rng, audio = np.random.default_rng(seed), phrase(0.2, RATE, seed)
    for processor, plain, budget in (
        (Compressor(), plain_compressor, 1e-12),
        (Limiter(), plain_limiter, 2e-6),
    ):
        values = processor.draw(rng)
        assert np.abs(processor.reference(audio, RATE, **values) - plain(audio, RATE, values)).max() < budget


@each
@pytest.mark.parametrize("rate", [22_050, 44_100, 192_000])
def test_faces_agree(processor: Processor, rate: int) -> None:
    rng = np.random.default_rng(rate)
    audio = phrase(0.7, rate, 1)
    draws = [processor.draw(rng) for _ in range(6)]
    batch = torch.from_numpy(np.stack([audio] * 6)).float()
    values = {name: torch.tensor([d[name] for d in draws]) for name in draws[0]}
    out = processor.forward(batch, rate, values).double().numpy()
    for item, draw in enumerate(draws):
        loudest = 10.0 ** (max(draw.get("makeup_db", 0.0), 0.0) / 20.0)
        assert np.abs(out[item] - processor.reference(audio, rate, **draw)).max() < 1e-5 * loudest


@pytest.mark.parametrize(
    ("level_db", "changes", "gain_db"),
    [
        (-30.0, {}, 0.0),
        (-12.0, {}, -6.0),
        (-12.0, {"ratio": 20.0}, -7.6),
        (-20.0, {"knee_db": 12.0}, -1.125),
        (-12.0, {"makeup_db": 6.0}, 0.0),
    ],
)
@pytest.mark.parametrize("signal", ["constant", "tone"])
def test_steady_level_follows_the_static_curve(
    level_db: float, changes: dict[str, float], gain_db: float, signal: str
) -> None:
    values = Compressor.complete({"threshold_db": -20.0, "ratio": 4.0, "attack_ms": 1.0, **changes})
    t = np.arange(RATE) / RATE
    wave = np.cos(2 * np.pi * 1000 * t) if signal == "tone" else np.ones(RATE)
    audio = 10 ** (level_db / 20) * np.stack([wave, wave])
    out = Compressor().reference(audio, RATE, **values)
    measured = 20 * np.log10(np.abs(out[0, -4410:]).max() / np.abs(audio[0, -4410:]).max())
    assert measured == pytest.approx(gain_db, abs=1e-3 if signal == "constant" else 0.2)


@pytest.mark.parametrize("rate", [22_050, 48_000, 192_000])
@pytest.mark.parametrize("attack_ms", [1.0, 20.0, 100.0])
def test_attack_takes_its_time(attack_ms: float, rate: int) -> None:
    values = Compressor.complete({"threshold_db": -20.0, "ratio": 4.0, "attack_ms": attack_ms})
    audio = np.full((2, rate), 0.5)
    gain = Compressor().reference(audio, rate, **values)[0] / 0.5
    covered = (1.0 - gain) / (1.0 - gain[-1])
    reached = (np.argmax(covered >= 1 - 1 / math.e) + 1) * 1000 / rate
    assert reached == pytest.approx(attack_ms, abs=1.1 * 1000 / rate)


@pytest.mark.parametrize("release_ms", [50.0, 200.0, 1000.0])
def test_release_takes_its_time_once_the_level_is_down(release_ms: float) -> None:
    values = Compressor.complete({"threshold_db": -12.0, "ratio": 20.0, "release_ms": release_ms})
    n = RATE // 2
    audio = np.concatenate([np.full((2, n), 0.5), np.full((2, 6 * RATE), 0.02)], axis=1)
    gain = Compressor().reference(audio, RATE, **values)[0] / audio[0]
    covered = (gain[n:] - gain[n - 1]) / (1.0 - gain[n - 1])
    reached = (np.argmax(covered >= 1 - 1 / math.e) + 1) * 1000 / RATE
    detector = 10.0 * math.log((0.5 - 0.02) / (10 ** (-12 / 20) - 0.02))  # from 0.5 down to the threshold
    assert release_ms <= reached <= release_ms + detector + 0.1


@pytest.mark.parametrize("threshold_db", [-20.0, -12.0, -3.0])
def test_limiter_holds_the_ceiling(threshold_db: float) -> None:
    tone = np.cos(2 * np.pi * 997 * np.arange(RATE) / RATE)
    values = {"threshold_db": threshold_db, "attack_ms": 0.1, "release_ms": 200.0}
    settled = Limiter().reference(np.stack([tone, 0.3 * tone]), RATE, **values)[:, RATE // 2 :]
    assert 20 * np.log10(np.abs(settled[0]).max()) == pytest.approx(threshold_db, abs=0.1)


def test_limiter_attack_bounds_the_overshoot() -> None:
    """A step to full scale: level and gain each take the attack; after ten times that it is over."""
    values = {"threshold_db": -12.0, "attack_ms": 1.0, "release_ms": 100.0}
    out = Limiter().reference(np.ones((2, RATE // 10)), RATE, **values)[0]
    assert np.all(np.diff(out) <= 0)
    assert out[441] == pytest.approx(10 ** (-12 / 20), rel=1e-3)


def test_limiter_at_zero_leaves_full_scale_alone() -> None:
    audio = np.random.default_rng(1).uniform(-1, 1, (2, RATE))
    audio[:, 100:200] = 1.0
    assert np.abs(Limiter().reference(audio, RATE, **Limiter.neutral()) - audio).max() < 1e-12
    over = Limiter().reference(2.0 * audio, RATE, **Limiter.neutral())
    assert np.abs(over).mean() < 1.5 * np.abs(audio).mean()


@each
def test_neutral_is_identity(processor: Processor) -> None:
    audio = phrase(0.5, RATE, 2)
    audio /= max(1.0, np.abs(audio).max())
    neutral = processor.neutral()
    assert np.abs(processor.reference(audio, RATE, **neutral) - audio).max() < 1e-12
    batch = torch.from_numpy(audio).float()[None]
    assert (processor.forward(batch, RATE, tensors(neutral)) - batch).abs().max() < 1e-6


@each
def test_image_does_not_move(processor: Processor) -> None:
    left = phrase(0.5, RATE, 3)[0]
    audio = np.stack([left, -0.25 * left])
    values = processor.draw(np.random.default_rng(4)) | {"threshold_db": -20.0}
    out = processor.reference(audio, RATE, **values)
    assert np.abs(out[1] + 0.25 * out[0]).max() < 1e-12
    assert np.abs(out - audio).max() > 0.01
    swapped = processor.reference(audio[::-1], RATE, **values)
    assert np.array_equal(swapped[::-1], out)


@each
def test_sample_rate_keeps_the_sound(processor: Processor) -> None:
    values = processor.complete({"threshold_db": -15.0, "attack_ms": 2.0, "release_ms": 100.0})
    if "ratio" in values:
        values["ratio"] = 6.0
    envelopes = []
    for rate in (22_050, 44_100, 192_000):
        t = np.arange(rate) / rate
        audio = np.stack([np.sin(2 * np.pi * 200 * t) * (0.05 + (t > 0.3) * (t < 0.5))] * 2)
        out = processor.reference(audio, rate, **values)
        envelopes.append(np.sqrt((out[0, : rate // 50 * 50] ** 2).reshape(50, -1).mean(-1)))
    for other in envelopes[1:]:
        assert np.abs(20 * np.log10(other / envelopes[0])).max() < 0.3


@each
def test_silent_and_broken_items_stay_alone(processor: Processor) -> None:
    audio = torch.from_numpy(np.stack([phrase(0.05, RATE, s) for s in range(3)])).float()
    rng = np.random.default_rng(5)
    draws = [processor.draw(rng) for _ in range(3)]
    results = []
    for middle in (audio[1], torch.zeros_like(audio[1]), torch.full_like(audio[1], math.nan)):
        batch = torch.stack([audio[0], middle, audio[2]]).requires_grad_()
        values = {name: torch.tensor([d[name] for d in draws], requires_grad=True) for name in draws[0]}
        out = processor.forward(batch, RATE, values)
        out.square().sum().backward()
        results.append([out, batch.grad, *(v.grad for v in values.values())])
    for variant in results[1:]:
        for expected, got in zip(results[0], variant, strict=True):
            assert expected is not None and got is not None
            assert torch.equal(expected[[0, 2]], got[[0, 2]])
    silent = results[1]
    assert silent[0] is not None and silent[0][1].abs().max() == 0.0
    assert all(grad is not None and torch.isfinite(grad).all() for grad in silent[1:])


@each
def test_single_sample_and_mono(processor: Processor) -> None:
    values = processor.draw(np.random.default_rng(6))
    assert processor.reference(np.ones((2, 1)), RATE, **values).shape == (2, 1)
    assert processor.forward(torch.ones(1, 2, 1), RATE, tensors(values)).shape == (1, 2, 1)
    mono = np.broadcast_to(phrase(0.1, RATE, 7)[:1], (2, 4410))
    out = processor.reference(mono, RATE, **values)
    assert np.array_equal(out[0], out[1])


@each
def test_gradients_of_audio_and_every_parameter(processor: Processor) -> None:
    rate, rng = 2000, np.random.default_rng(8)
    audio = torch.from_numpy(0.5 * rng.normal(size=(2, 2, 30))).requires_grad_()
    draws = [processor.draw(rng) | {"threshold_db": level} for level in (-20.0, -10.0)]
    names = list(draws[0])
    values = [torch.tensor([d[n] for d in draws], dtype=torch.float64, requires_grad=True) for n in names]

    def apply(audio: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return processor.forward(audio, rate, dict(zip(names, values, strict=True)))

    out = torch.autograd.grad(apply(audio, *values).square().sum(), values)
    assert all((grad != 0).any() for grad in out)
    assert torch.autograd.gradcheck(apply, (audio, *values), eps=1e-7, atol=1e-5, rtol=1e-4, fast_mode=True)


@pytest.mark.parametrize(
    ("processor", "name", "value"),
    [
        (Compressor(), "ratio", 0.5),
        (Compressor(), "knee_db", -1.0),
        (Compressor(), "attack_ms", 0.0),
        (Limiter(), "release_ms", -5.0),
    ],
)
def test_values_without_meaning_are_refused(processor: Processor, name: str, value: float) -> None:
    with pytest.raises(PresetError, match=f"{processor.type}.{name}"):
        processor.reference(np.zeros((2, 10)), RATE, **processor.complete({name: value}))


def test_they_are_nonlinear() -> None:
    assert Compressor.nonlinear and Limiter.nonlinear
