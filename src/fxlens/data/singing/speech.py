"""Speech made to sing: a speaker's syllables, one a note, stretched to the melody by the WORLD vocoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d

from fxlens.data.midi.fluidsynth import SAMPLE_RATE
from fxlens.data.midi.parts import Note
from fxlens.data.singing.expression import Manner, sung_pitch
from fxlens.data.singing.speech_bank import FFT_SIZE, SpeechBank, band_frequencies, load_world
from fxlens.data.singing.syllables import FRAME_SECONDS, Syllable
from fxlens.data.synthesis.tones import midi_to_hz

_JOIN_SECONDS = 0.08
_LONGEST_PHRASE_SECONDS = 7.0
_LEVEL_PER_SAMPLE = 0.25
_RELEASE_FRAMES = 14


def sing_speech(
    line: Sequence[Note],
    bank: SpeechBank,
    manner: Manner,
    rng: np.random.Generator,
    seconds: float,
) -> np.ndarray:
    """Sing a line with the syllables of one speaker.

    The line moves by octaves to lie a little above the speaker's spoken pitch, where people sing.

    Args:
        line: notes one after the other (:func:`fxlens.data.singing.notes.skyline`).
        bank: the speaker.
        manner: how.
        rng: draws where in the recordings the words begin, and all unrest.
        seconds: length of the result.

    Returns:
        ``float32 [2, T]`` at 44 100 Hz, both channels equal.

    Raises:
        MissingExtraError: pyworld is not installed.
    """
    out = np.zeros(round((seconds + 1.0) * SAMPLE_RATE), dtype=np.float32)
    if line:
        move = _octave_move(float(np.median([n.pitch for n in line])), bank.pitch_hz)
        line = [replace(note, pitch=note.pitch + move) for note in line]
    word = int(rng.integers(len(bank.syllables)))
    for phrase in phrases_of(with_words(line, rng)):
        if phrase[0].start > seconds:
            break
        sound, lead_seconds, word = _sing_phrase(phrase, bank, manner, rng, word)
        late = float(rng.normal(0.0, manner.late_seconds))
        first = max(round((phrase[0].start - lead_seconds + late) * SAMPLE_RATE), 0)
        kept = min(len(sound), len(out) - first)
        out[first : first + kept] += sound[:kept]
    out = out[: round(seconds * SAMPLE_RATE)]
    return np.stack([out, out])


def _octave_move(median_pitch: float, spoken_hz: float) -> int:
    comfortable = 69.0 + 12.0 * np.log2(spoken_hz / 440.0) + 6.0
    return 12 * round((comfortable - median_pitch) / 12.0)


def with_words(line: Sequence[Note], rng: np.random.Generator) -> list[Note]:
    """Divide notes that are too long for a syllable, and shorten those that are too long for a breath.

    Of a note above 1.1 s, one in four is held, up to 3.5 s; the others become syllables of 0.3 to 0.9 s on the same
    pitch, as words would. After 4 s of one note the singer breathes.
    """
    spoken: list[Note] = []
    for note in line:
        length = note.end - note.start
        if length <= 1.1:
            spoken.append(note)
        elif rng.random() < 0.25:
            spoken.append(replace(note, end=note.start + min(length, 3.5)))
        else:
            count = max(round(min(length, 4.0) / float(rng.uniform(0.3, 0.9))), 2)
            edges = note.start + min(length, 4.0) * np.arange(count + 1) / count
            spoken += [replace(note, start=float(a), end=float(b)) for a, b in pairwise(edges)]
    return spoken


def phrases_of(line: Sequence[Note]) -> list[list[Note]]:
    """Divide a line where somebody would breathe: at gaps, and after seven seconds."""
    phrases: list[list[Note]] = []
    for note in line:
        last = phrases[-1] if phrases else None
        joined = last is not None and note.start - last[-1].end < _JOIN_SECONDS
        if last is not None and joined and note.end - last[0].start < _LONGEST_PHRASE_SECONDS:
            last.append(note)
        else:
            phrases.append([note])
    return phrases


def _sing_phrase(
    phrase: list[Note], bank: SpeechBank, manner: Manner, rng: np.random.Generator, word: int
) -> tuple[np.ndarray, float, int]:
    """Return the phrase's sound, how long it sounds before the first note's onset, and the next syllable."""
    sung = _groups(phrase, manner, rng)
    syllables = [bank.syllables[(word + number) % len(bank.syllables)] for number in range(len(sung))]
    lead = min(syllables[0].vowel - syllables[0].begin, 24)
    origin = phrase[0].start
    total = lead + round((phrase[-1].end - origin) / FRAME_SECONDS) + _RELEASE_FRAMES
    place = np.full(total, -1.0)  # which frame of the bank sounds in each frame of the phrase
    pitched = np.zeros(total, dtype=bool)
    gain_db = np.full(total, -120.0)
    for number, (group, syllable) in enumerate(zip(sung, syllables, strict=True)):
        begin = lead + round((group[0].start - origin) / FRAME_SECONDS)
        following = sung[number + 1] if number + 1 < len(sung) else None
        end = total if following is None else lead + round((following[0].start - origin) / FRAME_SECONDS)
        consonant = min(syllable.vowel - syllable.begin, 24, begin)
        place[begin - consonant : begin] = np.arange(syllable.vowel - consonant, syllable.vowel)
        place[begin:end] = _stretched(syllable, end - begin)
        pitched[begin:end] = True
        gain_db[begin - consonant : end] = 12.0 * (group[0].velocity / 127.0 - 1.0)
    pitch = _padded(sung_pitch(phrase, total - lead, manner, rng), lead)
    pitch_hz = np.where(pitched, midi_to_hz(pitch), 0.0)
    gain_db[-_RELEASE_FRAMES:] -= np.linspace(0.0, 40.0, _RELEASE_FRAMES)
    sound = _synthesise(bank, place, gain_db, pitch_hz, manner)
    return sound, lead * FRAME_SECONDS, (word + len(sung)) % len(bank.syllables)


def _groups(phrase: Sequence[Note], manner: Manner, rng: np.random.Generator) -> list[list[Note]]:
    """Notes that share a syllable: very short ones, and some others, go on with the one before."""
    groups: list[list[Note]] = []
    for note in phrase:
        goes_on = rng.random() < manner.melisma or note.end - note.start < 0.11
        if groups and goes_on and len(groups[-1]) < 4:
            groups[-1].append(note)
        else:
            groups.append([note])
    return groups


def _stretched(syllable: Syllable, frames: int) -> np.ndarray:
    """Frame numbers that stretch a voiced stretch: its beginning and end keep their pace, the middle gives."""
    voiced = syllable.end - syllable.vowel
    head, tail = min(0.35 * voiced, 16.0), min(0.3 * voiced, 14.0)
    if frames <= head + tail + 2:
        return np.linspace(syllable.vowel, syllable.end - 1, frames)
    known = [0.0, head, frames - 1.0 - tail, frames - 1.0]
    return np.interp(
        np.arange(frames), known,
        [syllable.vowel, syllable.vowel + head, syllable.end - 1.0 - tail, syllable.end - 1.0],
    )  # fmt: skip


def _padded(values: np.ndarray, before: int) -> np.ndarray:
    return np.concatenate([np.full(before, values[0]), values])


def _synthesise(
    bank: SpeechBank, place: np.ndarray, gain_db: np.ndarray, pitch_hz: np.ndarray, manner: Manner
) -> np.ndarray:
    world = load_world()
    whole = np.clip(place.astype(int), 0, len(bank.voiced) - 2)
    part = np.clip(place - whole, 0.0, 1.0)[:, None]
    spectrum_db = bank.spectrum_db[whole] * (1.0 - part) + bank.spectrum_db[whole + 1] * part
    noise = bank.noisiness[whole] * (1.0 - part) + bank.noisiness[whole + 1] * part
    # A sung voice is clearer than a spoken one, in all bands alike.
    noise = np.clip(noise + min(manner.breath_db - bank.usual_noise_db, 0.0), -60.0, 0.0)
    spectrum_db = spectrum_db + gain_db[:, None]
    # The formants move with the size of the head: what was at f is now at f * tract.
    wanted = np.arange(FFT_SIZE // 2 + 1) * (SAMPLE_RATE / FFT_SIZE) / manner.tract
    bands = band_frequencies()
    at = np.clip(np.searchsorted(bands, wanted, side="right") - 1, 0, len(bands) - 2)
    share = np.clip((wanted - bands[at]) / (bands[at + 1] - bands[at]), 0.0, 1.0)
    power_db = spectrum_db[:, at] * (1.0 - share) + spectrum_db[:, at + 1] * share
    envelope = np.ascontiguousarray(10.0 ** (power_db / 10.0))
    envelope *= _evenness(envelope, pitch_hz)[:, None]
    aperiodicity = world.decode_aperiodicity(np.ascontiguousarray(noise, dtype=np.float64), SAMPLE_RATE, FFT_SIZE)
    aperiodicity[pitch_hz == 0.0] = 1.0
    sound = world.synthesize(pitch_hz, envelope, aperiodicity, SAMPLE_RATE, FRAME_SECONDS * 1000.0)
    return np.asarray(_LEVEL_PER_SAMPLE * sound, dtype=np.float32)


def _evenness(envelope: np.ndarray, pitch_hz: np.ndarray) -> np.ndarray:
    """Gains of power ``[F]`` that keep a syllable as loud as it was spoken, whatever harmonics meet its formants.

    A narrow formant under a harmonic of the melody would ring 20 dB louder than under the spoken pitch; singers
    make up for it, and so does this, in the pace of syllables.
    """
    harmonics = np.outer(np.maximum(pitch_hz, 60.0), np.arange(1, 41)) * (FFT_SIZE / SAMPLE_RATE)
    bins = np.minimum(np.round(harmonics).astype(int), FFT_SIZE // 2)
    met = np.take_along_axis(envelope, bins, axis=1) * (harmonics < FFT_SIZE / 2)
    sung = met.sum(axis=1) * np.maximum(pitch_hz, 60.0) * (FFT_SIZE / SAMPLE_RATE)
    ratio_db = 10.0 * np.log10((sung + 1e-16) / (envelope.sum(axis=1) + 1e-16))
    ratio_db = np.where(pitch_hz > 0.0, ratio_db, 0.0)
    return np.asarray(10.0 ** (-gaussian_filter1d(ratio_db, 6.0) / 10.0))
