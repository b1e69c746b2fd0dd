"""Onsets, peaks between them, and the mildest compressor that lowers them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from fxlens.audio import io
from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.fxnorm import dynamics as dy
from fxlens.fxnorm.instrument_settings import settings_of
from fxlens.fxnorm.normalize import prepare
from fxlens.fxnorm.onsets import onsets
from fxlens.fxnorm.short_time import SAMPLE_RATE

DATA = Path(os.environ.get("FXLENS_DATA", Path(__file__).parents[3] / "shared" / "data"))
RECORDINGS = sorted(DATA.glob("multitracks/*/*/*.ogg"))


def strokes(levels_db: list[float], gap_seconds: float = 0.3, decay_seconds: float = 0.06) -> np.ndarray:
    """Decaying noise bursts, the n-th beginning at n times the gap and peaking at its level."""
    gap = round(gap_seconds * SAMPLE_RATE)
    audio = np.zeros((2, gap * (len(levels_db) + 1)), np.float32)
    noise = np.random.default_rng(0).uniform(-1.0, 1.0, gap)
    burst = noise * np.exp(-np.arange(gap) / (decay_seconds * SAMPLE_RATE))
    burst /= np.abs(burst).max()
    for n, level_db in enumerate(levels_db, start=1):
        audio[:, n * gap : (n + 1) * gap] += burst.astype(np.float32) * 10.0 ** (level_db / 20.0)
    return audio


def test_every_stroke_is_an_onset_and_nothing_else_is() -> None:
    levels_db = [-10.0, -16.0, -13.0, -25.0, -12.0, -20.0]
    found = onsets(strokes(levels_db)) / SAMPLE_RATE
    expected = 0.3 * np.arange(1, len(levels_db) + 1)
    assert found.size == expected.size
    assert np.abs(found - expected).max() < 0.035


def test_silence_and_a_drone_begin_nowhere() -> None:
    assert onsets(np.zeros((2, SAMPLE_RATE), np.float32)).size == 0
    t = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    drone = np.tile(0.3 * np.sin(2 * np.pi * 220 * t), (2, 1)).astype(np.float32)
    found = onsets(drone) / SAMPLE_RATE  # where it is switched on and off, it clicks
    assert np.all((found < 0.1) | (found > 2.9))


@pytest.mark.skipif(not RECORDINGS, reason="no recordings: FXLENS_DATA names the folder that has them")
def test_music_agrees_with_librosa() -> None:
    librosa = pytest.importorskip("librosa", reason="librosa is not installed")
    scores, differences = [], []
    for path in RECORDINGS[::8]:
        audio = prepare(*io.read(path, 0.0, 20.0))
        if np.abs(audio).max() < 0.01:
            continue
        audio *= 10.0 ** (dy.PEAK_DBFS / 20.0) / np.abs(audio).max()
        ours = onsets(audio)
        theirs = librosa.onset.onset_detect(y=audio.mean(0), sr=SAMPLE_RATE, hop_length=512, units="samples")
        near = np.abs(ours[:, None] - theirs[None]) < 0.05 * SAMPLE_RATE
        hits = min(near.any(0).sum(), near.any(1).sum())
        scores.append(2.0 * hits / max(ours.size + theirs.size, 1))
        levels = dy.envelope(audio)
        differences.append(abs(dy.measure_peaks(levels, ours).mean_db - dy.measure_peaks(levels, theirs).mean_db))
    assert np.median(scores) > 0.8 and np.median(differences) < 0.2


def test_peaks_by_hand() -> None:
    levels_db = [-10.0, -11.0, -14.0, -30.0, -12.0, -22.0, -18.0, -16.0]
    audio = strokes(levels_db)
    began = np.round(0.3 * SAMPLE_RATE * np.arange(1, 9)).astype(np.int64)
    found = dy.measure_peaks(dy.envelope(audio), began)
    # Nine stretches with the silence in front; those at or above the 75th percentile are the upper three.
    assert found.mean_db == pytest.approx(np.mean([-10.0, -11.0, -12.0]), abs=0.05)
    assert found.std_db == pytest.approx(np.std([-10.0, -11.0, -12.0]), abs=0.05)


def test_without_onsets_there_is_one_peak() -> None:
    found = dy.measure_peaks(np.array([0.1, 0.3, 0.2], np.float32), np.zeros(0, np.int64))
    assert found.mean_db == pytest.approx(20 * np.log10(0.3), abs=1e-4) and found.std_db == 0.0


def test_peaks_that_are_low_enough_are_let_be() -> None:
    audio = strokes([-10.0] * 6)
    own = dy.measure_peaks(dy.envelope(audio), onsets(audio))
    chosen = dy.find_compression(audio, onsets(audio), own, own.mean_db, settings_of("drums"))
    assert chosen.ratio == 1.0 and chosen.peaks_mean_db == own.mean_db
    before = audio.copy()
    dy.compress(audio, chosen, settings_of("drums"))
    np.testing.assert_array_equal(audio, before)


@pytest.mark.parametrize("instrument", ["drums", "bass", "vocals", "piano"])
@pytest.mark.parametrize("lower_db", [0.3, 2.0, 6.0])
def test_the_mildest_compressor_that_does_is_found(instrument: str, lower_db: float) -> None:
    audio = synthesize_song(1, 4.0, instruments=["drums"])["drums"].copy()
    audio *= 10.0 ** (dy.PEAK_DBFS / 20.0) / np.abs(audio).max()
    settings, began = settings_of(instrument), onsets(audio)
    own = dy.measure_peaks(dy.envelope(audio), began)
    wanted = own.mean_db - lower_db
    chosen = dy.find_compression(audio, began, own, wanted, settings)

    def mean_after(threshold_db: float, ratio: float) -> float:
        trial = audio.copy()
        dy.compress(trial, dy.Compression(threshold_db, ratio, 0.0), settings)
        return dy.measure_peaks(dy.envelope(trial), began).mean_db

    assert mean_after(chosen.threshold_db, chosen.ratio) == pytest.approx(chosen.peaks_mean_db, abs=1e-4)
    assert chosen.peaks_mean_db <= wanted
    assert mean_after(min(chosen.threshold_db + 0.25, -10.0), chosen.ratio) > wanted
    assert chosen.ratio >= settings.mildest_ratio
    if chosen.ratio > settings.mildest_ratio:  # the ratio below reaches it with no threshold
        assert mean_after(dy.LOWEST_THRESHOLD_DBFS, chosen.ratio / 1.25) > wanted


def test_what_no_compressor_reaches_gets_the_hardest() -> None:
    audio = strokes([-10.0] * 4)
    own = dy.measure_peaks(dy.envelope(audio), onsets(audio))
    chosen = dy.find_compression(audio, onsets(audio), own, -90.0, settings_of("drums"))
    assert (chosen.threshold_db, chosen.ratio) == (dy.LOWEST_THRESHOLD_DBFS, dy.HIGHEST_RATIO)
    assert chosen.peaks_mean_db < own.mean_db


def test_both_channels_get_one_gain() -> None:
    audio = strokes([-10.0] * 4)
    audio[1] *= 0.25
    dy.compress(audio, dy.Compression(-30.0, 8.0, 0.0), settings_of("drums"))
    np.testing.assert_allclose(audio[1], 0.25 * audio[0], rtol=1e-5, atol=1e-9)
