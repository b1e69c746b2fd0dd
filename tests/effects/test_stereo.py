"""Stereo width: what stays, what is scaled, and how the crossfade form relates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fxlens.effects.stereo import StereoImager, from_crossfade_width
from fxlens.errors import UsageError

RATE = 44_100


def noise(seed: int = 0, length: int = 4_096) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((2, length))


@pytest.mark.parametrize("width", [0.0, 0.3, 1.0, 1.7, 2.0])
def test_mid_stays_and_side_is_scaled(width: float) -> None:
    audio = noise()
    out = StereoImager().reference(audio, RATE, width=width)
    np.testing.assert_allclose(out[0] + out[1], audio[0] + audio[1], atol=1e-15)
    np.testing.assert_allclose(out[0] - out[1], width * (audio[0] - audio[1]), atol=1e-15)


@pytest.mark.parametrize("width", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_mono_is_never_touched(width: float) -> None:
    mono = np.repeat(noise()[:1], 2, axis=0)
    np.testing.assert_array_equal(StereoImager().reference(mono, RATE, width=width), mono)
    batch = torch.from_numpy(mono[None]).float()
    assert torch.equal(StereoImager().forward(batch, RATE, {"width": torch.tensor([width])}), batch)


def test_width_one_is_bitwise_neutral() -> None:
    audio = noise()
    np.testing.assert_array_equal(StereoImager().reference(audio, RATE, width=1.0), audio)


@pytest.mark.parametrize("crossfade", [0.0, 0.2, 0.5, 0.6, 0.9])
def test_crossfade_is_a_width_and_a_gain(crossfade: float) -> None:
    audio = noise()
    mid, side = (audio[0] + audio[1]) / 2.0, (audio[0] - audio[1]) / 2.0
    mid, side = 2.0 * (1.0 - crossfade) * mid, 2.0 * crossfade * side
    width, gain_db = from_crossfade_width(crossfade)
    ours = StereoImager().reference(audio, RATE, width=width) * 10.0 ** (gain_db / 20.0)
    np.testing.assert_allclose(ours, np.stack([mid + side, mid - side]), atol=1e-14)


@pytest.mark.parametrize("crossfade", [1.0, -0.1, 1.5, float("nan")])
def test_crossfade_without_a_mid_is_refused(crossfade: float) -> None:
    with pytest.raises(UsageError, match="crossfade width"):
        from_crossfade_width(crossfade)
