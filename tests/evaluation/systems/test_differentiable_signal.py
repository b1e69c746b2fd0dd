"""Resampling and loudness with gradients, against soxr and the meter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_systems import RATE, clips

from fxlens.audio.loudness import integrated_loudness
from fxlens.audio.loudness_gradient import at_loudness, loudness_lufs
from fxlens.audio.waveform import resample
from fxlens.errors import UsageError
from fxlens.evaluation.systems.differentiable_resampling import resample_tensor

RATES = [(44100, 16000), (44100, 22050), (44100, 32000), (44100, 48000), (48000, 44100), (16000, 44100)]


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_a_tone_passes_unchanged(from_rate: int, to_rate: int) -> None:
    """0.1 to 0.8 of the lower Nyquist frequency: under -80 dB of error inside, no delay, right length."""
    length = from_rate // 2
    for share in (0.1, 0.5, 0.8):
        hz = share * min(from_rate, to_rate) / 2
        tone = torch.sin(2 * torch.pi * hz * torch.arange(length, dtype=torch.float64) / from_rate).float()
        found = resample_tensor(tone.expand(1, 2, -1), from_rate, to_rate)[0, 0].double()
        assert len(found) == round(length * to_rate / from_rate)
        ideal = torch.sin(2 * torch.pi * hz * torch.arange(len(found), dtype=torch.float64) / to_rate)
        inside = slice(to_rate // 20, -to_rate // 20)
        assert float((found - ideal)[inside].abs().max()) < 1e-4


@pytest.mark.parametrize(("from_rate", "to_rate"), [(44100, 16000), (44100, 22050), (48000, 44100)])
def test_what_the_lower_rate_cannot_hold_is_gone(from_rate: int, to_rate: int) -> None:
    hz = 1.08 * to_rate / 2
    tone = torch.sin(2 * torch.pi * hz * torch.arange(from_rate // 2, dtype=torch.float64) / from_rate)
    found = resample_tensor(tone.float().expand(1, 2, -1), from_rate, to_rate)[..., to_rate // 20 : -to_rate // 20]
    assert float(found.abs().max()) < 10 ** (-70 / 20)


def test_music_comes_out_as_from_soxr() -> None:
    """Below 0.85 of the lower Nyquist frequency the two differ by less than -60 dB."""
    for from_rate, to_rate in RATES:
        ours = resample_tensor(torch.from_numpy(clips()), from_rate, to_rate).numpy()
        theirs = np.stack([resample(clip, from_rate, to_rate) for clip in clips()])
        assert ours.shape == theirs.shape
        bins = int(0.85 * min(from_rate, to_rate) / to_rate * (theirs.shape[-1] // 2))
        wrong, right = (np.abs(np.fft.rfft(x))[..., :bins] for x in (ours - theirs, theirs))
        assert 10 * np.log10((wrong**2).sum() / (right**2).sum()) < -60.0


def test_rates_without_a_small_common_ratio_are_refused() -> None:
    with pytest.raises(UsageError, match="resample to 44100"):
        resample_tensor(torch.zeros(1, 2, 100), 44101, 48000)


@pytest.mark.parametrize("rate", [44100, 48000, 22051])
@pytest.mark.parametrize("samples", [30000, 12345])
def test_loudness_is_that_of_the_meter(rate: int, samples: int) -> None:
    sound = clips()[..., :samples] * np.array([1.0, 0.1, 1e-2, 1e-5], dtype=np.float32)[:, None, None]
    ours, meter = loudness_lufs(torch.from_numpy(sound), rate).numpy(), integrated_loudness(sound, rate)
    audible = np.isfinite(meter)
    np.testing.assert_allclose(ours[audible], meter[audible], atol=0.01)
    assert (ours[~audible] < -150.0).all()


def test_levelling_leaves_silence_alone() -> None:
    sound = np.concatenate([clips(), np.zeros_like(clips()[:1])])
    found = at_loudness(torch.from_numpy(sound), RATE, -18.0).numpy()
    np.testing.assert_allclose(integrated_loudness(found[:-1], RATE), -18.0, atol=0.01)
    assert not found[-1].any()
