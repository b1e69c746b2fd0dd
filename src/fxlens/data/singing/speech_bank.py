"""Spoken recordings of one person, taken apart by the WORLD vocoder into what can be sung.

WORLD (Morise, Yokomori and Ozawa 2016) separates a voice into pitch, spectral envelope and noisiness. Here the
pitch is thrown away and the other two are kept in frames of 5 ms, syllable by syllable, so that
:mod:`fxlens.data.singing.speech` can give them a melody. Recordings that end below 16 kHz are continued upwards:
the envelope falls on by 12 dB per octave and is noise there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import soxr

from fxlens.audio import io
from fxlens.data.midi.fluidsynth import SAMPLE_RATE
from fxlens.data.singing.syllables import FRAME_SECONDS, Syllable, find_syllables
from fxlens.errors import AudioError, DataError, MissingExtraError
from fxlens.whole_files import whole_file

FFT_SIZE = 2048
BANDS = 160
"""The envelope is kept at so many frequencies, spaced evenly on a scale that is linear below and logarithmic above."""
_FALL_DB_PER_OCTAVE = 12.0
_LEAST_SYLLABLES = 12
_LEAST_LEVEL_RANGE_DB = 22.0
_LEAST_LIMIT_HZ = 7000.0


def load_world() -> ModuleType:
    """Return pyworld.

    Raises:
        MissingExtraError: it is not installed.
    """
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyworld asks pkg_resources for its version, which is deprecated
            import pyworld
    except ImportError as missing:
        raise MissingExtraError("Singing with spoken recordings", "voices") from missing
    return pyworld


@dataclass(frozen=True)
class SpeechBank:
    """One speaker.

    Args:
        name: of the speaker.
        spectrum_db: ``float16 [F, BANDS]``, power envelope; every syllable's loudest frame is at 0 dB in all.
        noisiness: ``float16 [F, 5]``, WORLD's coded aperiodicity in dB.
        voiced: ``bool [F]``.
        syllables: where the syllables are.
        pitch_hz: median pitch of the speech.
    """

    name: str
    spectrum_db: np.ndarray
    noisiness: np.ndarray
    voiced: np.ndarray
    syllables: tuple[Syllable, ...]
    pitch_hz: float

    @property
    def usual_noise_db(self) -> float:
        """Median noisiness below 3 kHz of the voiced frames, in dB."""
        return float(np.median(self.noisiness[self.voiced, 0]))


def band_frequencies() -> np.ndarray:
    """Frequencies in Hz of the envelope's bands, ``[BANDS]``: from 0 to half the sample rate."""
    steps = np.linspace(0.0, np.arcsinh(SAMPLE_RATE / 2 / 1000.0), BANDS)
    return np.asarray(1000.0 * np.sinh(steps))


def analyse_speech(name: str, files: Sequence[Path], seconds: float = 45.0) -> SpeechBank:
    """Take a speaker's recordings apart, in the order given, until there are ``seconds`` of them.

    Args:
        name: of the speaker.
        files: recordings of one person without music; those that cannot be read are passed over.
        seconds: how much is enough.

    Raises:
        MissingExtraError: pyworld is not installed.
        DataError: too few syllables were found, or the recordings are too noisy.
    """
    world = load_world()
    spectra, noises, voiceds, syllables, pitches = [], [], [], [], []
    ranges, used, offset = [], 0.0, 0
    for file in files:
        if used >= seconds:
            break
        try:
            audio, rate = io.read(file)
        except AudioError:
            continue
        mono = audio.mean(axis=0).astype(np.float64)
        if rate < 16000 or not 0.15 * rate < len(mono) < 20.0 * rate or np.abs(mono).max() < 0.01:
            continue
        sound = soxr.resample(mono, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else mono
        used += len(sound) / SAMPLE_RATE
        spectrum_db, noise, pitch = _take_apart(world, sound)
        level_db = 10.0 * np.log10(np.mean(10.0 ** (spectrum_db / 10.0), axis=1) + 1e-20)
        for syllable in find_syllables(level_db, (pitch > 0.0) & _dark(spectrum_db)):
            spectrum_db[syllable.begin : syllable.end] -= level_db[syllable.vowel : syllable.end].max()
            syllables.append(Syllable(*(part + offset for part in (syllable.begin, syllable.vowel, syllable.end))))
        ranges.append(float(np.ptp(np.percentile(level_db, (5, 95)))))
        pitches.append(pitch[pitch > 0.0])
        spectra.append(spectrum_db.astype(np.float16))
        noises.append(noise.astype(np.float16))
        voiceds.append(pitch > 0.0)
        offset += len(pitch)
    if len(syllables) < _LEAST_SYLLABLES:
        raise DataError(f"{name}: only {len(syllables)} syllables were found in {used:.0f} s; leave the speaker out")
    if float(np.median(ranges)) < _LEAST_LEVEL_RANGE_DB:
        raise DataError(f"{name}: speech and background are {np.median(ranges):.0f} dB apart; leave the speaker out")
    noise = np.concatenate(noises)
    clear = _clearest(noise, syllables)
    spectrum = _continued(name, np.concatenate(spectra), clear)
    return SpeechBank(
        name, spectrum, noise, np.concatenate(voiceds), tuple(clear),
        float(np.median(np.concatenate(pitches))),
    )  # fmt: skip


def _take_apart(world: ModuleType, sound: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    period = FRAME_SECONDS * 1000.0
    rough, times = world.dio(sound, SAMPLE_RATE, f0_floor=65.0, f0_ceil=550.0, frame_period=period)
    pitch = world.stonemask(sound, rough, times, SAMPLE_RATE)
    envelope = world.cheaptrick(sound, pitch, times, SAMPLE_RATE, fft_size=FFT_SIZE)
    noise = world.d4c(sound, pitch, times, SAMPLE_RATE, fft_size=FFT_SIZE)
    bins = band_frequencies() * FFT_SIZE / SAMPLE_RATE
    whole = np.minimum(bins.astype(int), FFT_SIZE // 2 - 1)
    part = bins - whole
    power_db = 10.0 * np.log10(envelope + 1e-16)
    spectrum_db = power_db[:, whole] * (1.0 - part) + power_db[:, whole + 1] * part
    return spectrum_db, world.code_aperiodicity(noise, SAMPLE_RATE), pitch


def _dark(spectrum_db: np.ndarray) -> np.ndarray:
    """Whether a frame is stronger below 1.5 kHz than above 4 kHz: sibilants are sometimes given a pitch."""
    frequencies = band_frequencies()
    power = 10.0 ** (spectrum_db / 10.0) * np.gradient(frequencies)
    return np.asarray(power[:, frequencies < 1500.0].sum(axis=1) > 2.0 * power[:, frequencies > 4000.0].sum(axis=1))


def upper_limit_hz(mean_db: np.ndarray) -> float:
    """Return where a mean spectrum ``[BANDS]`` breaks off, by 13 dB within a sixth; 22 050 Hz where it does not."""
    frequencies = band_frequencies()
    for at in np.flatnonzero(frequencies > 3000.0):
        beyond = (frequencies > 1.1 * frequencies[at]) & (frequencies < 1.17 * frequencies[at])
        if beyond.any() and mean_db[at] - mean_db[beyond].mean() > 13.0:
            return float(frequencies[at])
    return SAMPLE_RATE / 2


def _clearest(noise: np.ndarray, syllables: Sequence[Syllable]) -> list[Syllable]:
    """Leave out the noisiest sixth: whispered ends of words, and consonants that were given a pitch."""
    own = np.array([float(noise[s.vowel : s.end, 0].mean()) for s in syllables])
    limit = float(np.quantile(own, 5 / 6))
    return [s for s, level in zip(syllables, own, strict=True) if level <= limit]


def _continued(name: str, spectrum_db: np.ndarray, syllables: Sequence[Syllable]) -> np.ndarray:
    """Continue the envelopes of a recording that was cut off above some frequency."""
    frames = np.concatenate([np.arange(s.begin, s.end) for s in syllables])
    limit = upper_limit_hz(spectrum_db[frames].astype(np.float64).mean(axis=0))
    if limit < _LEAST_LIMIT_HZ:
        raise DataError(f"{name}: the recordings end at {limit:.0f} Hz; leave the speaker out")
    if limit > 16000.0:
        return spectrum_db
    frequencies = band_frequencies()
    last = int(np.searchsorted(frequencies, 0.93 * limit))
    edge = spectrum_db[:, max(last - 6, 0) : last].astype(np.float64).mean(axis=1, keepdims=True)
    above = frequencies[last:]
    spectrum_db[:, last:] = edge - _FALL_DB_PER_OCTAVE * np.log2(above / frequencies[last - 1])
    return spectrum_db


def save_bank(path: str | Path, bank: SpeechBank) -> None:
    """Write a speaker as .npz: a file that is whole or not there.

    Raises:
        OutputError: the folder cannot be written.
    """
    table = np.array([(s.begin, s.vowel, s.end) for s in bank.syllables], dtype=np.int64)
    with whole_file(path) as scratch, open(scratch, "wb") as file:
        np.savez(
            file, name=np.array(bank.name), spectrum_db=bank.spectrum_db, noisiness=bank.noisiness,
            voiced=bank.voiced, syllables=table, pitch_hz=np.array(bank.pitch_hz),
        )  # fmt: skip


def read_bank(path: str | Path) -> SpeechBank:
    """Read what :func:`save_bank` wrote.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            return SpeechBank(
                str(held["name"]), held["spectrum_db"], held["noisiness"], held["voiced"],
                tuple(Syllable(*map(int, row)) for row in held["syllables"]), float(held["pitch_hz"]),
            )  # fmt: skip
    except (OSError, ValueError, KeyError) as problem:
        raise DataError(f"{path}: no analysed speaker ({problem}); remove it and analyse again") from problem
