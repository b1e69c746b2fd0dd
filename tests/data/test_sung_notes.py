"""Sung notes: names are read, a melody becomes one line, and what is sung is in tune, in time and joined."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxlens.data.midi.parts import Note
from fxlens.data.singing.notes import read_voice_folder, sing, singable, skyline
from fxlens.errors import DataError

RATE = 44100


def tone(pitch: int, seconds: float = 1.5) -> np.ndarray:
    """A voice of ten partials with a soft onset and end."""
    time = np.arange(round(seconds * RATE)) / RATE
    frequency = 440.0 * 2.0 ** ((pitch - 69) / 12)
    sound = sum(np.sin(2 * np.pi * k * frequency * time) / k for k in range(1, 11))
    return 0.2 * sound * np.minimum(1.0, np.minimum(time, time[::-1]) / 0.05)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    for name, pitch in (("A3", 57), ("Ds4", 63), ("A4", 69), ("eb5", 75)):
        for vowel in ("aa", "oo2"):
            soundfile.write(folder / f"alto_{vowel}_{name}.wav", tone(pitch), RATE)
    (folder / "readme.txt").write_text("not a note")
    return folder


def test_pitches_come_from_names(voices: Path, tmp_path: Path) -> None:
    singers = read_voice_folder(voices)
    assert sorted({(n.vowel, n.pitch) for n in singers["alto"]}) == [
        (vowel, pitch) for vowel in ("aa", "oo") for pitch in (57, 63, 69, 75)
    ]
    with pytest.raises(DataError, match="no sung note"):
        read_voice_folder(tmp_path)


def test_the_skyline_is_one_voice() -> None:
    chords = [Note(i * 1.0, i * 1.0 + 1.5, p, 80) for i in range(5) for p in (48, 52, 60 + i)]
    line = skyline(chords)
    assert [n.pitch for n in line] == [60, 61, 62, 63, 64]
    assert all(a.end <= b.start for a, b in pairwise(line))


def test_what_can_be_sung() -> None:
    calm = [Note(i * 0.5, i * 0.5 + 0.45, 60 + i % 5, 80) for i in range(60)]
    hectic = [Note(i * 0.1, i * 0.1 + 0.1, 60 + i % 5, 80) for i in range(300)]
    leaping = [Note(n.start, n.end, 50 + 20 * (i % 2) + i % 5, 80) for i, n in enumerate(calm)]
    drone = [Note(n.start, n.end, 60, 80) for n in calm]
    assert singable(calm, 30.0) > 0.8
    assert singable(leaping, 30.0) < 0.2
    assert singable(hectic, 30.0) == singable(drone, 30.0) == singable(calm[:5], 30.0) == 0.0


def sung_pitch(audio: np.ndarray, start: float, end: float) -> float:
    piece = audio[round(start * RATE) : round(end * RATE)]
    size = 1 << 19
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), size))
    low, high = round(150 * size / RATE), round(900 * size / RATE)
    return 69 + 12 * np.log2((low + np.argmax(spectrum[low:high])) * RATE / size / 440.0)


def test_notes_are_in_tune_and_joined(voices: Path) -> None:
    pitches = [60, 62, 64, 65, 67, 69]
    line = [Note(i * 0.6, (i + 1) * 0.6, p, 90) for i, p in enumerate(pitches)]
    audio = sing(line, read_voice_folder(voices)["alto"], np.random.default_rng(0), 5.0)
    assert audio.shape == (2, 5 * RATE) and np.array_equal(audio[0], audio[1])
    for i, pitch in enumerate(pitches):
        assert abs(sung_pitch(audio[0], i * 0.6 + 0.1, (i + 1) * 0.6 - 0.08) - pitch) < 0.3
    level = np.sqrt(np.mean(audio[0, : 3 * RATE].reshape(-1, 441) ** 2, axis=1))  # 10 ms frames
    assert level[10:].min() > 0.3 * np.median(level)  # no gap between joined notes
    assert np.abs(audio[:, 4 * RATE :]).max() == 0.0


def test_notes_beyond_the_samples_move_by_octaves(voices: Path) -> None:
    line = [Note(i * 0.6, (i + 1) * 0.6, p, 90) for i, p in enumerate([36, 38, 96])]
    audio = sing(line, read_voice_folder(voices)["alto"], np.random.default_rng(0), 2.0)
    for i, pitch in enumerate([36, 38, 96]):
        apart = sung_pitch(audio[0], i * 0.6 + 0.1, i * 0.6 + 0.5) - pitch
        assert abs((apart + 6) % 12 - 6) < 0.3


def test_long_notes_are_sustained(voices: Path) -> None:
    audio = sing([Note(0.0, 6.0, 60, 90)], read_voice_folder(voices)["alto"], np.random.default_rng(0), 8.0)
    level = np.sqrt(np.mean(audio[0].reshape(-1, RATE // 10) ** 2, axis=1))
    assert level[2:59].min() > 0.4 * level[5] and level[63:].max() < 1e-6


def test_a_seed_is_a_performance(voices: Path) -> None:
    line = [Note(i * 0.6, (i + 1) * 0.6, 60 + i, 90) for i in range(4)]
    singer = read_voice_folder(voices)["alto"]
    first, again, other = (sing(line, singer, np.random.default_rng(s), 3.0) for s in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
