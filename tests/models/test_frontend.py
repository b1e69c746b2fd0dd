"""The spectrogram against direct formulas: Fourier sums, interpolated triangles, a tone of known level."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.signal import get_window

from fxlens.errors import AudioChannelsError, AudioEmptyError, ConfigError
from fxlens.models.frontend import FrontendConfig, LogMel, mel_filterbank

PAPER = FrontendConfig()
RICH = FrontendConfig(n_mels=128, f_min_hz=30.0, f_max_hz=20000.0, channels="lrms", hop_length=1024)


def slaney(hz: float) -> float:
    """Auditory Toolbox: 66 2/3 Hz a band up to 1 kHz, then 27 bands to 6.4 kHz."""
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000, 6.4)


def htk(hz: float) -> float:
    return 1127.01048 * math.log1p(hz / 700)


def slow_filterbank(rate: int, n_fft: int, n: int, low: float, high: float, scale: object) -> np.ndarray:
    """Edges by root finding, triangles by interpolation."""
    assert callable(scale)
    steps = np.linspace(scale(low), scale(high), n + 2)
    edges = [brentq(lambda f, s=s: scale(f) - s, -1.0, rate, xtol=1e-11) for s in steps]
    bins = np.fft.rfftfreq(n_fft, 1 / rate)
    return np.stack([np.interp(bins, edges[k : k + 3], [0, 2 / (edges[k + 2] - edges[k]), 0]) for k in range(n)])


def slow_logmel(audio: np.ndarray, config: FrontendConfig) -> np.ndarray:
    """``[2, T]`` -> ``[C, mel, frame]`` in float64, frame by frame."""
    if config.channels == "lrms":
        audio = np.stack([audio[0], audio[1], audio.sum(axis=0) / 2, (audio[0] - audio[1]) / 2])
    half = config.n_fft // 2
    padded = np.pad(audio, ((0, 0), (half, half)), mode="reflect")
    window = get_window("hann", config.n_fft, fftbins=True)
    starts = range(0, padded.shape[1] - config.n_fft + 1, config.hop_length)
    frames = np.stack([padded[:, s : s + config.n_fft] for s in starts], axis=1)
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    bank = slow_filterbank(config.sample_rate, config.n_fft, config.n_mels, config.f_min_hz, config.f_max_hz, slaney)
    decibels = np.clip(10 * np.log10(power @ bank.T + 1e-30), config.floor_db, config.ceiling_db)
    scaled = 2 * (decibels - config.floor_db) / (config.ceiling_db - config.floor_db) - 1
    return scaled.transpose(0, 2, 1)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "scale"), [("slaney", slaney), ("htk", htk)])
@pytest.mark.parametrize(
    ("rate", "n_fft", "n", "low", "high"),
    [(44100, 2048, 64, 50.0, 18000.0), (44100, 2048, 128, 20.0, 20000.0), (48000, 4096, 96, 0.0, 24000.0)],
)
def test_filterbank(name: str, scale: object, rate: int, n_fft: int, n: int, low: float, high: float) -> None:
    ours = mel_filterbank(rate, n_fft, n, low, high, name)  # type: ignore[arg-type]
    slow = slow_filterbank(rate, n_fft, n, low, high, scale)
    assert np.abs(ours - slow).max() < 1e-7 * slow.max()


def test_bands_have_unit_area() -> None:
    bank = mel_filterbank(44100, 1 << 16, 64, 50.0, 18000.0)
    assert np.allclose(bank.sum(axis=1) * 44100 / (1 << 16), 1.0, atol=1e-3)


@pytest.mark.parametrize("config", [PAPER, RICH], ids=["paper", "rich"])
@pytest.mark.parametrize("samples", [44100, 2048, 70001])
def test_against_fourier_sums(config: FrontendConfig, samples: int) -> None:
    audio = noise(2, 2, samples)
    audio[1] *= 1e-3  # a quiet clip beside a loud one
    fast = LogMel(config)(audio)
    assert fast.dtype == torch.float32
    assert fast.shape == (2, config.n_channels, config.n_mels, samples // config.hop_length + 1)
    for clip, row in zip(audio.double().numpy(), fast.numpy(), strict=True):
        slow = slow_logmel(clip, config)
        assert np.abs(row - slow).max() < 2e-5  # 0.001 dB


def test_level_of_a_tone() -> None:
    # A sine of amplitude a on a bin has power (a sum(window) / 2)^2 there and a quarter of it on both sides.
    bin_ = 200
    hz = bin_ * 44100 / 2048
    sine = 0.5 * torch.sin(2 * math.pi * hz * torch.arange(44100) / 44100)
    row = LogMel(PAPER)(torch.stack([sine, 0.5 * sine])[None])[0]
    bank = mel_filterbank(44100, 2048, 64, 50.0, 18000.0)
    middle = row[:, :, 40]
    band = int(middle[0].argmax())
    peak = (0.5 * 1024 / 2) ** 2
    power = peak * (bank[band, bin_] + (bank[band, bin_ - 1] + bank[band, bin_ + 1]) / 4)
    assert (middle[0, band] * 60 - 20).item() == pytest.approx(10 * math.log10(power), abs=1e-3)
    assert ((middle[0, band] - middle[1, band]) * 60).item() == pytest.approx(20 * math.log10(2), abs=1e-3)


def test_range_is_clipped() -> None:
    front = LogMel(PAPER)
    assert torch.all(front(torch.zeros(1, 2, 4096)) == -1.0)
    loud = front(1e6 * noise(1, 2, 44100))
    assert loud.max() == 1.0 and loud.min() == 1.0


def test_mid_and_side() -> None:
    left = noise(44100)
    same = LogMel(RICH)(torch.stack([left, left])[None])[0]
    assert torch.equal(same[0], same[2]) and torch.all(same[3] == -1.0)
    opposite = LogMel(RICH)(torch.stack([left, -left])[None])[0]
    assert torch.equal(opposite[0], opposite[3]) and torch.all(opposite[2] == -1.0)


@pytest.mark.parametrize("samples", [1, 700, 1024, 1025, 2047])
def test_short_audio_is_lengthened_with_zeros(samples: int) -> None:
    audio = noise(1, 2, samples)
    padded = torch.nn.functional.pad(audio, (0, 2048 - samples))
    assert torch.equal(LogMel(PAPER)(audio), LogMel(PAPER)(padded))


def test_items_do_not_see_each_other() -> None:
    audio = noise(3, 2, 30000)
    front = LogMel(RICH)
    assert torch.equal(front(audio)[1], front(audio[1:2])[0])


def test_always_float32() -> None:
    audio = noise(1, 2, 44100)
    exact = LogMel(RICH)(audio)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(LogMel(RICH)(audio), exact)
    cast = LogMel(RICH).bfloat16()
    assert torch.equal(cast(audio), exact)
    assert torch.equal(LogMel(RICH)(audio.double()), exact)


def test_gradient_reaches_the_audio() -> None:
    audio = noise(1, 2, 8192).requires_grad_()
    front = LogMel(RICH)
    # d/ds of 20 log10(s) at s = 1 is 20 / ln(10): that is the slope along the audio itself, in every cell.
    front(audio).mean().backward()
    assert audio.grad is not None
    slope = float((audio.grad * audio.detach()).sum())
    scale = 2 / (RICH.ceiling_db - RICH.floor_db)
    assert slope == pytest.approx(scale * 20 / math.log(10), rel=1e-3)


def test_nothing_to_learn_or_to_save() -> None:
    front = LogMel(PAPER)
    assert not list(front.parameters()) and not front.state_dict()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"f_max_hz": 23000.0}, "half the sample rate"),
        ({"f_min_hz": 500.0, "f_max_hz": 400.0}, "f_min_hz < f_max_hz"),
        ({"n_mels": 0}, "at least 1"),
        ({"floor_db": 50.0}, "must lie below ceiling_db"),
    ],
)
def test_impossible_settings(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FrontendConfig(**changes)  # type: ignore[arg-type]


def test_too_many_bands() -> None:
    with pytest.raises(ConfigError, match="fewer bands or a longer n_fft"):
        LogMel(FrontendConfig(n_fft=512, n_mels=128))


def test_what_is_not_stereo_audio() -> None:
    with pytest.raises(AudioChannelsError, match=r"\[B, 2, T\]"):
        LogMel(PAPER)(torch.zeros(2, 44100))
    with pytest.raises(AudioChannelsError):
        LogMel(PAPER)(torch.zeros(1, 1, 44100))
    with pytest.raises(AudioEmptyError):
        LogMel(PAPER)(torch.zeros(1, 2, 0))
