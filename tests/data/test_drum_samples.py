"""Sampled drum kits: read by name, played in time, louder layers for harder strokes, hats that choke."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxlens.data.material.drum_samples import piece_of_name, play_drums, read_drum_kit
from fxlens.data.midi.parts import Note
from fxlens.errors import DataError

RATE = 44100


def burst(hertz: float, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return 0.5 * np.sin(2 * np.pi * hertz * time) * np.exp(-3.0 * time / seconds)


def instrument(name: str, *layers: tuple[str, float, float]) -> str:
    inside = "".join(
        f"<layer><filename>{file}</filename><min>{low}</min><max>{high}</max><gain>1</gain></layer>"
        for file, low, high in layers
    )
    return f"<instrument><name>{name}</name><instrumentComponent>{inside}</instrumentComponent></instrument>"


@pytest.fixture
def kit_folder(tmp_path: Path) -> Path:
    for name, hertz, seconds in (
        ("k", 60, 0.3),
        ("s1", 200, 0.2),
        ("s2", 300, 0.2),
        ("c", 9000, 0.1),
        ("o", 8000, 2.0),
    ):
        soundfile.write(tmp_path / f"{name}.flac", burst(hertz, seconds), RATE)
    text = "".join(
        (
            instrument("Bass Drum", ("k.flac", 0, 1)),
            instrument("Snare Rock", ("s1.flac", 0, 0.5), ("s2.flac", 0.5, 1)),
            instrument("Closed HH", ("c.flac", 0, 1)),
            instrument("Open HH", ("o.flac", 0, 1)),
            instrument("Zap", ("k.flac", 0, 1)),
            instrument("Crash", ("gone.flac", 0, 1)),
        )
    )
    (tmp_path / "drumkit.xml").write_text(
        f'<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit"><name>x</name><license>CC0</license>'
        f"<instrumentList>{text}</instrumentList></drumkit_info>"
    )
    return tmp_path


def test_names_become_pieces() -> None:
    named = {
        "Kick": "kick", "Hat Closed": "closed", "Hi-Hat Open (Paiste)": "open", "Pedal HH": "pedal", "Stick": "stick",
        "Snare Rimshot": "stick", "Pearl Tom Floor": "low_tom", "Tom Mid": "mid_tom", "Tom Hi": "high_tom",
        "Ride Rock": "ride", "Crash Jazz": "crash", "Cowbell": "cowbell", "Paiste Bell": "ride", "Whistle": None,
    }  # fmt: skip
    assert {name: piece_of_name(name) for name in named} == named


def test_a_kit_is_read(kit_folder: Path) -> None:
    kit = read_drum_kit(kit_folder)
    assert sorted(kit.pieces) == ["closed", "kick", "open", "snare"] and kit.licence == "CC0"
    (kit_folder / "drumkit.xml").write_text("<drumkit_info>")
    with pytest.raises(DataError, match="no readable drum kit"):
        read_drum_kit(kit_folder)
    (kit_folder / "drumkit.xml").write_text(f"<drumkit_info>{instrument('Kick', ('k.flac', 0, 1))}</drumkit_info>")
    with pytest.raises(DataError, match="no kick and snare"):
        read_drum_kit(kit_folder)


def loudest_hz(audio: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(audio))) * RATE / len(audio))


def test_strokes_are_in_time_and_of_their_layer(kit_folder: Path) -> None:
    kit = read_drum_kit(kit_folder)
    notes = [Note(0.25, 0.3, 38, 40), Note(1.0, 1.1, 38, 120), Note(1.5, 1.6, 63, 90)]
    audio = play_drums(kit, notes, 2.0, np.random.default_rng(0))
    assert audio.shape == (2, 2 * RATE)
    assert np.flatnonzero(np.abs(audio[0]) > 1e-4)[0] == pytest.approx(0.25 * RATE, abs=20)
    soft, hard = audio[0, round(0.25 * RATE) : round(0.45 * RATE)], audio[0, RATE : round(1.2 * RATE)]
    assert loudest_hz(hard) / loudest_hz(soft) == pytest.approx(1.5, abs=0.1)
    assert np.abs(hard).max() > 2.0 * np.abs(soft).max()
    assert np.abs(audio[:, round(1.3 * RATE) :]).max() == 0.0  # no piece of the kit plays a conga


def test_an_open_hat_is_choked(kit_folder: Path) -> None:
    kit = read_drum_kit(kit_folder)
    rung = play_drums(kit, [Note(0.0, 0.1, 46, 100)], 1.5, np.random.default_rng(0))
    choked = play_drums(kit, [Note(0.0, 0.1, 46, 100), Note(0.3, 0.4, 42, 100)], 1.5, np.random.default_rng(0))
    late = slice(round(0.5 * RATE), round(0.7 * RATE))
    assert np.abs(rung[:, late]).max() > 0.05 and np.abs(choked[:, late]).max() < 1e-6


def test_a_seed_is_a_tuning(kit_folder: Path) -> None:
    kit, notes = read_drum_kit(kit_folder), [Note(0.0, 0.1, 36, 100)]
    first, again, other = (play_drums(kit, notes, 0.5, np.random.default_rng(s)) for s in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
