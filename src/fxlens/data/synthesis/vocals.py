"""A voice that sings syllables: glottal pulses and breath through formants that move from vowel to vowel.

The source-filter model of speech (Fant 1960): a train of Rosenberg pulses whose frequency follows the melody,
filtered by a cascade of resonances (Klatt 1980) that is evaluated anew for every frame of an overlap-add
transform. Consonants are noise bursts, gaps, hums and glides. There are no words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, rfft, rfftfreq
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfilt

from fxlens.data.synthesis.song import Note, pick
from fxlens.data.synthesis.tones import band_limited_wave, midi_to_hz

# First three formants in Hz of a low voice: means of Peterson and Barney (1952).
VOWELS: dict[str, tuple[float, float, float]] = {
    "i": (270, 2290, 3010), "e": (530, 1840, 2480), "a": (730, 1090, 2440), "o": (570, 840, 2410),
    "u": (300, 870, 2240), "ae": (660, 1720, 2410), "uh": (640, 1190, 2390),
}  # fmt: skip
# Voiced consonants: formants they pass through (after Klatt 1980) and their level in decibels.
_VOICED: dict[str, tuple[tuple[float, float, float], float]] = {
    "m": ((250, 1100, 2150), -12.0), "n": ((250, 1500, 2500), -12.0), "l": ((310, 1050, 2880), -7.0),
    "w": ((290, 610, 2150), -7.0), "j": ((260, 2070, 3020), -5.0), "r": ((310, 1060, 1380), -7.0),
}  # fmt: skip
# Unvoiced consonants: seconds of noise, band in Hz, level against the vowels, and the seconds of silence
# before it, the closure of a plosive.
_UNVOICED: dict[str, tuple[float, tuple[float, float], float, float]] = {
    "s": (0.09, (5000.0, 11000.0), 0.45, 0.0), "sh": (0.09, (2200.0, 6500.0), 0.45, 0.0),
    "f": (0.07, (1200.0, 10000.0), 0.15, 0.0), "h": (0.06, (700.0, 4500.0), 0.15, 0.0),
    "t": (0.025, (3000.0, 9000.0), 0.60, 0.035), "k": (0.03, (1400.0, 3200.0), 0.50, 0.035),
    "p": (0.02, (400.0, 2000.0), 0.45, 0.035),
}  # fmt: skip
_CONTROL_SECONDS = 0.004


@dataclass(frozen=True)
class Syllable:
    """An optional consonant, a vowel, and the vowel it closes towards (the same when it does not move)."""

    consonant: str
    vowel: str
    offglide: str


@dataclass(frozen=True)
class Singer:
    """One person's voice. ``size`` scales the formants (1 a low voice, about 1.17 a high one)."""

    size: float
    open_quotient: float
    tilt: float
    breath: float
    vibrato_hz: float
    vibrato_cents: float
    scoop_semitones: float
    jitter_cents: float
    formant_4_hz: float


def draw_singer(mean_pitch: float, rng: np.random.Generator) -> Singer:
    """A singer for a melody around MIDI ``mean_pitch``: low melodies go to long vocal tracts."""
    return Singer(
        size=(1.0 if mean_pitch < 58 else 1.17) * rng.uniform(0.94, 1.06),
        open_quotient=rng.uniform(0.5, 0.75),
        tilt=rng.uniform(0.1, 0.5),
        breath=rng.uniform(0.02, 0.10),
        vibrato_hz=rng.uniform(4.8, 6.4),
        vibrato_cents=rng.uniform(12.0, 50.0),
        scoop_semitones=rng.uniform(0.2, 1.5),
        jitter_cents=rng.uniform(2.0, 8.0),
        formant_4_hz=rng.uniform(3200.0, 3700.0),
    )


def draw_syllables(count: int, rng: np.random.Generator) -> list[Syllable]:
    """Nonsense syllables; about one in six begins with its vowel."""
    consonants = [*_VOICED, *_UNVOICED, "", ""]
    found = []
    for _ in range(count):
        vowel = pick(rng, list(VOWELS))
        offglide = pick(rng, ("i", "u", vowel)) if rng.random() < 0.25 else vowel
        found.append(Syllable(pick(rng, consonants), vowel, offglide))
    return found


def glottal_harmonics(open_quotient: float, tilt: float, count: int = 1024) -> np.ndarray:
    """Harmonics of the derivative of Rosenberg's pulse (1971, type C), the flow as it radiates from the lips.

    Args:
        open_quotient: part of the period in which the glottis is open.
        tilt: exponent of a further slope h^-tilt, larger for a softer voice.
        count: number of harmonics.
    """
    phase = np.arange(8192) / 8192
    rise, fall = 0.67 * open_quotient, 0.33 * open_quotient
    opening = 0.5 * (1.0 - np.cos(np.pi * phase / rise))
    closing = np.cos(0.5 * np.pi * np.clip((phase - rise) / fall, 0.0, 1.0))
    flow = np.where(phase < rise, opening, np.where(phase < open_quotient, closing, 0.0))
    order = np.arange(1, count + 1)
    harmonics = rfft(flow)[1 : count + 1] * 1j * order * order ** (-tilt)
    return harmonics / np.abs(harmonics[0])


def formant_response(formants_hz: np.ndarray, frequencies_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """Klatt's cascade: the product of digital resonators of unit gain at 0 Hz.

    Args:
        formants_hz: centre frequencies, shape ``[frames, formants]``; bandwidths are 50 Hz plus 3.5 percent.
        frequencies_hz: where to evaluate, shape ``[bins]``.
        sample_rate: in Hz.

    Returns:
        Complex gains, shape ``[frames, bins]``.
    """
    turn = np.exp(-2j * np.pi * frequencies_hz / sample_rate).astype(np.complex64)  # z^-1
    response = np.ones((len(formants_hz), len(frequencies_hz)), dtype=np.complex64)
    for centre in formants_hz.T:
        radius = np.exp(-np.pi * (50.0 + 0.035 * centre) / sample_rate)
        first = (2.0 * radius * np.cos(2.0 * np.pi * centre / sample_rate)).astype(np.float32)[:, None]
        second = (-(radius**2)).astype(np.float32)[:, None]
        response *= (1.0 - first - second) / (1.0 - turn * (first + second * turn))
    return response


def higher_formants(size: float, frequencies_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """What the formants above the fifth add: those of a uniform tube, all of them, over its first five.

    Without them a cascade of five resonators falls by 60 dB per octave above the last, and too early below it
    (Fant 1960, the higher pole correction). The lossy tube is 1 / cosh(a + j pi f / (2 F1)) with F1 = 500 Hz
    times ``size``.

    Returns:
        Complex gains, shape ``[bins]``.
    """
    first = 500.0 * size
    loss = np.pi * (50.0 + 0.035 * frequencies_hz) / (4.0 * first)
    tube = 1.0 / np.cosh(loss + 0.5j * np.pi * frequencies_hz / first)
    neutral = formant_response(first * np.array([[1.0, 3.0, 5.0, 7.0, 9.0]]), frequencies_hz, sample_rate)[0]
    return (tube / neutral).astype(np.complex64)


def filter_by_frames(
    source: np.ndarray, formants_hz: np.ndarray, control_rate: float, sample_rate: int, size: float
) -> np.ndarray:
    """Filter ``source`` ``[T]`` by moving formants 1-5 ``[frames at control_rate, 5]``, overlap-add.

    Hann windows a quarter apart (about 23 ms long) sum to a constant; each is filtered by the formants at its
    middle in a transform twice as long, so that the ringing of the resonances does not wrap around. Silent
    windows are skipped.
    """
    window = 2 ** round(np.log2(0.023 * sample_rate))
    hop, length = window // 4, 2 * window
    frames = -(-len(source) // hop) + 3
    padded = np.zeros((frames + 4) * hop)
    padded[3 * hop : 3 * hop + len(source)] = source
    shape = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window)) / 2.0
    blocks = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][:frames]
    sounding = np.flatnonzero(np.abs(blocks).max(axis=1) > 1e-6)
    frequencies = rfftfreq(length, 1.0 / sample_rate)
    above = higher_formants(size, frequencies, sample_rate)
    result = np.zeros((frames + 8, hop))
    for first in range(0, len(sounding), 512):  # in portions, to keep the memory small
        chosen = sounding[first : first + 512]
        middle = (chosen * hop - 3 * hop + window / 2) / sample_rate * control_rate
        index = np.clip(np.round(middle).astype(int), 0, len(formants_hz) - 1)
        response = formant_response(formants_hz[index], frequencies, sample_rate) * above
        filtered = irfft(rfft((blocks[chosen] * shape).astype(np.float32), length, axis=1) * response, axis=1)
        for part in range(length // hop):
            result[chosen + part] += filtered[:, part * hop : (part + 1) * hop]
    return result.ravel()[3 * hop : 3 * hop + len(source)]


def render_vocals(notes: Sequence[Note], samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Sing ``notes``, one syllable each, in the middle of the stereo image.

    Returns:
        Shape ``[2, samples]``, level arbitrary.
    """
    singer = draw_singer(float(np.mean([note.pitch for note in notes])), rng)
    syllables = draw_syllables(len(notes), rng)
    return np.tile(sing(notes, syllables, singer, samples, sample_rate, rng), (2, 1))


def sing(
    notes: Sequence[Note],
    syllables: Sequence[Syllable],
    singer: Singer,
    samples: int,
    sample_rate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Sing one syllable on every note.

    Args:
        notes: in order, not overlapping.
        syllables: as many as notes.
        singer: whose voice.
        samples: length of the result.
        sample_rate: in Hz.
        rng: source of breath noise, jitter and drift.

    Returns:
        Shape ``[samples]``.
    """
    moves = _moves(notes, syllables, singer, samples, sample_rate, rng)
    rate, frames = 1.0 / _CONTROL_SECONDS, len(moves.pitch)
    time = np.arange(frames) / rate
    pitch = gaussian_filter1d(moves.pitch, 0.014 * rate)
    drift = gaussian_filter1d(rng.standard_normal(frames), 0.15 * rate) * 0.08 * np.sqrt(0.15 * rate)
    pitch += drift + rng.standard_normal(frames) * singer.jitter_cents / 100.0
    wobble = np.sin(2.0 * np.pi * singer.vibrato_hz * time + 0.4 * np.cumsum(rng.standard_normal(frames)) / rate)
    pitch += singer.vibrato_cents / 100.0 * gaussian_filter1d(moves.vibrato, 0.03 * rate) * wobble
    level = gaussian_filter1d(moves.level, 0.010 * rate) * (1.0 + 0.04 * rng.standard_normal(frames))
    level[level < 1e-4] = 0.0
    at = np.arange(samples) / sample_rate
    frequency = midi_to_hz(np.interp(at, time, pitch))
    loudness = np.interp(at, time, level)
    pulses = band_limited_wave(frequency, glottal_harmonics(singer.open_quotient, singer.tilt), sample_rate)
    breath = singer.breath * rng.standard_normal(samples) * (0.5 + np.clip(pulses, 0.0, 1.0))
    mouth = _tract(gaussian_filter1d(moves.formants, 0.016 * rate, axis=0), pitch, singer, sample_rate)
    voiced = filter_by_frames((pulses + breath) * loudness, mouth, rate, sample_rate, singer.size)
    sounding = max(float(np.sum(loudness > 0.05)), 1.0)
    return voiced / (np.sqrt(np.sum(voiced**2) / sounding) + 1e-9) + moves.noises


@dataclass(frozen=True)
class _Moves:
    """What the voice is told to do, at the control rate, before anything is smoothed; and its noises as sound.

    ``pitch`` in MIDI notes, ``level`` and ``vibrato`` (0 to 1) have shape ``[frames]``, ``formants`` in Hz
    ``[frames, 3]``, ``noises`` ``[samples]``.
    """

    pitch: np.ndarray
    level: np.ndarray
    vibrato: np.ndarray
    formants: np.ndarray
    noises: np.ndarray


def _moves(
    notes: Sequence[Note],
    syllables: Sequence[Syllable],
    singer: Singer,
    samples: int,
    sample_rate: int,
    rng: np.random.Generator,
) -> _Moves:
    rate = 1.0 / _CONTROL_SECONDS
    frames = int(samples / sample_rate * rate) + 2
    formants = np.tile(np.array(VOWELS["uh"], dtype=np.float64), (frames, 1))
    moves = _Moves(
        np.full(frames, float(notes[0].pitch)), np.zeros(frames), np.zeros(frames), formants, np.zeros(samples)
    )
    for number, (note, syllable) in enumerate(zip(notes, syllables, strict=True)):
        begin = int(note.start_seconds * rate)
        end = min(int((note.start_seconds + note.duration_seconds) * rate), frames)
        if end - begin < 2:
            continue
        since = np.arange(end - begin) / rate
        after_rest = number == 0 or note.start_seconds - _end(notes[number - 1]) > 0.15
        moves.pitch[begin:] = note.pitch
        moves.pitch[begin:end] -= singer.scoop_semitones * (1.0 if after_rest else 0.3) * np.exp(-since / 0.045)
        moves.vibrato[begin:end] = np.clip((since - 0.22) / 0.3, 0.0, 1.0)
        moves.level[begin:end] = note.velocity * (1.0 - 0.25 * since / since[-1])
        toward = np.clip((since / since[-1] - 0.6) / 0.4, 0.0, 1.0)[:, None]
        formants[begin:end] = (1.0 - toward) * VOWELS[syllable.vowel] + toward * np.array(VOWELS[syllable.offglide])
        formants[end:] = formants[end - 1]  # the mouth stays as it is in a rest
        _articulate(moves, syllable.consonant, note, begin, end, sample_rate, rng)
        if after_rest and note.start_seconds > 0.4:
            _inhale(moves.noises, note.start_seconds, 0.02 * note.velocity, sample_rate, rng)
    return moves


def _articulate(
    moves: _Moves, consonant: str, note: Note, begin: int, end: int, sample_rate: int, rng: np.random.Generator
) -> None:
    """Put a consonant into the first frames of a note, and its noise where the note begins."""
    rate = 1.0 / _CONTROL_SECONDS
    if consonant in _VOICED:
        through, decibels = _VOICED[consonant]
        count = min(int(0.07 * rate), (end - begin) // 2)
        moves.formants[begin : begin + count] = through
        moves.level[begin : begin + count] *= 10.0 ** (decibels / 20.0)
    elif consonant:
        seconds, band, loudness, closure = _UNVOICED[consonant]
        count = min(int((seconds + closure) * rate), (end - begin) // 2)
        moves.level[begin : begin + count] = 0.0
        burst = _burst(seconds, band, sample_rate, rng) * loudness * note.velocity
        start = int((note.start_seconds + closure) * sample_rate)
        room = max(min(len(burst), len(moves.noises) - start), 0)
        moves.noises[start : start + room] += burst[:room]


def _end(note: Note) -> float:
    return note.start_seconds + note.duration_seconds


def _tract(formants: np.ndarray, pitch: np.ndarray, singer: Singer, sample_rate: int) -> np.ndarray:
    """Formants 1-5 in Hz at the control rate for a singer: scaled, and the first never below the pitch.

    Singers raise the first formant to the fundamental on high notes (Sundberg 1987).
    """
    scaled = formants * singer.size
    scaled[:, 0] = np.maximum(scaled[:, 0], midi_to_hz(pitch))
    upper = np.array([singer.formant_4_hz, singer.formant_4_hz + 1000.0]) * singer.size
    return np.concatenate([scaled, np.tile(np.minimum(upper, 0.45 * sample_rate), (len(scaled), 1))], axis=1)


def _burst(seconds: float, band: tuple[float, float], sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    count = int(1.6 * seconds * sample_rate)
    low, high = min(band[0], 0.3 * sample_rate), min(band[1], 0.45 * sample_rate)
    noise = sosfilt(butter(2, (low, high), "bandpass", fs=sample_rate, output="sos"), rng.standard_normal(count))
    noise /= np.sqrt(np.mean(noise**2)) + 1e-9
    return noise * np.sin(np.pi * (np.arange(count) + 0.5) / count) ** 1.5


def _inhale(out: np.ndarray, before_seconds: float, level: float, sample_rate: int, rng: np.random.Generator) -> None:
    breath = _burst(0.2, (900.0, 5000.0), sample_rate, rng) * level
    start = int((before_seconds - 0.02) * sample_rate) - len(breath)
    if start >= 0:
        out[start : start + len(breath)] += breath
