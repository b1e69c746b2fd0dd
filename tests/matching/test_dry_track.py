"""Where a track is listened to, whether it is a file or in memory."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from fxlens.audio.loudness import integrated_loudness
from fxlens.audio.output import write
from fxlens.audio.waveform import MonoWarning
from fxlens.errors import AudioDecodeError, AudioMissingError, AudioSilentError
from fxlens.matching.dry_track import WORKING_LUFS, dry_track, heard_track

RATE = 22_050


def passages(*levels: float, seconds: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    steps = np.repeat(levels, round(seconds * RATE))
    return (steps * rng.standard_normal((2, steps.size))).astype(np.float32)


def test_a_file_and_its_samples_are_one_track(tmp_path: Path) -> None:
    audio = passages(0.02, 0.2, 0.1, 0.3)
    write(tmp_path / "dry.wav", audio, RATE)
    file, array = dry_track(tmp_path / "dry.wav", None), dry_track(audio, RATE)
    assert file.lufs == array.lufs == pytest.approx(float(integrated_loudness(audio, RATE)), abs=1e-4)
    assert file.seconds == array.seconds == 8.0
    assert np.array_equal(file.excerpts(1.0, 3, RATE), array.excerpts(1.0, 3, RATE))
    assert np.array_equal(np.concatenate(list(file.blocks()), axis=1), audio)


def test_excerpts_are_typical_and_do_not_overlap() -> None:
    track = dry_track(passages(0.004, 0.25, 0.02, 0.25, 0.01, 0.25), RATE)
    cut = track.excerpts(1.0, 3, 44_100)
    assert cut.shape == (3, 2, 44_100)
    assert cut.dtype == np.float32
    loudness = integrated_loudness(cut, 44_100)
    assert np.abs(loudness - WORKING_LUFS).max() < 1.0  # never one of the quiet passages
    assert len(track.excerpts(2.0, 9, RATE)) <= 6
    whole = track.excerpts(60.0, 2, RATE)
    assert whole.shape == (1, 2, 12 * RATE)


def test_mono_files_are_duplicated_with_one_warning(tmp_path: Path) -> None:
    write(tmp_path / "mono.wav", passages(0.1)[:1], RATE)
    with pytest.warns(MonoWarning) as said:
        track = dry_track(tmp_path / "mono.wav", None)
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = track.excerpts(1.0, 1, RATE)[0]
    assert np.array_equal(clip[0], clip[1])


def test_what_cannot_be_processed_is_told(tmp_path: Path) -> None:
    write(tmp_path / "quiet.wav", passages(0.0001), RATE)
    with pytest.raises(AudioSilentError, match=r"quiet\.wav"):
        dry_track(tmp_path / "quiet.wav", None)
    assert heard_track(tmp_path / "quiet.wav", None, "").lufs < -60.0
    with pytest.raises(AudioMissingError):
        dry_track(tmp_path / "none.wav", None)
    write(tmp_path / "low.wav", passages(0.1), 2_000)
    with pytest.raises(AudioDecodeError, match="2000 Hz"):
        dry_track(tmp_path / "low.wav", None)
