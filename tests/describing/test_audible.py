"""What an effect changes: nothing where nothing can be heard, more where it is set higher."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_describing import noise

from fxlens.describing.audible import LEAST_CHANGE_DB, Spectrogram, change_db
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect

RATE = 44100


@pytest.fixture(scope="module")
def spectrogram() -> Spectrogram:
    return Spectrogram(RATE)


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """Two seconds of noise bursts, so that a tail has gaps to fill."""
    clip = noise(2.0, 1, RATE)
    clip *= (np.arange(clip.shape[1]) // (RATE // 4) % 2 == 0).astype(np.float32)
    return clip


def changed(spectrogram: Spectrogram, clip: np.ndarray, type: str, **values: float) -> float:
    wet = EffectChain((Effect(type, parameters=values),)).render(clip[None], RATE)[0]
    return change_db(spectrogram(clip), spectrogram(wet))


def test_the_same_clip_and_another_gain_are_no_change(spectrogram: Spectrogram, clip: np.ndarray) -> None:
    assert change_db(spectrogram(clip), spectrogram(clip)) == 0.0
    assert change_db(spectrogram(clip), spectrogram(0.1 * clip)) < 0.01


def test_a_known_difference_is_measured(spectrogram: Spectrogram) -> None:
    one = np.full((4, 8, 5), 20.0, np.float32)
    other = one.copy()
    other[2] += 6.0
    assert change_db(one, other) == pytest.approx(6.0)
    other = one.copy()
    other[0, :2] -= 100.0  # a quarter of the places of one channel, 60 dB as far as is looked
    assert change_db(one, other) == pytest.approx(15.0)


def test_what_is_hardly_ever_there_hardly_counts() -> None:
    one = np.full((2, 100, 10), -200.0, np.float32)
    one[0], other = 0.0, one.copy()
    other[0], other[1, 0, 0] = 0.0, -50.0
    assert change_db(one, other) == pytest.approx(10.0 / 100.0)


def test_a_width_that_meets_mono_is_not_heard(spectrogram: Spectrogram, clip: np.ndarray) -> None:
    mono = np.repeat(clip[:1], 2, axis=0)
    assert changed(spectrogram, mono, "stereo_imager", width=1.8) < 1e-3
    assert changed(spectrogram, clip, "stereo_imager", width=1.8) > LEAST_CHANGE_DB


def test_a_limiter_above_all_peaks_is_not_heard(spectrogram: Spectrogram, clip: np.ndarray) -> None:
    assert changed(spectrogram, 0.01 * clip, "limiter", threshold_db=-6.0) < 0.01
    assert changed(spectrogram, clip, "limiter", threshold_db=-19.0, attack_ms=0.1) > 0.1


@pytest.mark.parametrize(
    ("type", "name", "values"),
    [
        ("equalizer", "band1_gain_db", (1.0, 4.0, 12.0)),
        ("distortion", "drive_db", (2.0, 12.0, 36.0)),
        ("delay", "wet", (0.05, 0.2, 0.5)),
        ("reverb", "wet", (0.05, 0.2, 0.7)),
    ],
)
def test_more_of_it_changes_more(
    spectrogram: Spectrogram, clip: np.ndarray, type: str, name: str, values: tuple[float, ...]
) -> None:
    found = [changed(spectrogram, clip, type, **{name: value}) for value in values]
    assert found == sorted(found) and found[0] > 0.02 and found[-1] > LEAST_CHANGE_DB
