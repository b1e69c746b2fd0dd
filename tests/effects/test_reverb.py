"""Reverb: rooms decay as declared, belong to their parameters and sound the same at every rate."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt

from fxlens.effects import room_bank
from fxlens.effects.impulse_responses import pink_energy
from fxlens.effects.reverb import LAST_SEED, Reverb, differentiable_response, round_seed
from fxlens.effects.room_bank import impulse_response

RATE = 44_100


def band_decay_seconds(response: np.ndarray, centre_hz: float, rate: int) -> float:
    """T60 from the slope of Schroeder's backward integral, -5 to -35 dB."""
    edges = [centre_hz / 1.26, centre_hz * 1.26]
    band = sosfiltfilt(butter(4, edges, "band", fs=rate, output="sos"), response)
    energy = np.cumsum((band**2).sum(axis=0)[::-1])[::-1]
    level_db = 10.0 * np.log10(energy / energy[0] + 1e-30)
    first, last = np.argmax(level_db < -5.0), np.argmax(level_db < -35.0)
    return 60.0 / 30.0 * (last - first) / rate


def pink_noise(seconds: float, rate: int) -> np.ndarray:
    length = int(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal((2, length)))
    frequency = np.fft.rfftfreq(length, 1.0 / rate)
    spectrum *= np.where(frequency > 40.0, 1.0 / np.sqrt(np.maximum(frequency, 1.0)), 0.0)
    noise = np.fft.irfft(spectrum, length)
    return 0.1 * noise / noise.std()


@pytest.mark.parametrize("damping", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("decay_seconds", [0.5, 2.0])
def test_bands_decay_as_declared(decay_seconds: float, damping: float) -> None:
    seed = 77
    response = impulse_response(seed, decay_seconds, 0.0, damping, RATE)
    bins_hz = np.arange(1, 256) * 48_000 / 512
    for centre_hz in (250.0, 1_000.0, 4_000.0, 10_000.0):
        position = max(0.0, math.log(centre_hz / 250.0) / math.log(64.0))
        character = 2.0 ** np.interp(centre_hz, bins_hz, room_bank.character(seed)[0])
        expected = decay_seconds * character * 10.0 ** (-damping * position)
        assert band_decay_seconds(response, centre_hz, RATE) == pytest.approx(expected, rel=0.12)


def test_room_belongs_to_its_parameters() -> None:
    first = impulse_response(5, 1.0, 10.0, 0.5, RATE).copy()
    impulse_response.cache_clear()
    room_bank._signs.cache_clear()
    np.testing.assert_array_equal(impulse_response(5, 1.0, 10.0, 0.5, RATE), first)
    # Two excerpts through the same chain meet the same room.
    values = {"seed": 5.0, "decay_seconds": 1.0, "predelay_ms": 10.0, "damping": 0.5, "wet": 1.0}
    click, late = np.zeros((2, 9_000)), np.zeros((2, 9_000))
    click[:, 0], late[:, 2_000] = 1.0, 1.0
    first_out, late_out = (Reverb().reference(audio, RATE, **values) for audio in (click, late))
    np.testing.assert_allclose(late_out[:, 2_000:], first_out[:, :7_000], atol=1e-12)


def test_noise_is_the_same_on_every_machine() -> None:
    """The bank's promise: raw words of PCG64 after SeedSequence, which NumPy holds stable."""
    digest = hashlib.sha256(room_bank.noise(7, 4).tobytes()).hexdigest()
    assert digest[:16] == "e28e2a8ac5bbd036"


def test_longer_noise_begins_with_the_shorter() -> None:
    np.testing.assert_array_equal(room_bank.noise(3, 1_100)[:10], room_bank.noise(3, 10))


def test_seeds_are_unrelated_rooms() -> None:
    one, two = (impulse_response(seed, 1.0, 0.0, 0.3, RATE)[0] for seed in (41, 42))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.05


def test_channels_are_decorrelated() -> None:
    left, right = impulse_response(9, 1.0, 0.0, 0.3, RATE)
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.05


@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
@pytest.mark.parametrize("damping", [0.0, 1.0])
def test_energy_is_unit_for_pink_noise(rate: int, damping: float) -> None:
    response = impulse_response(11, 0.8, 5.0, damping, rate)
    np.testing.assert_allclose(pink_energy(response, rate), 1.0, rtol=0.03)
    # And that is what it is for: the room is as loud as the source, bright or dark.
    audio = pink_noise(4.0, rate)
    values = {"seed": 11.0, "decay_seconds": 0.8, "predelay_ms": 5.0, "damping": damping, "wet": 1.0}
    out = Reverb().reference(audio, rate, **values)[:, rate:]
    assert 20.0 * math.log10(out.std() / audio.std()) == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize("rate", [22_050, 32_000, 44_100, 88_200, 192_000, 44_056])
def test_one_room_at_every_rate(rate: int) -> None:
    """The transfer functions agree where both rates have frequencies."""
    at_48k = impulse_response(2, 0.4, 12.3, 0.5, 48_000)
    here = impulse_response(2, 0.4, 12.3, 0.5, rate)
    spectra = [np.fft.rfft(h, r)[:, 40:9_000] for h, r in ((at_48k, 48_000), (here, rate))]  # 1 Hz apart
    error = np.linalg.norm(spectra[0] - spectra[1]) / np.linalg.norm(spectra[0])
    assert error < 5e-3


@pytest.mark.parametrize("predelay_ms", [10.0, 79.3])
def test_predelay_is_a_delay(predelay_ms: float) -> None:
    plain = impulse_response(4, 0.3, 0.0, 0.4, 48_000)
    late = impulse_response(4, 0.3, predelay_ms, 0.4, 48_000)
    size = 65_536
    frequency = np.fft.rfftfreq(size, 1.0 / 48_000)
    shifted = np.fft.rfft(plain, size) * np.exp(-2j * np.pi * frequency * predelay_ms / 1_000.0)
    error = np.fft.irfft(shifted, size)[:, : late.shape[1]] - late
    assert np.linalg.norm(error) < 5e-3 * np.linalg.norm(late)
    before = late[:, : int(predelay_ms * 48) - 48]
    assert np.linalg.norm(before) < 2e-3 * np.linalg.norm(late)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, LAST_SEED),
    decay=st.floats(0.2, 2.0),
    predelay=st.floats(0.0, 80.0),
    damping=st.floats(0.0, 1.0),
    rate=st.sampled_from([22_050, 44_100, 96_000]),
)
def test_both_faces_build_one_room(seed: int, decay: float, predelay: float, damping: float, rate: int) -> None:
    # Exactly representable in float32, as the processor rounds them.
    decay, predelay, damping = (float(np.float32(v)) for v in (decay, predelay, damping))
    expected = impulse_response(seed, decay, predelay, damping, rate)
    for dtype, budget in ((torch.float64, 1e-10), (torch.float32, 2e-5)):
        tensors = (torch.tensor(v, dtype=dtype) for v in (decay, predelay, damping))
        got = differentiable_response(seed, *tensors, rate).double().numpy()
        np.testing.assert_allclose(got, expected, atol=budget * np.abs(expected).max())


@pytest.mark.parametrize("name", ["decay_seconds", "predelay_ms", "damping"])
def test_gradients_of_the_room_are_slopes(name: str) -> None:
    values = {"decay_seconds": 0.31, "predelay_ms": 3.21, "damping": 0.4}  # away from changes of length
    probe: torch.Tensor | None = None

    def loss(value: float) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal probe
        leaves = {n: torch.tensor(v, dtype=torch.float64) for n, v in {**values, name: value}.items()}
        leaves[name].requires_grad_()
        room = differentiable_response(6, leaves["decay_seconds"], leaves["predelay_ms"], leaves["damping"], 22_050)
        if probe is None:
            probe = torch.from_numpy(np.random.default_rng(0).standard_normal(room.shape))
        return (room * probe).sum(), leaves[name]

    result, leaf = loss(values[name])
    result.backward()
    assert leaf.grad is not None
    step = 1e-5
    slope = (loss(values[name] + step)[0] - loss(values[name] - step)[0]) / (2.0 * step)
    assert leaf.grad.item() == pytest.approx(slope.item(), rel=1e-5)


def test_gradient_descent_finds_the_decay() -> None:
    """What the gradient is for: with the room known, its decay and share are found from the sound."""
    rate, length = 22_050, 11_025
    audio = torch.from_numpy(0.1 * np.random.default_rng(0).standard_normal((1, 2, length))).float()
    fixed = {"seed": torch.tensor([8.0]), "predelay_ms": torch.tensor([0.0]), "damping": torch.tensor([0.5])}
    goal = {"decay_seconds": torch.tensor([0.8]), "wet": torch.tensor([0.5])}
    target = Reverb().forward(audio, rate, {**fixed, **goal})
    log_decay = torch.tensor([math.log(0.4)], requires_grad=True)
    wet = torch.tensor([0.3], requires_grad=True)
    optimizer = torch.optim.Adam([log_decay, wet], lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        out = Reverb().forward(audio, rate, {**fixed, "decay_seconds": log_decay.exp(), "wet": wet})
        ((out - target).square().mean() * 1e4).backward()
        optimizer.step()
    assert log_decay.exp().item() == pytest.approx(0.8, rel=0.05)
    assert wet.item() == pytest.approx(0.5, abs=0.03)


def test_every_seed_survives_the_unit_range_in_float32() -> None:
    parameter = Reverb.parameters[0]
    seeds = torch.arange(LAST_SEED + 1, dtype=torch.float32)
    back = parameter.to_physical(parameter.to_unit(seeds))
    assert all(round_seed(value) == i for i, value in enumerate(back.tolist()))


def test_draws_are_whole_seeds_and_moderate_shares() -> None:
    rng = np.random.default_rng(0)
    drawn = [Reverb.draw(rng) for _ in range(300)]
    assert all(d["seed"] == round(d["seed"]) and 0 <= d["seed"] <= LAST_SEED for d in drawn)
    assert len({d["seed"] for d in drawn}) > 290
    wets = np.array([d["wet"] for d in drawn])
    assert wets.min() < 0.12 and wets.max() > 0.68 and wets.min() >= 0.1 and wets.max() <= 0.7
    assert max(Reverb.draw(rng, "paper")["wet"] for _ in range(100)) > 0.9


def test_dry_and_wet_are_a_crossfade() -> None:
    audio = pink_noise(0.5, RATE)
    values = {"seed": 1.0, "decay_seconds": 0.5, "predelay_ms": 0.0, "damping": 0.5}
    dry, half, wet = (Reverb().reference(audio, RATE, **values, wet=w) for w in (0.0, 0.25, 1.0))
    np.testing.assert_array_equal(dry, audio)
    np.testing.assert_allclose(half, 0.75 * dry + 0.25 * wet, atol=1e-12)
