"""Loudness in blocks against the meter that hears a whole clip."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fxlens.audio.loudness import integrated_loudness
from fxlens.errors import UsageError
from fxlens.matching.loudness_meter import LoudnessMeter


def music(rate: int, seconds: float = 3.0) -> np.ndarray:
    """Noise in loud, soft and silent passages, ``float32 [2, T]``."""
    rng = np.random.default_rng(rate)
    length = round(seconds * rate)
    steps = np.repeat([0.3, 0.02, 0.0, 0.1, 0.001, 0.2], length // 6 + 1)[:length]
    return (steps * rng.standard_normal((2, length))).astype(np.float32)


def heard(audio: np.ndarray, rate: int, block: int) -> LoudnessMeter:
    meter = LoudnessMeter(rate)
    for start in range(0, audio.shape[1], block):
        meter.add(audio[:, start : start + block])
    return meter


@pytest.mark.parametrize(("rate", "block"), [(44_100, 65_536), (48_000, 4_801), (11_025, 7), (22_050, 1_000_000)])
def test_blocks_make_no_difference(rate: int, block: int) -> None:
    audio = music(rate)
    meter = heard(audio, rate, block)
    assert meter.lufs() == pytest.approx(float(integrated_loudness(audio, rate)), abs=1e-4)
    assert meter.frames == audio.shape[1]
    assert meter.peak == float(np.abs(audio).max())


@pytest.mark.parametrize("frames", [1, 4_409, 17_639, 17_640, 17_641])
def test_short_clips(frames: int) -> None:
    audio = music(44_100)[:, :frames]
    assert heard(audio, 44_100, 1_000).lufs() == pytest.approx(float(integrated_loudness(audio, 44_100)), abs=1e-4)


def test_parts_are_those_of_the_clip() -> None:
    """But for what rings from before the part: the filters of the meter do not start anew."""
    rate = 44_100
    audio = music(rate, 6.0)
    meter = heard(audio, rate, 10_000)
    for start in (0.0, 1.2, 3.0):
        part = audio[:, round(start * rate) : round((start + 1.5) * rate)]
        assert meter.lufs_of(start, 1.5) == pytest.approx(float(integrated_loudness(part, rate)), abs=0.05)
    assert meter.lufs_of(2.0, 0.3) == -math.inf


def test_silence_and_nothing_and_low_rates() -> None:
    assert heard(np.zeros((2, 50_000), np.float32), 44_100, 10_000).lufs() == -math.inf
    assert LoudnessMeter(44_100).lufs() == -math.inf
    with pytest.raises(UsageError, match="resample"):
        LoudnessMeter(2_000)
