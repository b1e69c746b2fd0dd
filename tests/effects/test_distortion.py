"""Distortion: harmonics as the curve predicts them, audible at any recording level, no gain of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from fxlens.effects.distortion import CALIBRATION_DBFS, Distortion

RATE = 44_100
LEVEL = 10.0 ** (CALIBRATION_DBFS / 20.0)


def process(audio: np.ndarray, drive_db: float, bias: float = 0.0, hardness: float = 0.0) -> np.ndarray:
    return Distortion().reference(audio, RATE, drive_db=drive_db, bias=bias, hardness=hardness)


def tone(cycles: int = 100, length: int = 22_050, amplitude: float = 0.1) -> np.ndarray:
    wave = amplitude * np.sin(2.0 * math.pi * cycles * np.arange(length) / length)
    return np.stack([wave, wave])


def harmonics(audio: np.ndarray, cycles: int = 100, count: int = 7) -> np.ndarray:
    """Amplitudes of the first partials, the fundamental's set to one."""
    spectrum = np.abs(np.fft.rfft(audio[0]))[cycles : cycles * count + 1 : cycles]
    return spectrum / spectrum[0]


def notes(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    """Decaying chords with a little noise: a crest factor like music's."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * math.pi * f * k * t + k) / k for f in (110, 165, 262) for k in range(1, 7))
    wave = wave * np.exp(-6.0 * (t % 0.25)) + 0.02 * rng.standard_normal((2, t.size))
    return 0.1 * wave / wave.std()


@pytest.mark.parametrize("drive_db", [3.0, 8.0, 20.0])
@pytest.mark.parametrize("hardness", [0.0, 0.5, 1.0])
def test_harmonics_are_the_fourier_integral_of_the_curve(drive_db: float, hardness: float) -> None:
    k = math.sqrt(10.0 ** (drive_db / 10.0) - 1.0)
    amplitude = math.sqrt(2.0) * LEVEL

    def curve(x: float) -> float:
        return (1.0 - hardness) * math.tanh(k * x) + hardness * max(-1.0, min(1.0, k * x))

    expected = [
        quad(lambda p, n=n: curve(amplitude * math.sin(p)) * math.sin(n * p), 0, math.pi, limit=200)[0]
        for n in (1, 3, 5)
    ]
    measured = harmonics(process(tone(), drive_db, hardness=hardness))[[0, 2, 4]]
    np.testing.assert_allclose(measured, np.abs(expected) / expected[0], atol=2e-4)


def test_symmetric_curve_has_odd_harmonics_only() -> None:
    assert harmonics(process(tone(), 18.0))[[1, 3, 5]].max() < 1e-9


def test_bias_adds_even_harmonics_in_proportion() -> None:
    second = [harmonics(process(tone(), 12.0, bias))[1] for bias in (0.05, 0.1, 0.4)]
    assert second[0] > 0.005
    assert second[1] / second[0] == pytest.approx(2.0, rel=0.05)
    assert second[2] > second[1]


def test_bias_is_a_shifted_working_point() -> None:
    """At high drive the curve is tanh around tanh(beta) = bias, as its docstring derives."""
    drive_db, bias = 30.0, 0.3
    gain = 10.0 ** (drive_db / 20.0)
    k = math.sqrt(gain**2 - 1.0)
    beta = math.atanh(bias * k / gain)
    x = tone()
    expected = np.tanh(k * x * LEVEL / x.std() + beta)
    got, want = process(x, drive_db, bias), expected
    steady = slice(11_025, None)  # once the high-pass has settled
    got, want = (s[:, steady] - s[:, steady].mean() for s in (got, want))
    np.testing.assert_allclose(got / got.std(), want / want.std(), atol=0.02)


def test_hard_clip_is_flat_on_top() -> None:
    out = process(tone(), 24.0, hardness=1.0)
    top = out.max()
    assert np.mean(out > 0.999 * top) > 0.4
    np.testing.assert_allclose(out[out > 0.999 * top], top, rtol=1e-12)


@pytest.mark.parametrize("gain_db", [-60.0, -20.0, 20.0])
def test_recording_level_does_not_change_the_sound(gain_db: float) -> None:
    gain = 10.0 ** (gain_db / 20.0)
    audio = notes()
    np.testing.assert_allclose(process(gain * audio, 8.0, 0.2, 0.3) / gain, process(audio, 8.0, 0.2, 0.3), atol=1e-6)


@pytest.mark.parametrize("bias", [0.0, 0.5])
@pytest.mark.parametrize("drive_db", [1.0, 8.0, 36.0])
def test_level_is_kept(drive_db: float, bias: float) -> None:
    audio = notes()
    out = process(audio, drive_db, bias)
    assert np.sqrt(np.mean(out**2)) == pytest.approx(np.sqrt(np.mean(audio**2)), rel=1e-9)


def test_paper_range_is_audible() -> None:
    """What a gain cannot explain: above -20 dB at the paper's 8 dB, and it grows with the drive."""
    audio = 0.001 * notes()
    residual_db = []
    for drive_db in (2.0, 4.0, 8.0, 18.0):
        out = process(audio, drive_db)
        rest = out - audio * (np.sum(audio * out) / np.sum(audio**2))
        residual_db.append(20.0 * math.log10(rest.std() / out.std()))
    assert residual_db == sorted(residual_db)
    assert residual_db[2] > -20.0


def test_no_offset_from_bias() -> None:
    out = process(tone(), 18.0, 0.5)[:, 11_025:]  # the high-pass settles with 16 ms
    assert harmonics(process(tone(), 18.0, 0.5))[1] > 0.05
    assert abs(out.mean()) < 1e-4 * out.std()


@pytest.mark.parametrize(("bias", "hardness"), [(0.0, 0.0), (0.5, 0.0), (0.3, 1.0)])
def test_no_drive_is_identity_whatever_the_rest(bias: float, hardness: float) -> None:
    audio = notes()
    np.testing.assert_array_equal(process(audio, 0.0, bias, hardness), audio)
    batch = torch.from_numpy(audio[None]).float()
    values = {"drive_db": 0.0, "bias": bias, "hardness": hardness}
    out = Distortion().forward(batch, RATE, {n: torch.tensor([v]) for n, v in values.items()})
    assert (out - batch).abs().max() <= 1e-6


def test_identity_is_approached_continuously() -> None:
    audio = notes()
    change = [np.abs(process(audio, drive_db) - audio).max() for drive_db in (1e-1, 1e-2, 1e-3)]
    assert change[0] > change[1] > change[2]
    assert change[1] / change[2] == pytest.approx(10.0, rel=0.05)  # a slope, so there is a gradient at 0


def test_gradient_at_no_drive_points_to_the_drive() -> None:
    audio = torch.from_numpy(notes()[None])
    target = torch.from_numpy(process(notes(), 3.0)[None])
    drive = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    zero = torch.zeros(1, dtype=torch.float64)
    out = Distortion().forward(audio, RATE, {"drive_db": drive, "bias": zero, "hardness": zero})
    (out - target).square().sum().backward()
    assert drive.grad is not None and torch.isfinite(drive.grad).all()
    assert drive.grad.item() < 0.0


def test_silence_before_a_note_stays_silence() -> None:
    audio = notes()
    audio[:, : RATE // 2] = 0.0
    assert np.abs(process(audio, 18.0, 0.4)[:, : RATE // 2]).max() == 0.0


def test_gradients_are_right() -> None:
    rng = np.random.default_rng(0)
    audio = torch.from_numpy(0.1 * rng.standard_normal((2, 2, 24))).requires_grad_()
    drive = torch.tensor([6.0, 20.0], dtype=torch.float64, requires_grad=True)
    bias = torch.tensor([0.1, 0.4], dtype=torch.float64, requires_grad=True)
    hardness = torch.tensor([0.0, 0.3], dtype=torch.float64, requires_grad=True)

    def run(audio: torch.Tensor, d: torch.Tensor, b: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return Distortion().forward(audio, RATE, {"drive_db": d, "bias": b, "hardness": h})

    assert torch.autograd.gradcheck(run, (audio, drive, bias, hardness))
