"""The sound generators against closed forms and SciPy: pitch, aliasing, decay, formants."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from fxlens.data.synthesis.kit import Kit
from fxlens.data.synthesis.song import Note
from fxlens.data.synthesis.synthetic import compose_notes, synthesize_song
from fxlens.data.synthesis.tones import (
    band_limited_wave,
    detuned_stack,
    lowpass_sos,
    midi_to_hz,
    plucked_string,
    pulse_harmonics,
    saw_harmonics,
    sweep_lowpass,
    tine_piano,
)
from fxlens.data.synthesis.vocals import (
    VOWELS,
    Singer,
    Syllable,
    filter_by_frames,
    formant_response,
    glottal_harmonics,
    higher_formants,
    sing,
)

RATE = 44100


def spectrum_db(audio: np.ndarray, rate: int = RATE) -> tuple[np.ndarray, np.ndarray]:
    window = signal.windows.blackmanharris(len(audio))
    level = 20 * np.log10(np.abs(np.fft.rfft(audio * window)) / window.sum() * 2 + 1e-12)
    return np.fft.rfftfreq(len(audio), 1 / rate), level


def level_near(audio: np.ndarray, frequency_hz: float, half_width_hz: float, rate: int = RATE) -> float:
    frequencies, level = spectrum_db(audio, rate)
    return float(level[np.abs(frequencies - frequency_hz) <= half_width_hz].max())


def test_midi() -> None:
    assert midi_to_hz(69) == 440.0
    assert midi_to_hz(np.array([57.0, 60.0])) == pytest.approx([220.0, 261.6256], abs=1e-3)


@pytest.mark.parametrize("frequency_hz", [55.0, 1234.5, 3999.0])
def test_saw_has_its_harmonics_and_nothing_else(frequency_hz: float) -> None:
    wave = band_limited_wave(np.full(RATE, frequency_hz), saw_harmonics(), RATE)
    frequencies, level = spectrum_db(wave)
    room = 0.46 * RATE / frequency_hz
    away = np.abs(frequencies / frequency_hz - np.round(frequencies / frequency_hz)) * frequency_hz
    assert level[away > 6].max() < -75.0  # aliases of a naive saw lie around -30 dB
    for harmonic in {1, 2, 3, int(room / 2)}:  # the upper octave is where the tables fade into each other
        if harmonic <= room / 2:
            expected = -20 * np.log10(harmonic)
            assert level_near(wave, harmonic * frequency_hz, 2) == pytest.approx(expected, abs=0.9)
    # Within half an octave of the limit there is still something.
    assert level_near(wave, int(room / 1.5) * frequency_hz, 2) > -20 * np.log10(room) - 12


def test_square_has_odd_harmonics() -> None:
    wave = band_limited_wave(np.full(RATE, 220.0), pulse_harmonics(0.5), RATE)
    assert level_near(wave, 440.0, 2) < -80.0
    assert level_near(wave, 660.0, 2) - level_near(wave, 220.0, 2) == pytest.approx(-9.54, abs=0.6)


def test_gliding_wave_does_not_click() -> None:
    glide = 100.0 * 2.0 ** (np.arange(RATE) / RATE * 4)
    wave = band_limited_wave(glide, saw_harmonics(4), RATE)
    assert np.abs(np.diff(wave)).max() < 4 * 2 * np.pi * 1600 / RATE * 1.1


def test_lowpass_is_butterworth_without_a_peak() -> None:
    expected = signal.butter(2, 1000.0, fs=RATE, output="sos")
    np.testing.assert_allclose(lowpass_sos(1000.0, np.sqrt(0.5), RATE), expected, rtol=1e-6)


def test_sweep_at_rest_is_the_fixed_filter() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 8000))
    still = sweep_lowpass(noise, np.full(8000, 30.0 * 2.0**5), RATE, 1.2, 4)
    sections = np.concatenate([lowpass_sos(960.0, 1.2, RATE), lowpass_sos(960.0, 0.6, RATE)])
    np.testing.assert_allclose(still, signal.sosfilt(sections, noise), atol=1e-10)


def test_sweep_between_two_filters_lies_between_them() -> None:
    impulse = np.zeros(16384)
    impulse[0] = 1.0
    cutoff = 1100.0
    response = np.abs(np.fft.rfft(sweep_lowpass(impulse, np.full(16384, cutoff), RATE)))
    _, exact = signal.sosfreqz(lowpass_sos(cutoff, 0.707, RATE), worN=np.fft.rfftfreq(16384, 1 / RATE), fs=RATE)
    audible = np.abs(exact) > 0.05
    assert np.abs(20 * np.log10(response[audible] / np.abs(exact[audible]))).max() < 0.7


def string(frequency_hz: float, **changes: float) -> np.ndarray:
    settings = {
        "decay_seconds": 2.0,
        "damping_hz": 3000.0,
        "pick_position": 0.2,
        "brightness_hz": 3000.0,
    } | changes
    return plucked_string(frequency_hz, 2.0, RATE, np.random.default_rng(1), **settings)


@pytest.mark.parametrize("frequency_hz", [41.2, 110.3, 659.26])
def test_string_is_in_tune(frequency_hz: float) -> None:
    frequencies, level = spectrum_db(np.pad(string(frequency_hz), (0, 6 * RATE)))
    near = np.abs(frequencies - frequency_hz) < 0.2 * frequency_hz
    found = frequencies[near][level[near].argmax()]
    assert abs(1200 * np.log2(found / frequency_hz)) < 6.0


def test_string_decays_as_asked_and_high_partials_sooner() -> None:
    sound = string(220.0, decay_seconds=1.0, damping_hz=2000.0)

    def decay_seconds(partial_hz: float) -> float:
        early, late = sound[4410 : 4410 + 8820], sound[22050 : 22050 + 8820]
        fall = level_near(early, partial_hz, 15) - level_near(late, partial_hz, 15)
        return 60.0 / fall * (22050 - 4410) / RATE

    for harmonic in (1, 4, 8):
        expected = 1.0 / (1.0 + (220.0 * harmonic / 2000.0) ** 2)
        assert decay_seconds(220.0 * harmonic) == pytest.approx(expected, rel=0.08)


def test_stiff_string_has_stretched_partials() -> None:
    stiffness, order = 4e-4, 10
    sound = string(200.0, stiffness=stiffness, damping_hz=6000.0, brightness_hz=6000.0, pick_position=0.13)
    frequencies, level = spectrum_db(sound[: RATE // 2])
    near = np.abs(frequencies - 200.0 * order) < 90
    found = frequencies[near][level[near].argmax()]
    # Partial n of the stiff string, for the frequency f0 of the string without stiffness.
    assert found == pytest.approx(200.0 * order * np.sqrt(1 + stiffness * order**2), abs=5.0)


def test_plucking_in_the_middle_removes_even_partials() -> None:
    sound = string(220.0, pick_position=0.5)
    assert level_near(sound, 440.0, 8) < level_near(sound, 220.0, 8) - 30
    assert level_near(sound, 440.0, 8) < level_near(sound, 660.0, 8) - 20


def test_harder_strokes_are_brighter() -> None:
    def brightness(velocity: float) -> float:
        tone = tine_piano(261.6, velocity, 1.0, RATE, bark=2.5, tine_level=0.3, tine_ratio=11.0, decay_seconds=1.0)
        power = np.abs(np.fft.rfft(tone)) ** 2
        return float((np.fft.rfftfreq(len(tone), 1 / RATE) * power).sum() / power.sum())

    assert brightness(0.9) > 1.1 * brightness(0.5) > 1.1 * brightness(0.2)


def test_detuned_stack_is_a_seamless_loop_at_its_pitches() -> None:
    cents, frequency_hz = [-20.0, 0.0, 20.0], 220.0
    loop = detuned_stack(frequency_hz, cents, [-0.5, 0.0, 0.5], RATE, np.random.default_rng(0), saw_harmonics())
    seam = np.abs(loop[:, 0] - loop[:, -1])
    assert (seam <= np.abs(np.diff(loop, axis=1)).max(axis=1)).all()
    power = np.abs(np.fft.rfft(loop[0])) ** 2
    frequencies = np.fft.rfftfreq(loop.shape[1], 1 / RATE)
    for copy in cents:
        wanted = frequency_hz * 2 ** (copy / 1200)
        assert power[np.abs(frequencies - wanted) < 0.1].sum() > 0.02 * power.sum()
    assert power[frequencies > 0.46 * RATE].sum() < 1e-12 * power.sum()


@pytest.mark.parametrize("seed", range(4))
def test_kit_pieces_have_their_place(seed: int) -> None:
    kit = Kit(RATE, np.random.default_rng(seed))

    def above(sound: np.ndarray, hz: float) -> float:
        power = np.abs(np.fft.rfft(sound)) ** 2
        return float(power[np.fft.rfftfreq(len(sound), 1 / RATE) > hz].sum() / power.sum())

    assert above(kit.stroke("kick", 0.9), 200.0) < 0.3
    assert above(kit.stroke("closed_hat", 0.7), 5000.0) > 0.7
    assert above(kit.stroke("open_hat", 0.7), 5000.0) > 0.7
    assert above(kit.stroke("snare", 0.9), 120.0) > 0.8
    assert above(kit.stroke("low_tom", 0.8), 500.0) < 0.3
    closed, opened = kit.stroke("closed_hat", 0.7), kit.stroke("open_hat", 0.7)
    late = slice(int(0.15 * RATE), int(0.2 * RATE))
    assert np.abs(opened[late]).max() > 3 * np.abs(closed[late]).max()


# ---------------------------------------------------------------- the voice


def singer(**changes: float) -> Singer:
    plain = {
        "size": 1.0, "open_quotient": 0.6, "tilt": 0.1, "breath": 0.0, "vibrato_hz": 5.5,
        "vibrato_cents": 0.0, "scoop_semitones": 0.0, "jitter_cents": 0.0, "formant_4_hz": 3500.0,
    }  # fmt: skip
    return Singer(**(plain | changes))


def test_formants_match_a_filter_of_scipy() -> None:
    frequencies = np.linspace(0, 0.49 * RATE, 300)
    centres = np.array([700.0, 1200.0, 2500.0])
    expected = np.ones(300, dtype=complex)
    for centre in centres:
        radius = np.exp(-np.pi * (50 + 0.035 * centre) / RATE)
        denominator = [1, -2 * radius * np.cos(2 * np.pi * centre / RATE), radius**2]
        expected *= signal.freqz([sum(denominator)], denominator, worN=frequencies, fs=RATE)[1]
    np.testing.assert_allclose(formant_response(centres[None], frequencies, RATE)[0], expected, rtol=2e-3)


def test_frames_equal_one_long_filter_when_nothing_moves() -> None:
    source = np.zeros(RATE // 2)
    source[2000:18000:300] = 1.0
    formants = np.array([600.0, 1100.0, 2500.0, 3500.0, 4500.0])
    found = filter_by_frames(source, np.tile(formants, (200, 1)), 250.0, RATE, 1.0)
    length = 2 * len(source)
    frequencies = np.fft.rfftfreq(length, 1 / RATE)
    response = formant_response(formants[None], frequencies, RATE)[0] * higher_formants(1.0, frequencies, RATE)
    exact = np.fft.irfft(np.fft.rfft(source, length) * response)[: len(source)]
    error = np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2))
    assert 20 * np.log10(error) < -40.0


def test_neutral_vowel_has_formants_at_odd_multiples_of_500_hz() -> None:
    frequencies = np.arange(100.0, 9000.0, 5.0)
    five = 500.0 * np.array([[1.0, 3.0, 5.0, 7.0, 9.0]])
    tube = np.abs(formant_response(five, frequencies, RATE)[0] * higher_formants(1.0, frequencies, RATE))
    peaks = frequencies[signal.find_peaks(tube)[0]]
    np.testing.assert_allclose(peaks, 500.0 * np.arange(1, 18, 2), atol=40.0)


def test_glottal_source_falls_about_six_decibels_per_octave() -> None:
    level = 20 * np.log10(np.abs(glottal_harmonics(0.6, 0.0)))
    order = np.arange(1, len(level) + 1)
    slope = np.polyfit(np.log2(order[8:256]), level[8:256], 1)[0]
    assert slope == pytest.approx(-6.0, abs=1.0)


@pytest.mark.parametrize("vowel", ["a", "i", "u", "e"])
def test_vowels_have_their_formants(vowel: str) -> None:
    pitch = 40.0  # a low bass: harmonics 82 Hz apart sample the envelope finely
    sound = sing([Note(0.1, 1.3, pitch, 0.8)], [Syllable("", vowel, vowel)], singer(), int(1.5 * RATE), RATE,
                 np.random.default_rng(0))  # fmt: skip
    middle = sound[RATE // 2 : RATE]
    fundamental = float(midi_to_hz(pitch))
    order = np.arange(1, 45)
    # Without the slope of the source the levels of the harmonics are the vocal tract alone.
    source = 20 * np.log10(np.abs(glottal_harmonics(0.6, 0.1)))[order - 1]
    tract = np.array([level_near(middle, h * fundamental, 30) for h in order]) - source
    peaks = order[signal.find_peaks(tract, prominence=2.0)[0]] * fundamental
    for formant in VOWELS[vowel]:
        assert np.abs(peaks - formant).min() < 1.2 * fundamental


def test_sibilants_are_high_and_nasals_are_soft() -> None:
    def first_tenth(consonant: str) -> np.ndarray:
        notes, length = [Note(0.1, 0.6, 50.0, 0.8)], int(0.8 * RATE)
        sound = sing(notes, [Syllable(consonant, "a", "a")], singer(), length, RATE, np.random.default_rng(0))
        return sound[int(0.12 * RATE) : int(0.17 * RATE)]

    def high_share(sound: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(sound)) ** 2
        return float(power[np.fft.rfftfreq(len(sound), 1 / RATE) > 4000].sum() / power.sum())

    assert high_share(first_tenth("s")) > 0.7
    assert high_share(first_tenth("m")) < 0.01
    assert np.std(first_tenth("m")) < 0.5 * np.std(first_tenth(""))


def test_vibrato_has_its_rate_and_depth() -> None:
    person = singer(vibrato_hz=5.0, vibrato_cents=60.0)
    notes = [Note(0.1, 2.8, 57.0, 0.8)]
    sound = sing(notes, [Syllable("", "u", "u")], person, 3 * RATE, RATE, np.random.default_rng(0))
    first = signal.sosfiltfilt(signal.butter(4, (170, 280), "bandpass", fs=RATE, output="sos"), sound)
    turn = np.unwrap(np.angle(signal.hilbert(first)))
    hertz = np.diff(turn)[RATE : int(2.6 * RATE)] * RATE / (2 * np.pi)
    cents = 1200 * np.log2(signal.resample(hertz, 1600) / 220.0)
    cents -= cents.mean()
    rate = np.fft.rfftfreq(1600, 1 / 1000)[np.abs(np.fft.rfft(cents)).argmax()]
    assert rate == pytest.approx(5.0, abs=0.7)
    assert np.std(cents) * np.sqrt(2) == pytest.approx(60.0, rel=0.25)


def test_the_voice_sings_its_melody() -> None:
    errors = []
    rate = 16000
    stem = synthesize_song(0, 24.0, rate, ["vocals"])["vocals"][0].astype(np.float64)
    for note in compose_notes(0, "vocals", 24.0):
        begin, end = note.start_seconds + 0.12, note.start_seconds + note.duration_seconds - 0.03
        if end - begin < 0.15 or end > 23.8:
            continue
        part = stem[int(begin * rate) : int(end * rate)]
        frequencies, level = spectrum_db(np.pad(part, (0, 32768 - len(part))), rate)
        wanted = float(midi_to_hz(note.pitch))
        # Where within a semitone and a half the first three harmonics hold the most energy.
        combs = wanted * 2.0 ** (np.arange(-150, 151, 5) / 1200)
        energy = sum(np.interp(h * combs, frequencies, 10 ** (level / 20)) for h in (1, 2, 3))
        errors.append(abs(1200 * np.log2(combs[int(np.argmax(energy))] / wanted)))
    assert len(errors) > 8
    assert np.median(errors) < 30
    assert np.mean(np.array(errors) < 60) > 0.9
