"""The fast form of every processor against its float64 reference; independence of batch and threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import rfft
from scipy.signal import fftconvolve

from fxlens.dsp.fast.overlap_save import block_size, convolve_blocks
from fxlens.effects.multiband import BANDS
from fxlens.effects.registry import PROCESSORS
from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioError, AudioNotFiniteError, PresetError, UsageError

RATES = (22_050, 44_100, 96_000)
# Per unit of the louder of input and output; where that is full scale, -120 dBFS.
BUDGET = {
    "equalizer": 1e-6,
    "distortion": 1e-6,
    "multiband_compressor": 1e-6,
    "compressor": 1e-6,
    "limiter": 1e-6,
    "gain": 1e-6,
    "stereo_imager": 1e-6,
    "delay": 1e-6,
    "reverb": 2e-6,
}


def music(length: int, rate: int, seed: int = 0) -> np.ndarray:
    """Chords, a bass and hits over a noise floor, stereo, peaks just below full scale."""
    rng = np.random.default_rng(seed)
    t = np.arange(length) / rate
    tones = sum(np.sin(2 * np.pi * f * t + rng.random((2, 1)) * 6) / (1 + f / 800) for f in (55, 220, 277, 660, 3520))
    hits = rng.standard_normal((2, length)) * np.exp(-8.0 * (t % 0.31))
    audio = tones * (0.2 + np.abs(np.sin(2 * np.pi * 0.7 * t))) + hits + 0.002 * rng.standard_normal((2, length))
    return (0.98 * audio / max(float(np.abs(audio).max()), 1e-9)).astype(np.float32)


def settings_of(kind: str, seed: int, ranges: str = "default") -> dict[str, float]:
    return PROCESSORS[kind].draw(np.random.default_rng([seed, len(kind)]), ranges)


def fast(kind: str, clip: np.ndarray, rate: int, values: dict[str, float]) -> np.ndarray:
    return PROCESSORS[kind].fast(clip[None], rate, {name: np.array([v]) for name, v in values.items()})[0]


def error(kind: str, clip: np.ndarray, rate: int, values: dict[str, float]) -> float:
    """Largest difference from the reference, relative to the louder of input and output."""
    exact = PROCESSORS[kind].reference(clip.astype(np.float64), rate, **values)
    got = fast(kind, clip, rate, values)
    assert got.dtype == np.float32 and got.shape == clip.shape
    return float(np.abs(got - exact).max() / max(1.0, np.abs(exact).max()))


@pytest.mark.parametrize("ranges", ["default", "paper"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", list(PROCESSORS))
def test_fast_is_the_reference(kind, rate, ranges):
    clip = music(round(1.3 * rate), rate)
    worst = max(error(kind, clip, rate, settings_of(kind, seed, ranges)) for seed in range(4))
    assert worst < BUDGET[kind]


@pytest.mark.parametrize("kind", list(PROCESSORS))
def test_neutral_changes_nothing(kind):
    clip = music(9_000, 44_100)
    assert np.abs(fast(kind, clip, 44_100, PROCESSORS[kind].neutral()) - clip).max() <= 1e-6


@pytest.mark.parametrize("kind", list(PROCESSORS))
def test_drawn_settings_change_something(kind):
    """Without this, a fast form that returns its input would fail one test only."""
    clip = music(30_000, 44_100)
    assert np.abs(fast(kind, clip, 44_100, settings_of(kind, 1)) - clip).max() > 1e-3


@pytest.mark.parametrize("kind", list(PROCESSORS))
def test_silence_stays_silence_and_one_sample_is_enough(kind):
    values = settings_of(kind, 2)
    assert not fast(kind, np.zeros((2, 5_000), np.float32), 44_100, values).any()
    for sample in ([[0.5], [-0.25]], [[0.0], [0.0]]):
        assert error(kind, np.array(sample, np.float32), 44_100, values) < BUDGET[kind]


@pytest.mark.parametrize("kind", [kind for kind in PROCESSORS if kind != "reverb"])
def test_mono_stays_mono(kind):
    clip = np.repeat(music(20_000, 44_100)[:1], 2, axis=0)
    out = fast(kind, clip, 44_100, settings_of(kind, 3))
    assert np.array_equal(out[0], out[1])


@pytest.mark.parametrize("kind", list(PROCESSORS))
def test_neither_batch_nor_threads_change_a_bit(kind):
    processor = PROCESSORS[kind]
    drawn = [settings_of(kind, seed) for seed in range(5)]
    values = {name: np.array([d[name] for d in drawn]) for name in drawn[0]}
    batch = np.stack([music(12_000, 44_100, seed) for seed in range(5)])
    before = batch.copy()
    together = processor.fast(batch, 44_100, values, threads=3)
    assert np.array_equal(batch, before)
    assert np.array_equal(together, processor.fast(batch, 44_100, values, threads=1))
    for index in range(5):
        assert np.array_equal(together[index], fast(kind, batch[index], 44_100, drawn[index]))


@pytest.mark.parametrize("kind", list(PROCESSORS))
@given(length=st.integers(1, 3_000), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_any_length(kind, length, seed):
    assert error(kind, music(length, 44_100, seed), 44_100, settings_of(kind, seed)) < 2 * BUDGET[kind]


@pytest.mark.parametrize("kind", list(PROCESSORS))
def test_no_denormal_numbers_after_sound(kind):
    """What rings on into silence ends in zero, not in numbers a hundred times slower to compute with."""
    clip = np.zeros((2, 400_000), np.float32)
    clip[:, :500] = music(500, 44_100)
    tail = np.abs(fast(kind, clip, 44_100, settings_of(kind, 4))[:, 500:])
    assert np.count_nonzero((tail > 0) & (tail < np.finfo(np.float32).tiny)) < 2000


@pytest.mark.parametrize("feedback", [0.0, 0.5])
@pytest.mark.parametrize("time_ms", [10.0, 100.0, 123.456, 10.01, 599.99])
def test_delay_exact_and_fractional_few_echoes_and_many(time_ms, feedback):
    clip = music(60_000, 44_100)
    assert error("delay", clip, 44_100, {"time_ms": time_ms, "feedback": feedback, "wet": 0.7}) < 1e-6


def test_delay_of_whole_samples_is_a_shift():
    clip = music(20_000, 44_100)
    out = fast("delay", clip, 44_100, {"time_ms": 100.0, "feedback": 0.0, "wet": 0.5})
    shifted = np.pad(clip, ((0, 0), (4410, 0)))[:, :20_000]
    assert np.abs(out - 0.5 * (clip + shifted)).max() < 1e-7


@pytest.mark.parametrize(("attack", "release"), [(0.1, 1000.0), (5.0, 20.0), (50.0, 5.0)])
def test_compressor_with_either_time_constant_longer(attack, release):
    values = {"threshold_db": -40.0, "ratio": 20.0, "knee_db": 24.0, "makeup_db": 0.0}
    clip = music(60_000, 44_100)
    assert error("compressor", clip, 44_100, {**values, "attack_ms": attack, "release_ms": release}) < 1e-6


def test_multiband_gates_what_the_expander_says():
    """The expander at its steepest, on a quiet clip: the largest numbers the curve meets."""
    values = settings_of("multiband_compressor", 5)
    values |= {f"{band}_expander_ratio": 0.1 for band in BANDS} | {
        f"{band}_expander_threshold_db": -30.0 for band in BANDS
    }
    clip = 0.01 * music(40_000, 44_100)
    assert error("multiband_compressor", clip, 44_100, values) < 1e-7


@pytest.mark.parametrize("bias", [0.0, 0.5])
@pytest.mark.parametrize("drive", [1e-3, 36.0])
def test_distortion_at_its_edges(drive, bias):
    clip = music(40_000, 44_100)
    clip[:, 20_000] = 50.0  # far beyond where tanh is 1
    values = {"drive_db": drive, "bias": bias, "hardness": 0.3}
    assert error("distortion", clip, 44_100, values) < 1e-6


@pytest.mark.parametrize(("length", "taps"), [(1, 1), (30, 9), (9_000, 9_000), (70_001, 20_000), (200_000, 40)])
def test_convolution_agrees_with_scipy(length, taps):
    """One block and many, short responses and long ones."""
    clip = music(length, 44_100)
    response = np.random.default_rng(taps).standard_normal((2, taps)) / np.sqrt(taps)
    n_fft = block_size(length, taps)
    got = convolve_blocks(clip, rfft(response.astype(np.float32), n_fft), taps, n_fft)
    assert np.abs(got - fftconvolve(clip.astype(np.float64), response, axes=-1)[:, :length]).max() < 1e-6


def test_what_cannot_be_processed_is_refused():
    gain, values = PROCESSORS["gain"], {"gain_db": np.array([3.0])}
    good = np.zeros((1, 2, 10), np.float32)
    for bad, fault in (
        (good[0], AudioChannelsError),
        (good[:, :1], AudioChannelsError),
        (good[..., :0], AudioEmptyError),
        (good.astype(np.float64), AudioError),
        (good + np.float32(np.nan), AudioNotFiniteError),
    ):
        with pytest.raises(fault):
            gain.fast(bad, 44_100, values)
    for wrong in ({}, {"gain_db": np.zeros(2)}, {"gain_db": np.zeros(1), "width": np.zeros(1)}):
        with pytest.raises(UsageError):
            gain.fast(good, 44_100, wrong)
    with pytest.raises(UsageError):
        gain.fast(good, 44_100, values, threads=0)
    with pytest.raises(PresetError, match="ratio"):
        fast("compressor", good[0], 44_100, {**PROCESSORS["compressor"].neutral(), "ratio": 0.5})
