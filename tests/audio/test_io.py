"""What is written is read back, whole and in parts."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from audio_files import RATE, error_db, music, refused

from fxlens.audio.io import AUDIO_SUFFIXES, blocks, probe, read, write
from fxlens.errors import (
    AudioMissingError,
)

DATA = Path(os.environ.get("FXLENS_DATA", Path(__file__).parents[3] / "shared" / "data"))
RECORDINGS = sorted(DATA.glob("multitracks/*/*/*.ogg"))


LOSSLESS = [
    ("a.wav", None, "WAV", "FLOAT", 0.0),
    ("a.wav", "DOUBLE", "WAV", "DOUBLE", 0.0),
    ("a.wav", "PCM_16", "WAV", "PCM_16", 1.5 / 2**15),
    ("a.wav", "pcm_24", "WAV", "PCM_24", 1.5 / 2**23),
    ("a.flac", None, "FLAC", "PCM_24", 1.5 / 2**23),
    ("a.FLAC", "PCM_16", "FLAC", "PCM_16", 1.5 / 2**15),
    ("a.aiff", None, "AIFF", "FLOAT", 0.0),
    ("a.w64", None, "W64", "FLOAT", 0.0),
]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("name", "subtype", "kind", "stored", "budget"), LOSSLESS)
def test_lossless_round_trip(
    tmp_path: Path, name: str, subtype: str | None, kind: str, stored: str, budget: float, channels: int
) -> None:
    audio = music(1.0, channels)
    write(tmp_path / name, audio, RATE, subtype)
    result, rate = read(tmp_path / name)
    assert rate == RATE and result.dtype == np.float32 and result.shape == audio.shape
    assert result.flags.c_contiguous
    assert np.abs(result - audio).max() <= budget
    info = probe(str(tmp_path / name))
    assert (info.format, info.subtype, info.channels, info.frames) == (kind, stored, channels, RATE)
    assert (info.path, info.sample_rate, info.duration_seconds) == (tmp_path / name, RATE, 1.0)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("name", "rate"), [("a.ogg", 44100), ("a.mp3", 44100), ("a.opus", 48000)])
def test_lossy_round_trip(tmp_path: Path, name: str, rate: int) -> None:
    audio = music(3.0, rate=rate)
    write(tmp_path / name, audio, rate)
    result, read_rate = read(tmp_path / name)
    assert read_rate == rate and result.shape == audio.shape
    assert error_db(result, audio) < -12.0  # a shift by one sample alone costs more than this at these pitches
    assert probe(tmp_path / name).frames == audio.shape[1]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.opus", "a.aiff"])
def test_parts_are_slices_of_the_whole(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, music(4.0, rate=48000), 48000)
    whole, rate = read(tmp_path / name)
    for start, duration in [(0.0, 1.0), (0.5, 0.25), (1.23456, 2.0), (3.9, None), (3.0, 60.0)]:
        begin = round(start * rate)
        end = None if duration is None else begin + round(duration * rate)
        part, _ = read(tmp_path / name, start, duration)
        np.testing.assert_allclose(part, whole[:, begin:end], atol=1e-6)
    for start in np.linspace(0.9, 0.999, 5) * whole.shape[1] / rate:  # the last page of an ogg is a trap
        part, _ = read(tmp_path / name, start)
        np.testing.assert_allclose(part, whole[:, round(start * rate) :], atol=1e-6)
    pieces = list(blocks(tmp_path / name, 0.3, 0.5, 2.0))
    assert [p.shape[1] for p in pieces] == [14400] * 6 + [9600]
    np.testing.assert_allclose(np.concatenate(pieces, 1), whole[:, 24000:120000], atol=1e-6)


@pytest.mark.skipif(not RECORDINGS, reason="no recordings: FXLENS_DATA names the folder that has them")
def test_parts_of_a_real_recording() -> None:
    path = min(RECORDINGS, key=lambda p: p.stat().st_size)
    whole, rate = read(path)
    info = probe(path)
    assert whole.shape == (info.channels, info.frames)
    starts = np.random.default_rng(0).uniform(0, info.duration_seconds - 0.5, 4)
    for start in [*starts, info.duration_seconds - 0.3, info.duration_seconds - 0.05]:
        part, _ = read(path, start, 0.4)
        begin = round(start * rate)
        np.testing.assert_allclose(part, whole[:, begin : begin + part.shape[1]], atol=1e-6)


def test_names_in_any_script(tmp_path: Path) -> None:
    path = tmp_path / "Größe & 音楽 'n' 🎛 mix.wav"
    write(path, music(0.1), RATE)
    assert read(path)[0].shape == (2, 4410)
    refused(tmp_path / "не там.wav", AudioMissingError, "no such file")


def test_six_channels_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", music(0.1, 6), RATE)
    assert read(tmp_path / "a.wav")[0].shape == (6, 4410)


def test_suffixes() -> None:
    assert {".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".mp4", ".webm"} <= AUDIO_SUFFIXES
    assert all(s == s.lower() and s.startswith(".") for s in AUDIO_SUFFIXES)
