"""What is measured of a stem: length, loudness as pyloudnorm has it, and where it sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile

from fxlens.data.stem_analysis import active_regions, analyse

RATE = 8000


def noise(seconds: float, level_db: float = -20.0, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((2, round(seconds * RATE)))
    return (drawn * 10.0 ** (level_db / 20.0)).astype(np.float32)


def write(path: Path, audio: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, rate, subtype="PCM_16")
    return path


def test_measurements(tmp_path: Path) -> None:
    loud = noise(6.0, -18.0)
    path = write(tmp_path / "x.wav", loud)
    measured = analyse(path)
    assert measured.duration_seconds == 6.0 and measured.sample_rate == RATE
    read, _ = soundfile.read(path)
    assert measured.loudness_lufs == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(read), abs=0.3)
    assert measured.active == ((0.0, 6.0),)


def test_mono_is_as_loud_as_the_same_in_both_channels(tmp_path: Path) -> None:
    one = noise(3.0)[:1]
    mono = analyse(write(tmp_path / "mono.wav", one))
    both = analyse(write(tmp_path / "both.wav", np.repeat(one, 2, axis=0)))
    assert mono.loudness_lufs == pytest.approx(both.loudness_lufs, abs=1e-6)


def sounding(*pieces: tuple[float, float]) -> np.ndarray:
    """Pieces of (seconds, level in dBFS)."""
    return np.concatenate([noise(seconds, level, i) for i, (seconds, level) in enumerate(pieces)], axis=1)


@pytest.mark.parametrize(
    ("pieces", "regions"),
    [
        ([(5.0, -120.0), (4.0, -20.0), (6.0, -120.0)], ((5.0, 9.0),)),
        ([(3.0, -20.0), (1.0, -120.0), (3.0, -20.0)], ((0.0, 7.0),)),  # a breath does not end a region
        ([(3.0, -20.0), (1.5, -120.0), (3.0, -20.0)], ((0.0, 3.0), (4.5, 7.5))),
        ([(4.0, -120.0), (1.5, -20.0), (4.0, -120.0)], ()),  # a single hit is none
        ([(4.0, -15.0), (4.0, -57.0)], ((0.0, 4.0),)),  # hiss behind a loud stem
        ([(4.0, -30.0), (4.0, -57.0)], ((0.0, 8.0),)),  # quiet passages of a quiet stem
        ([(4.0, -20.0), (4.0, -90.0)], ((0.0, 4.0),)),
        ([(5.0, -80.0)], ()),
    ],
)
def test_active_regions(pieces: list, regions: tuple) -> None:
    found = active_regions(sounding(*pieces), RATE)
    assert found == regions
