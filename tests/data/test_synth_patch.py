"""The synthesiser: patches differ and repeat, notes are in tune and in time, nothing aliases, filters filter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fxlens.data.midi.parts import Note
from fxlens.data.synthesis.patch import ROLES, WAVES, Envelope, Oscillator, Patch, draw_patch
from fxlens.data.synthesis.patch_arpeggio import arpeggiate, pulse_seconds
from fxlens.data.synthesis.patch_kernels import BLOCK_SAMPLES, filter_and_shape
from fxlens.data.synthesis.patch_play import envelope_level, play_patch
from fxlens.data.synthesis.patch_waves import harmonics_of, wave_tables
from fxlens.errors import UsageError

RATE = 44100
HELD = Envelope(0.005, 0.2, 1.0, 0.05)
PLAIN = Patch(
    "lead", (Oscillator("saw"),), HELD, HELD, cutoff_hz=18000.0, key_track=0.0, velocity_octaves=0.0, drift_cents=0.0
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def spectrum_db(audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    power = np.abs(np.fft.rfft(audio * np.blackman(len(audio)))) ** 2
    return np.fft.rfftfreq(len(audio), 1 / RATE), 10 * np.log10(power / power.max() + 1e-20)


@pytest.mark.parametrize("role", ROLES)
def test_patches_repeat_and_differ(role: str) -> None:
    drawn = [draw_patch(role, rng(seed)) for seed in range(200)]
    assert drawn[0] == draw_patch(role, rng(0))
    assert len({str(patch) for patch in drawn}) == 200
    assert {patch.oscillators[0].wave for patch in drawn} <= set(WAVES)
    assert len({patch.oscillators[0].wave for patch in drawn}) >= 5


@pytest.mark.parametrize("role", ROLES)
def test_every_patch_sounds_and_stays_finite(role: str) -> None:
    notes = [Note(0.1 * i, 0.1 * i + 0.4, pitch, 60 + 10 * i) for i, pitch in enumerate((36, 60, 63, 67, 96))]
    for seed in range(12):
        audio = play_patch(draw_patch(role, rng(seed)), notes, 1.2, rng(seed))
        assert audio.shape == (2, round(1.2 * RATE)) and audio.dtype == np.float32
        assert np.isfinite(audio).all() and 1e-3 < np.abs(audio).max() < 100.0


@pytest.mark.parametrize("pitch", [33, 57, 81])
def test_a_note_is_in_tune_and_free_of_aliases(pitch: int) -> None:
    frequency = 440.0 * 2.0 ** ((pitch - 69) / 12)
    audio = play_patch(PLAIN, [Note(0.0, 2.0, pitch, 127)], 2.0, rng())[0, RATE // 4 : RATE // 4 + RATE]
    hertz, level = spectrum_db(audio)
    order = hertz / frequency
    near = np.abs(order - np.round(order)) * frequency < 4.0
    assert abs(hertz[np.argmax(np.where(hertz < 1.5 * frequency, level, -200))] - frequency) <= 1.0
    assert level[~near & (hertz > 100)].max() < -60.0  # between the harmonics: aliases of a naive saw are at -30
    assert level[near & (np.round(order) == 3)].max() == pytest.approx(-20 * np.log10(3), abs=0.7)


def test_unison_is_as_wide_as_it_says() -> None:
    wide = replace(PLAIN, oscillators=(Oscillator("saw", voices=7, detune_cents=20.0, spread=1.0),))
    notes = [Note(0.0, 2.0, 57, 100)]
    one, seven = play_patch(PLAIN, notes, 2.0, rng()), play_patch(wide, notes, 2.0, rng())
    assert np.array_equal(one[0], one[1])
    assert np.std(seven[0] - seven[1]) > 0.3 * np.std(seven[0] + seven[1])
    hertz, level = spectrum_db(seven.mean(axis=0))
    loud = hertz[(level > -30) & (hertz < 330)]
    assert 220.0 * 2 ** (-30 / 1200) < loud.min() < 219.0 and 221.0 < loud.max() < 220.0 * 2 ** (30 / 1200)


def test_notes_start_and_end_when_they_should() -> None:
    audio = play_patch(PLAIN, [Note(0.5, 1.0, 57, 100)], 2.0, rng())
    level = np.sqrt(np.mean(audio[0].reshape(-1, RATE // 100) ** 2, axis=1))
    assert level[:50].max() == 0.0 and level[51] > 0.3 * level.max()
    assert level[98] > 0.5 * level.max() and level[115:].max() < 1e-3 * level.max()


def test_the_envelope_is_what_its_numbers_say() -> None:
    envelope = Envelope(0.1, 0.3, 0.4, 0.2)
    at = envelope_level(envelope, np.array([0.0, 0.05, 0.1, 0.4, 3.0, 3.2]), 3.0)
    np.testing.assert_allclose(at[:3], (0.0, 0.5, 1.0), atol=1e-9)
    assert at[3] == pytest.approx(0.4 + 0.6 * np.exp(-3), abs=1e-6)
    assert at[4] == pytest.approx(0.4, abs=1e-4) and at[5] == pytest.approx(0.4 * np.exp(-3), abs=1e-4)


@pytest.mark.parametrize(("kind", "twice"), [(0, False), (0, True), (1, False), (2, False)])
def test_the_filter_is_the_analogue_prototype(kind: int, twice: bool) -> None:
    blocks, cutoff, q = RATE // BLOCK_SAMPLES, 1000.0, 2.0
    impulse = np.zeros((2, blocks * BLOCK_SAMPLES), dtype=np.float32)
    impulse[:, 0] = 1.0
    filter_and_shape(impulse, np.full(blocks + 1, np.tan(np.pi * cutoff / RATE)), np.ones(blocks + 1), q, kind, twice)
    response = np.abs(np.fft.rfft(impulse[0]))
    hertz = np.fft.rfftfreq(impulse.shape[1], 1 / RATE)
    # The bilinear transform puts the analogue frequency tan(pi f / rate) where f is.
    s = 1j * np.tan(np.pi * hertz[1:-1] / RATE) / np.tan(np.pi * cutoff / RATE)
    analogue = {0: np.ones_like(s), 1: s / q, 2: s**2}[kind] / (s**2 + s / q + 1.0)
    if twice:
        analogue = analogue / (s**2 + 1.6666 * s + 1.0)
    np.testing.assert_allclose(response[1:-1], np.abs(analogue), atol=2e-3)


def test_glides_are_legato() -> None:
    patch = replace(PLAIN, single_note=True, glide_seconds=0.05)
    audio = play_patch(patch, [Note(0.0, 1.0, 57, 100), Note(1.0, 2.0, 69, 100)], 2.0, rng())[0]
    level = np.sqrt(np.mean(audio[RATE // 10 : -RATE // 10].reshape(-1, 882) ** 2, axis=1))
    assert level.min() > 0.7 * np.median(level)  # no new attack
    hertz, second = spectrum_db(audio[round(1.3 * RATE) : round(1.9 * RATE)])
    assert abs(hertz[np.argmax(second)] - 440.0) < 3.0


def test_modulation_by_frequency_stays_below_half_the_rate() -> None:
    patch = replace(PLAIN, oscillators=(Oscillator("sine"),), fm_ratio=2.0, fm_index=5.0, fm_decay_seconds=9.0)
    audio = play_patch(patch, [Note(0.0, 1.2, 93, 127)], 1.2, rng())[0, RATE // 5 : RATE]
    hertz, level = spectrum_db(audio)
    frequency = 440.0 * 2.0 ** (24 / 12)
    order = hertz / frequency
    odd = np.abs(order - (2 * np.round((order - 1) / 2) + 1)) * frequency < 6.0  # carrier plus or minus 2 n
    assert level[odd].max() == 0.0 and np.sum(level[odd] > -40.0) > 10
    assert level[~odd & (hertz > 100)].max() < -45.0


def test_waves_have_their_power_in_every_table() -> None:
    for wave in WAVES:
        tables = wave_tables(wave, 0.3)
        assert np.mean(tables[0, :-1] ** 2) == pytest.approx(0.5, rel=1e-3)
        for row, count in ((4, 128), (10, 16)):
            assert np.abs(np.fft.rfft(tables[row, :-1])[count + 1 :]).max() < 1e-2
    with pytest.raises(UsageError, match="no such wave"):
        harmonics_of("organ", 0.5)


@pytest.mark.parametrize("manner", ["up", "down", "both", "random"])
def test_an_arpeggio_plays_the_chord_and_nothing_else(manner: str) -> None:
    chords = [
        Note(2.0 * i, 2.0 * i + 1.9, p, 90) for i, chord in enumerate(((57, 60, 64), (53, 57, 60))) for p in chord
    ]
    played = arpeggiate(chords, manner, rng(3))
    pulse = pulse_seconds(chords)
    assert 0.085 <= pulse < 0.17
    for note in played:
        chord = {n.pitch % 12 for n in chords if n.start <= note.start + 0.04 and n.end > note.start}
        assert note.pitch % 12 in chord
    starts = np.array([n.start for n in played if n.start < 1.8])
    np.testing.assert_allclose(np.diff(starts), pulse, atol=1e-9)
    if manner == "up":
        assert [n.pitch for n in played[:3]] == [57, 60, 64]


def test_the_same_seed_gives_the_same_samples() -> None:
    notes, patch = [Note(0.0, 0.5, 60, 90)], draw_patch("pad", rng(5))
    first, again, other = (play_patch(patch, notes, 1.0, rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
