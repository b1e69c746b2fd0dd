"""Multiband compressor: identity, flat parallel mix, bands that act alone, both faces, gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fxlens.effects.multiband import BANDS, MultibandCompressor
from fxlens.errors import PresetError

RATE = 44_100
PROCESSOR = MultibandCompressor()


def noise(seconds: float, rate: int, seed: int) -> np.ndarray:
    """Pulsating pink noise at -18 dB RMS, ``float64 [2, T]``."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    spectrum = np.fft.rfft(rng.normal(size=(2, n)))
    spectrum[:, 1:] /= np.sqrt(np.arange(1, spectrum.shape[1]))
    audio = np.fft.irfft(spectrum, n) * (0.02 + np.sin(2 * np.pi * 2.3 * np.arange(n) / rate) ** 4)
    return audio * 10 ** (-18 / 20) / np.sqrt(np.mean(audio**2))


def tone(frequency: float, amplitude: float, rate: int = RATE) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * frequency * np.arange(rate) / rate)
    return np.stack([wave, wave])


def change_db(audio: np.ndarray, **values: float) -> float:
    """Level change of the settled middle, away from both ends of the zero-phase filters."""
    out = PROCESSOR.reference(audio, RATE, **PROCESSOR.complete(values))
    middle = slice(RATE // 2, RATE - RATE // 4)
    return float(10 * np.log10(np.mean(out[:, middle] ** 2) / np.mean(audio[:, middle] ** 2)))


@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
def test_unit_gains_are_the_identity_at_every_mix(mix: float) -> None:
    audio = noise(0.5, RATE, 1)
    values = PROCESSOR.neutral() | {"mix": mix}
    assert np.abs(PROCESSOR.reference(audio, RATE, **values) - audio).max() < 1e-12
    batch = torch.from_numpy(audio).float()[None]
    assert (PROCESSOR.forward(batch, RATE, as_tensors([values])) - batch).abs().max() < 1e-6


def as_tensors(draws: list[dict[str, float]], dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([d[name] for d in draws], dtype=dtype) for name in draws[0]}


@pytest.mark.parametrize("rate", [22_050, 44_100, 192_000])
def test_faces_agree(rate: int) -> None:
    rng, audio = np.random.default_rng(rate), noise(0.5, rate, 2)
    draws = [PROCESSOR.draw(rng) for _ in range(4)]
    out = PROCESSOR.forward(torch.from_numpy(np.stack([audio] * 4)).float(), rate, as_tensors(draws))
    for item, draw in enumerate(draws):
        expected = PROCESSOR.reference(audio, rate, **draw)
        assert np.abs(out[item].double().numpy() - expected).max() < 1e-5
        assert np.abs(expected - audio).max() > 1e-3


@pytest.mark.parametrize("frequency", [40.0, 150.0, 700.0, 4000.0, 9000.0])
@pytest.mark.parametrize("mix", [0.3, 0.7, 1.0])
def test_equal_gains_give_a_flat_parallel_mix(frequency: float, mix: float) -> None:
    """With every band shut only the dry part is left, as loud at the crossovers as anywhere else."""
    closed = {f"{band}_expander_threshold_db": 0.0 for band in BANDS}
    closed |= {f"{band}_expander_ratio": 0.1 for band in BANDS}
    measured = change_db(tone(frequency, 1e-3), mix=mix, **closed)
    if mix < 1.0:
        assert measured == pytest.approx(20 * math.log10(1 - mix), abs=0.01)
    else:
        assert measured < -80.0


@pytest.mark.parametrize(("band", "frequency"), [("low", 40.0), ("mid", 800.0), ("high", 12_000.0)])
def test_each_band_has_its_own_compressor(band: str, frequency: float) -> None:
    compressing = {f"{band}_threshold_db": -26.0, f"{band}_ratio": 4.0, f"{band}_attack_ms": 1.0}
    loud = tone(frequency, 10 ** (-6 / 20))
    assert change_db(loud, mix=1.0, **compressing) == pytest.approx(-15.0, abs=1.0)  # 20 dB over, at 4:1
    for other in {40.0, 800.0, 12_000.0} - {frequency}:
        assert abs(change_db(tone(other, 10 ** (-6 / 20)), mix=1.0, **compressing)) < 0.15


def test_expander_turns_quiet_passages_down_only() -> None:
    values = {"mix": 1.0, "mid_expander_threshold_db": -40.0, "mid_expander_ratio": 0.5}
    assert abs(change_db(tone(800.0, 10 ** (-30 / 20)), **values)) < 0.1
    assert change_db(tone(800.0, 10 ** (-50 / 20)), **values) == pytest.approx(-10.0, abs=0.5)


def test_time_constants_count() -> None:
    """The release decides how much of a pause stays reduced."""
    audio = tone(800.0, 0.5)
    audio[:, RATE // 2 :] *= 0.02
    settings = {"mid_threshold_db": -30.0, "mid_ratio": 6.0, "mix": 1.0}
    later = slice(RATE // 2 + 4410, RATE // 2 + 8820)
    levels = [
        np.sqrt(np.mean(PROCESSOR.reference(audio, RATE, **PROCESSOR.complete(settings | change))[:, later] ** 2))
        for change in ({"mid_release_ms": 20.0}, {"mid_release_ms": 500.0})
    ]
    assert levels[0] > 2.0 * levels[1]


def test_image_does_not_move() -> None:
    left = noise(0.5, RATE, 3)[0]
    audio = np.stack([left, -0.25 * left])
    out = PROCESSOR.reference(audio, RATE, **PROCESSOR.draw(np.random.default_rng(4)))
    assert np.abs(out[1] + 0.25 * out[0]).max() < 1e-12


def test_silent_and_broken_items_stay_alone() -> None:
    audio = torch.from_numpy(np.stack([noise(0.05, RATE, s) for s in range(3)])).float()
    rng = np.random.default_rng(5)
    draws = [PROCESSOR.draw(rng) for _ in range(3)]
    results = []
    for middle in (audio[1], torch.zeros_like(audio[1]), torch.full_like(audio[1], math.nan)):
        batch = torch.stack([audio[0], middle, audio[2]]).requires_grad_()
        values = {name: value.requires_grad_() for name, value in as_tensors(draws).items()}
        out = PROCESSOR.forward(batch, RATE, values)
        out.square().sum().backward()
        results.append([out, batch.grad, *(v.grad for v in values.values())])
    for variant in results[1:]:
        for expected, got in zip(results[0], variant, strict=True):
            assert expected is not None and got is not None
            assert torch.equal(expected[[0, 2]], got[[0, 2]])
    silent = results[1]
    assert silent[0] is not None and silent[0][1].abs().max() == 0.0
    assert all(grad is not None and torch.isfinite(grad).all() for grad in silent[1:])
    assert np.abs(PROCESSOR.reference(np.zeros((2, 4000)), RATE, **draws[1])).max() == 0.0


def test_single_sample() -> None:
    draw = PROCESSOR.draw(np.random.default_rng(6))
    assert PROCESSOR.reference(np.ones((2, 1)), RATE, **draw).shape == (2, 1)
    assert PROCESSOR.forward(torch.ones(1, 2, 1), RATE, as_tensors([draw])).shape == (1, 2, 1)


def test_input_is_not_changed() -> None:
    audio = noise(0.1, RATE, 7)
    before = audio.copy()
    PROCESSOR.reference(audio, RATE, **PROCESSOR.draw(np.random.default_rng(7)))
    assert np.array_equal(audio, before)


def test_gradients_of_audio_and_every_parameter() -> None:
    rate, rng = 8000, np.random.default_rng(8)
    swelling = rng.normal(size=(2, 2, 80)) * np.geomspace(0.01, 1.0, 80)
    audio = torch.from_numpy(swelling).requires_grad_()
    draws = [PROCESSOR.draw(rng) for _ in range(2)]
    # Within half this sample rate; every compressor of the first item at work, every expander of the second.
    for draw, threshold_db, expander_threshold_db in zip(draws, (-50.0, 0.0), (-90.0, 10.0), strict=True):
        draw["high_crossover_hz"] = 2500.0
        draw |= {f"{band}_threshold_db": threshold_db for band in BANDS}
        draw |= {f"{band}_expander_threshold_db": expander_threshold_db for band in BANDS}
        draw |= {f"{band}_attack_ms": 1.0 for band in BANDS}  # down soon, so that there is a release
    names = list(draws[0])
    values = [v.requires_grad_() for v in as_tensors(draws, torch.float64).values()]

    def apply(audio: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return PROCESSOR.forward(audio, rate, dict(zip(names, values, strict=True)))

    grads = dict(zip(names, torch.autograd.grad(apply(audio, *values).square().sum(), values), strict=True))
    assert all((grad != 0).any() for grad in grads.values()), grads
    assert torch.autograd.gradcheck(apply, (audio, *values), eps=1e-7, atol=1e-5, rtol=1e-4, fast_mode=True)


def test_values_without_meaning_are_refused() -> None:
    for name, value in (("low_ratio", 0.5), ("high_attack_ms", 0.0)):
        with pytest.raises(PresetError, match=name):
            PROCESSOR.reference(np.zeros((2, 10)), RATE, **PROCESSOR.complete({name: value}))


def test_it_is_nonlinear_and_complete() -> None:
    assert MultibandCompressor.nonlinear
    assert len(MultibandCompressor.parameters) == 2 + 3 * 6 + 1
