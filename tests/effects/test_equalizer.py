"""The equaliser against the cookbook's own formulas, SciPy's recursion, pedalboard and its stated gains."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.signal import sosfilt, sosfreqz

from fxlens.dsp.filters import biquad, decay_samples, section
from fxlens.effects.equalizer import BANDS, Equalizer

EQ = Equalizer()
EXTREME_LOW_SHELF = {"low_shelf_gain_db": 12.0, "low_shelf_cutoff_hz": 20.0, "low_shelf_q": 5.0}


def music(length: int, seed: int = 0) -> np.ndarray:
    """Pink-ish stereo noise with peaks near full scale: energy everywhere, most of it low, as in music."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((2, length)))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.shape[-1]), 1.0))
    audio = np.fft.irfft(spectrum, length)
    return 0.9 * audio / np.abs(audio).max()


def batch(settings: list[dict[str, float]], dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([s[name] for s in settings], dtype=dtype) for name in settings[0]}


def cookbook(kind: str, gain_db: float, hz: float, q: float, rate: int) -> np.ndarray:
    """b0 b1 b2 a0 a1 a2 as printed in the cookbook, in digital form: another route than the package's."""
    a, w = 10.0 ** (gain_db / 40.0), 2.0 * math.pi * hz / rate
    c, alpha = math.cos(w), math.sin(w) / (2.0 * q)
    if kind == "peak":
        row = [1 + alpha * a, -2 * c, 1 - alpha * a, 1 + alpha / a, -2 * c, 1 - alpha / a]
    else:
        s, r = (1.0, 2.0 * math.sqrt(a) * alpha) if kind == "low_shelf" else (-1.0, 2.0 * math.sqrt(a) * alpha)
        row = [
            a * ((a + 1) - s * (a - 1) * c + r),
            s * 2 * a * ((a - 1) - s * (a + 1) * c),
            a * ((a + 1) - s * (a - 1) * c - r),
            (a + 1) + s * (a - 1) * c + r,
            -s * 2 * ((a - 1) + s * (a + 1) * c),
            (a + 1) + s * (a - 1) * c - r,
        ]
    return np.array(row) / row[3]


def cookbook_cascade(settings: dict[str, float], rate: int) -> np.ndarray:
    return np.stack(
        [
            cookbook(kind, settings[f"{name}_gain_db"], settings[f"{name}_cutoff_hz"], settings[f"{name}_q"], rate)
            for name, kind, *_ in BANDS
        ]
    )


@pytest.mark.parametrize("kind", ["low_shelf", "peak", "high_shelf"])
@pytest.mark.parametrize("rate", [22_050, 44_100, 192_000])
def test_coefficients_are_the_cookbooks(kind, rate):
    rng = np.random.default_rng(1)
    for _ in range(50):
        gain_db, hz, q = rng.uniform(-12, 12), 20.0 * 500.0 ** rng.random(), rng.uniform(0.5, 5)
        assert biquad(section(kind, gain_db, hz, q, rate)) == pytest.approx(
            cookbook(kind, gain_db, hz, q, rate), abs=1e-12
        )


def test_coefficients_in_torch_equal_those_in_numpy():
    gain_db, hz, q = np.array([-12.0, 3.0]), np.array([20.0, 21_000.0]), np.array([5.0, 0.5])
    ours = biquad(section("low_shelf", *(torch.from_numpy(v) for v in (gain_db, hz, q)), 44_100))
    assert ours.shape == (2, 6)
    np.testing.assert_allclose(ours.numpy(), biquad(section("low_shelf", gain_db, hz, q, 44_100)), rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_reference_is_scipys_recursion(seed):
    settings = EQ.draw(np.random.default_rng(seed))
    audio = music(20_000)
    expected = sosfilt(cookbook_cascade(settings, 44_100), audio, axis=-1)
    assert np.abs(EQ.reference(audio, 44_100, **settings) - expected).max() < 1e-9


def test_differentiable_form_is_the_recursion_over_the_whole_range():
    rng = np.random.default_rng(7)
    settings = [EQ.draw(rng) for _ in range(4)]
    corners = [{p.name: p.minimum if rng.random() < 0.5 else p.maximum for p in EQ.parameters} for _ in range(4)]
    # The slowest to decay of all, boost and cut; its tail is longer than this clip.
    settings += [c | EXTREME_LOW_SHELF for c in corners[:2]]
    settings += [c | EXTREME_LOW_SHELF | {"low_shelf_gain_db": -12.0} for c in corners[2:]]
    audio = music(60_000)
    expected = np.stack([sosfilt(cookbook_cascade(s, 44_100), audio, axis=-1) for s in settings])
    single = torch.tensor(audio, dtype=torch.float32).expand(len(settings), 2, -1)
    peak = np.maximum(np.abs(expected).max(axis=(1, 2), keepdims=True), 1.0)
    out = EQ.forward(single, 44_100, batch(settings, torch.float32)).numpy()
    assert (np.abs(out - expected) / peak).max() < 5e-6
    double = torch.tensor(audio).expand(len(settings), 2, -1)
    out = EQ.forward(double, 44_100, batch(settings)).numpy()
    # Two orders of the same arithmetic: what is left is rounding.
    assert (np.abs(out - expected) / peak).max() < 1e-7


def test_tail_is_measured_where_it_ends():
    part = section("low_shelf", 12.0, 20.0, 5.0, 44_100)
    tail = decay_samples(biquad(part))
    impulse = np.zeros((1, 2 * tail))
    impulse[0, 0] = 1.0
    response = sosfilt(biquad(part)[None], impulse)[0]
    assert np.abs(response[tail:]).sum() < 1e-6 < np.abs(response[tail // 2 :]).sum()


@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000, 192_000])
@pytest.mark.parametrize("gain_db", [-12.0, 9.0])
def test_tone_at_the_centre_of_a_peak_gets_its_gain(rate, gain_db):
    settings = {**EQ.neutral(), "band0_gain_db": gain_db, "band0_cutoff_hz": 1000.0, "band0_q": 2.0}
    tone = np.sin(2 * np.pi * 1000.0 * np.arange(rate // 2) / rate) * np.ones((2, 1))
    out = EQ.reference(tone, rate, **settings)
    level = np.std(out[0, rate // 4 :]) / np.std(tone[0, rate // 4 :])
    assert 20 * np.log10(level) == pytest.approx(gain_db, abs=0.01)


@pytest.mark.parametrize(
    ("shelf", "passed_hz", "untouched_hz"), [("low_shelf", 0.0, 21_900.0), ("high_shelf", 22_050.0, 1.0)]
)
def test_shelf_reaches_its_gain_on_its_side_only(shelf, passed_hz, untouched_hz):
    kind, hz = shelf, {"low_shelf": 300.0, "high_shelf": 6000.0}[shelf]
    rows = biquad(section(kind, 7.0, hz, 0.7, 44_100))[None]
    _, response = sosfreqz(rows, worN=np.array([passed_hz, untouched_hz, hz]), fs=44_100)
    assert 20 * np.log10(np.abs(response)) == pytest.approx([7.0, 0.0, 3.5], abs=0.01)


def test_pedalboard_hears_the_same():
    pedalboard = pytest.importorskip("pedalboard")
    settings = EQ.neutral() | {"low_shelf_gain_db": 6.0, "low_shelf_cutoff_hz": 150.0, "low_shelf_q": 0.9}
    settings |= {"band1_gain_db": -8.0, "band1_cutoff_hz": 3000.0, "band1_q": 2.5}
    settings |= {"high_shelf_gain_db": 4.0, "high_shelf_cutoff_hz": 9000.0, "high_shelf_q": 0.6}
    audio = music(20_000).astype(np.float32)
    board = pedalboard.Pedalboard(
        [
            pedalboard.LowShelfFilter(150.0, 6.0, 0.9),
            pedalboard.PeakFilter(3000.0, -8.0, 2.5),
            pedalboard.HighShelfFilter(9000.0, 4.0, 0.6),
        ]
    )
    ours = EQ.reference(audio.astype(np.float64), 44_100, **settings)
    # Its recursion runs in float32, which a low shelf feels.
    assert np.abs(board(audio, 44_100) - ours).max() < 1e-3


def test_zero_gain_is_the_identity_whatever_the_cutoffs():
    settings = {k: 0.0 if k.endswith("gain_db") else v for k, v in EQ.draw(np.random.default_rng(3)).items()}
    audio = music(5000)
    assert np.abs(EQ.reference(audio, 44_100, **settings) - audio).max() < 1e-12
    single = torch.tensor(audio, dtype=torch.float32)[None]
    assert torch.equal(EQ.forward(single, 44_100, batch([settings])), single)


def test_cutoffs_beyond_nyquist_are_held():
    settings = {**EQ.neutral(), "band3_gain_db": 12.0, "high_shelf_gain_db": 12.0}
    settings |= {"band3_cutoff_hz": 21_050.0, "high_shelf_cutoff_hz": 21_050.0}
    audio = music(5000)
    out = EQ.reference(audio, 22_050, **settings)
    assert np.isfinite(out).all() and np.abs(out).max() < 10.0
    again = EQ.forward(torch.tensor(audio)[None], 22_050, batch([settings]))[0].numpy()
    assert np.abs(again - out).max() < 1e-9


def test_gradients_are_those_of_finite_differences():
    rng = np.random.default_rng(5)
    settings = [EQ.draw(rng) for _ in range(2)]
    names = list(settings[0])
    audio = torch.tensor(rng.standard_normal((2, 2, 3)), requires_grad=True)
    packed = torch.stack(list(batch(settings).values()), dim=1).requires_grad_()

    def run(x: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        return EQ.forward(x, 44_100, dict(zip(names, p.unbind(1), strict=True)))

    assert torch.autograd.gradcheck(run, (audio, packed), eps=1e-6, atol=1e-6, fast_mode=True)


def test_gradients_are_finite_in_float32_at_the_corners():
    for edge in ("minimum", "maximum"):
        settings = {p.name: getattr(p, edge) for p in EQ.parameters}
        values = {k: torch.tensor([v], requires_grad=True) for k, v in settings.items()}
        audio = torch.tensor(music(4000), dtype=torch.float32)[None].requires_grad_()
        EQ.forward(audio, 44_100, values).square().mean().backward()
        for tensor in (audio, *values.values()):
            assert tensor.grad is not None and torch.isfinite(tensor.grad).all()
