"""Speech that sings: syllables are found, kept and sung in tune, in time, as clear as asked, and the same again."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import firwin, lfilter

from fxlens.data.midi.parts import Note
from fxlens.data.singing.expression import Manner, draw_manner, sung_pitch
from fxlens.data.singing.speech import phrases_of, sing_speech, with_words
from fxlens.data.singing.speech_bank import (
    BANDS,
    SpeechBank,
    analyse_speech,
    band_frequencies,
    load_world,
    read_bank,
    save_bank,
    upper_limit_hz,
)
from fxlens.data.singing.syllables import find_syllables
from fxlens.data.synthesis.song import Note as SynthNote
from fxlens.data.synthesis.vocals import render_vocals
from fxlens.errors import DataError, MissingExtraError

pytest.importorskip("pyworld", reason="singing speech needs pyworld: pip install 'fxlens[voices]'")
RATE = 44100
STEADY = Manner(0.01, 0.0, 5.0, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0, -10.0, 0.0)


def speak(folder: Path, count: int = 4) -> list[Path]:
    """Write recordings of a synthetic speaker: syllables around 120 Hz, over a floor of noise."""
    files = []
    for number in range(count):
        rng = np.random.default_rng(number)
        pitches = rng.integers(44, 50, 6)
        notes = [SynthNote(0.1 + 0.28 * i, 0.2, float(p), 0.8) for i, p in enumerate(pitches)]
        audio = render_vocals(notes, 2 * RATE, RATE, rng)[0]
        audio = 0.5 * audio / np.abs(audio).max() + 1e-4 * rng.standard_normal(2 * RATE)
        files.append(folder / f"word{number}.wav")
        soundfile.write(files[-1], audio, RATE)
    return files


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> SpeechBank:
    return analyse_speech("someone", speak(tmp_path_factory.mktemp("speech")))


def test_syllables_are_found() -> None:
    level = np.full(200, -60.0)
    voiced = np.zeros(200, dtype=bool)
    for begin, end in ((30, 60), (90, 160)):
        level[begin:end], voiced[begin:end] = -10.0, True
    level[80:90] = -25.0  # a consonant before the second
    level[121:131] = -26.0  # two syllables without a pause between
    found = find_syllables(level, voiced)
    assert [(s.begin, s.vowel) for s in found[:2]] == [(30, 30), (80, 90)]
    assert found[2].end == 160 and 120 <= found[2].vowel <= 132 and found[1].end == found[2].vowel
    assert find_syllables(level[:0], voiced[:0]) == []


def test_a_speaker_is_taken_apart(bank: SpeechBank, tmp_path: Path) -> None:
    assert bank.spectrum_db.shape == (len(bank.voiced), BANDS) and len(bank.syllables) >= 12
    assert 95.0 < bank.pitch_hz < 160.0
    save_bank(tmp_path / "deep" / "someone.npz", bank)
    again = read_bank(tmp_path / "deep" / "someone.npz")
    assert again.syllables == bank.syllables and np.array_equal(again.spectrum_db, bank.spectrum_db)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["someone.npz"]
    (tmp_path / "bad.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"bad\.npz"):
        read_bank(tmp_path / "bad.npz")


def test_recordings_without_syllables_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hiss.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    with pytest.raises(DataError, match="only 0 syllables"):
        analyse_speech("hiss", [tmp_path / "hiss.wav", tmp_path / "gone.wav"])


def test_the_upper_end_of_a_recording_is_found() -> None:
    frequencies = band_frequencies()
    falling = -6.0 * np.log2(np.maximum(frequencies, 100.0) / 100.0)
    assert upper_limit_hz(falling) == RATE / 2
    cut = np.where(frequencies < 8000.0, falling, -90.0)
    assert 6900.0 < upper_limit_hz(cut) < 8100.0


def test_what_a_telephone_cut_off_is_refused_and_a_narrow_band_continued(tmp_path: Path) -> None:
    whole = speak(tmp_path, 3)
    for limit in (3500.0, 9000.0):
        low_pass, files = firwin(401, limit, fs=RATE), []
        for file in whole:
            audio, _ = soundfile.read(file)
            files.append(tmp_path / f"{limit:.0f}-{file.name}")
            soundfile.write(files[-1], lfilter(low_pass, 1.0, audio), RATE)
        if limit < 7000.0:
            with pytest.raises(DataError, match="recordings end at"):
                analyse_speech("telephone", files)
            continue
        spectrum = analyse_speech("narrow", files).spectrum_db.astype(np.float64).mean(axis=0)
        beyond = spectrum[band_frequencies() > 7500.0]
        assert beyond.max() < spectrum.max() and np.diff(beyond).min() > -3.0  # falls on, without a cliff


def pitch_of(audio: np.ndarray, start: float, end: float) -> float:
    """MIDI pitch by the strongest lag of the autocorrelation."""
    piece = audio[round(start * RATE) : round(end * RATE)].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 4 * len(piece))) ** 2
    lags = np.fft.irfft(spectrum)[: RATE // 60]
    low = RATE // 700
    best = low + int(np.argmax(lags[low:]))
    return float(69 + 12 * np.log2(RATE / best / 440.0))


def test_speech_sings_in_tune_and_in_time(bank: SpeechBank) -> None:
    pitches = [52, 55, 57, 50, 48, 52]
    line = [Note(0.3 + 0.5 * i, 0.3 + 0.5 * (i + 1), p, 100) for i, p in enumerate(pitches)]
    audio = sing_speech(line, bank, STEADY, np.random.default_rng(0), 5.0)
    assert audio.shape == (2, 5 * RATE) and audio.dtype == np.float32 and np.array_equal(audio[0], audio[1])
    for i, pitch in enumerate(pitches):
        assert abs(pitch_of(audio[0], 0.3 + 0.5 * i + 0.15, 0.3 + 0.5 * (i + 1) - 0.12) - pitch) < 0.35
    level = np.sqrt(np.mean(audio[0].reshape(-1, RATE // 50) ** 2, axis=1))
    assert level[18:160].mean() > 30.0 * level[180:].max() and level[:3].max() < 1e-4


def test_the_line_moves_to_where_the_speaker_can_sing(bank: SpeechBank) -> None:
    line = [Note(0.2 + 0.6 * i, 0.8 + 0.6 * i, 76 + i, 100) for i in range(3)]
    audio = sing_speech(line, bank, STEADY, np.random.default_rng(0), 2.5)
    sung = [pitch_of(audio[0], 0.35 + 0.6 * i, 0.68 + 0.6 * i) for i in range(3)]
    for i, pitch in enumerate(sung):
        assert abs((pitch - 76 - i + 6) % 12 - 6) < 0.35 and pitch < 64


def test_manners_change_the_pitch_as_they_say() -> None:
    phrase = [Note(0.0, 3.0, 60, 90)]
    wide = Manner(0.02, 0.0, 5.5, 50.0, 0.3, 0.0, 0.0, 0.0, 1.0, -10.0, 0.0)
    pitch = sung_pitch(phrase, 600, wide, np.random.default_rng(0))
    assert np.ptp(pitch[:50]) < 0.02 and np.ptp(pitch[200:]) == pytest.approx(1.0, abs=0.05)  # 2 x 50 cents
    turns = np.flatnonzero(np.diff(np.sign(pitch[200:] - 60.0)))
    assert len(turns) / 2 / 2.0 == pytest.approx(5.5, abs=0.6)
    scoop = Manner(0.02, 1.5, 5.5, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0, -10.0, 0.0)
    bent = sung_pitch(phrase, 600, scoop, np.random.default_rng(0))
    assert bent[0] == pytest.approx(58.5, abs=0.01) and bent[100] == pytest.approx(60.0, abs=0.01)
    assert len({draw_manner(np.random.default_rng(s)) for s in range(40)}) == 40


def test_long_notes_become_words_and_lines_breathe() -> None:
    line = [Note(0.0, 6.0, 60, 90), Note(6.0, 6.5, 62, 90), Note(7.5, 8.0, 64, 90)]
    for seed in range(10):
        spoken = with_words(line, np.random.default_rng(seed))
        assert all(n.end - n.start <= 3.6 for n in spoken) and {n.pitch for n in spoken} == {60, 62, 64}
        assert [n.start for n in spoken if n.pitch != 60] == [6.0, 7.5]
    groups = phrases_of([Note(0.5 * i, 0.5 * i + 0.5, 60, 90) for i in range(40)])
    assert len(groups) >= 3 and all(g[-1].end - g[0].start <= 7.0 for g in groups)


def test_a_seed_is_a_performance(bank: SpeechBank) -> None:
    line, manner = [Note(0.5 * i, 0.5 * i + 0.5, 50 + i, 90) for i in range(4)], draw_manner(np.random.default_rng(1))
    first, again, other = (sing_speech(line, bank, manner, np.random.default_rng(s), 2.5) for s in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_missing_vocoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyworld", None)
    with pytest.raises(MissingExtraError, match="voices"):
        load_world()
