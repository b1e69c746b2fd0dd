"""Strings without an amplifier: in tune, plucked where they should be, and silent when let go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fxlens.data.midi.parts import Note
from fxlens.data.synthesis.string_model import KINDS, draw_string_instrument, play_strings

RATE = 44100


@pytest.mark.parametrize("kind", KINDS)
def test_notes_are_in_tune_and_end(kind: str) -> None:
    pitch = 40 if kind == "bass" else 57
    instrument = replace(draw_string_instrument(kind, np.random.default_rng(1)), muted=0.0)
    audio = play_strings(instrument, [Note(0.2, 1.2, pitch, 100)], 2.0, np.random.default_rng(0))
    assert audio.shape == (2, 2 * RATE) and np.array_equal(audio[0], audio[1])
    piece = audio[0, round(0.3 * RATE) : round(1.1 * RATE)]
    size = 1 << 19
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), size))
    frequency = 440.0 * 2.0 ** ((pitch - 69) / 12)
    low, high = round(0.94 * frequency * size / RATE), round(1.06 * frequency * size / RATE)
    found = (low + int(np.argmax(spectrum[low:high]))) * RATE / size
    assert abs(1200 * np.log2(found / frequency)) < 8.0
    level = np.sqrt(np.mean(audio[0].reshape(-1, RATE // 100) ** 2, axis=1))
    assert level[:19].max() == 0.0 and level[22] > 0.1 * level.max()
    assert level[130:].max() < 3e-3 * level.max()  # 0.1 s after the end


def test_a_pickup_does_not_hear_its_nodes() -> None:
    instrument = replace(
        draw_string_instrument("electric guitar", np.random.default_rng(0)),
        pickup_position=0.25, pick_position=0.13, coil_hz=6000.0, coil_q=0.7, stiffness=1e-6, roughness=0.0, muted=0.0,
        brightness_hz=6000.0, damping_hz=6000.0,
    )  # fmt: skip
    audio = play_strings(instrument, [Note(0.0, 1.5, 45, 127)], 1.5, np.random.default_rng(0))[0]
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    partial = [spectrum[round(1.5 * n * 110.0) - 5 : round(1.5 * n * 110.0) + 6].max() for n in range(1, 7)]
    assert partial[3] < 0.25 * min(partial[1:3])  # the fourth has a node at a quarter of the string


def test_a_chord_is_strummed_and_a_seed_is_a_performance() -> None:
    instrument = replace(draw_string_instrument("acoustic guitar", np.random.default_rng(2)), strum_seconds=0.02)
    chord = [Note(0.1, 0.8, p, 90) for p in (45, 52, 57)]
    first, again = (play_strings(instrument, chord, 1.0, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again)
    apart = play_strings(replace(instrument, strum_seconds=0.0), chord, 1.0, np.random.default_rng(3))
    assert not np.array_equal(first, apart)
    one = play_strings(instrument, chord[2:], 1.0, np.random.default_rng(3))
    assert np.flatnonzero(np.abs(one[0]) > 1e-3)[0] < np.flatnonzero(np.abs(first[0] - apart[0]) > 1e-3)[0] + 2000


def test_instruments_differ() -> None:
    for kind in KINDS:
        assert len({str(draw_string_instrument(kind, np.random.default_rng(s))) for s in range(50)}) == 50
