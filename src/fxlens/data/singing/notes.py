"""A sampler of sung notes: a dry, voice-like stem that follows a melody.

Every note is the nearest sung sample of the singer, moved by at most three semitones by resampling. Notes of
one phrase are joined: a note that follows without a gap enters past its sample's onset and cross-fades with
the one before. The vowel changes from phrase to phrase, the singer from song to song.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr

from fxlens.audio import io
from fxlens.data.midi.fluidsynth import SAMPLE_RATE
from fxlens.data.midi.general_midi import octaves_into_range
from fxlens.data.midi.parts import Note
from fxlens.errors import DataError

_NAME = re.compile(r"(?P<singer>[a-z]+?)_(?P<vowel>[a-z]+)\d*_(?P<note>[A-Ga-g])(?P<accidental>[sb]?)(?P<octave>-?\d)")
_SEMITONE = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
MAXIMUM_SHIFT = 3
_JOIN_SECONDS = 0.08  # notes closer than this are sung in one breath
_PHRASE_GAP_SECONDS = 0.5
_PHRASE_LENGTH_SECONDS = 7.0
_CROSSFADE_SECONDS = 0.06
_RELEASE_SECONDS = 0.12


@dataclass(frozen=True)
class SungNote:
    """One sample: its file, the singer, the vowel and the MIDI pitch, all from the file name."""

    path: Path
    singer: str
    vowel: str
    pitch: int


def read_voice_folder(folder: str | Path) -> dict[str, tuple[SungNote, ...]]:
    """List the samples of a folder by singer; names are ``<singer>_<vowel>_<note><octave>.<extension>``.

    Raises:
        DataError: there is no sample with such a name.
    """
    singers: dict[str, list[SungNote]] = {}
    for path in sorted(Path(folder).glob("*.*")):
        match = _NAME.fullmatch(path.stem)
        if match is None:
            continue
        semitone = _SEMITONE[match["note"].upper()] + {"s": 1, "b": -1, "": 0}[match["accidental"]]
        pitch = 12 * (int(match["octave"]) + 1) + semitone
        singers.setdefault(match["singer"], []).append(SungNote(path, match["singer"], match["vowel"], pitch))
    if not singers:
        raise DataError(f"{folder}: there is no sung note here; names must read like alto_aa_C4.mp3")
    return {name: tuple(notes) for name, notes in sorted(singers.items())}


def skyline(notes: Sequence[Note], shortest_seconds: float = 0.1) -> list[Note]:
    """Reduce notes to one line: the highest at every onset, each ending where the next begins.

    Onsets within 30 ms count as one chord; notes shorter than ``shortest_seconds`` are dropped.
    """
    line: list[Note] = []
    for note in sorted(notes, key=lambda n: (n.start, -n.pitch)):
        if line and note.start - line[-1].start < 0.03:
            if note.pitch > line[-1].pitch:
                line[-1] = note
            continue
        if line and line[-1].end > note.start:
            if note.pitch < line[-1].pitch and line[-1].end - note.start > 0.5 * (note.end - note.start):
                continue  # an inner voice under a held melody note
            line[-1] = Note(line[-1].start, note.start, line[-1].pitch, line[-1].velocity)
        line.append(note)
    return [n for n in line if n.end - n.start >= shortest_seconds]


def singable(line: Sequence[Note], seconds: float) -> float:
    """Rate 0-1 how well a line can be sung: enough notes, not too fast, not too rare, some movement."""
    if len(line) < 16 or len({n.pitch for n in line}) < 3:
        return 0.0
    lengths = np.array([n.end - n.start for n in line])
    if float(np.median(lengths)) < 0.16:
        return 0.0
    leaps = np.abs(np.diff([n.pitch for n in line]))
    coverage = min(float(lengths.sum()) / seconds, 1.0)
    return coverage * float(np.mean(leaps <= 7)) if coverage > 0.15 else 0.0


def sing(
    line: Sequence[Note],
    voices: Sequence[SungNote],
    rng: np.random.Generator,
    seconds: float,
) -> np.ndarray:
    """Sing a line with the samples of one singer.

    Args:
        line: notes one after the other, see :func:`skyline`; moved by octaves into the singer's range.
        voices: the singer's samples.
        rng: draws the vowel of every phrase, and a few cents and milliseconds for every note.
        seconds: length of the result.

    Returns:
        ``float32 [2, T]`` at 44 100 Hz, both channels equal.
    """
    low, high = min(v.pitch for v in voices) - 2, max(v.pitch for v in voices) + 2
    move = octaves_into_range(float(np.median([n.pitch for n in line])), low + 4, high - 6) if line else 0
    vowels = sorted({v.vowel for v in voices})
    out = np.zeros(round((seconds + 1.0) * SAMPLE_RATE), dtype=np.float32)
    vowel, phrase_start, last_end = vowels[0], -1e9, -1e9
    for index, note in enumerate(line):
        gap = note.start - last_end
        if gap > _PHRASE_GAP_SECONDS or (note.start - phrase_start > _PHRASE_LENGTH_SECONDS and gap > 0.05):
            vowel, phrase_start = vowels[int(rng.integers(len(vowels)))], note.start
        joined_before = gap < _JOIN_SECONDS
        joined_after = index + 1 < len(line) and line[index + 1].start - note.end < _JOIN_SECONDS
        end = line[index + 1].start if joined_after else note.end
        last_end = note.end
        pitch = note.pitch + move
        pitch += 12 * -((pitch - low) // 12) if pitch < low else 0
        pitch -= 12 * (-(-(pitch - high) // 12)) if pitch > high else 0
        cents, late = rng.normal(0.0, 6.0), rng.normal(0.0, 0.008)
        sample = _nearest(voices, vowel, pitch)
        if sample is None:
            continue
        tone = _shifted(sample, pitch - sample.pitch, round(cents / 4))
        clip = _note(tone, max(end - note.start, 0.1), joined_before, joined_after)
        clip = clip * np.float32(0.35 + 0.65 * note.velocity / 127.0)
        lead = _CROSSFADE_SECONDS / 2 if joined_before else 0.03
        start = max(round((note.start + late - lead) * SAMPLE_RATE), 0)
        stop = min(start + len(clip), len(out))
        out[start:stop] += clip[: stop - start]
    out = out[: round(seconds * SAMPLE_RATE)]
    return np.stack([out, out])


def _nearest(voices: Sequence[SungNote], vowel: str, pitch: int) -> SungNote | None:
    """Return the nearest sample within the allowed shift, with another vowel if this one has none."""
    within = [v for v in voices if abs(v.pitch - pitch) <= MAXIMUM_SHIFT]
    same = [v for v in within if v.vowel == vowel]
    return min(same or within, key=lambda v: (abs(v.pitch - pitch), v.pitch), default=None)


@lru_cache(maxsize=128)
def _tone(path: Path) -> np.ndarray:
    """Read one sample: mono, from its onset to its fading end, at a common level."""
    audio, rate = io.read(path)
    mono = audio.mean(axis=0)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    hop = SAMPLE_RATE // 100
    frames = np.sqrt(np.mean(mono[: len(mono) // hop * hop].reshape(-1, hop) ** 2, axis=1))
    loud = np.flatnonzero(frames > 0.1 * frames.max())
    mono = mono[max(loud[0] - 1, 0) * hop : (loud[-1] + 1) * hop]
    return (mono * (0.1 / np.sqrt(np.mean(mono**2)))).astype(np.float32)


@lru_cache(maxsize=512)
def _shifted(sample: SungNote, semitones: int, fine: int) -> np.ndarray:
    """Move a sample by semitones and by ``fine`` steps of four cents: pitch and speed change together."""
    ratio = 2.0 ** ((semitones + fine * 0.04) / 12.0)
    return soxr.resample(_tone(sample.path), SAMPLE_RATE * ratio, SAMPLE_RATE, quality="HQ")


def _note(tone: np.ndarray, seconds: float, joined_before: bool, joined_after: bool) -> np.ndarray:
    """Cut a sample to a note: skip the onset when joined, extend a short one, fade both ends."""
    fade_in = round((_CROSSFADE_SECONDS if joined_before else 0.012) * SAMPLE_RATE)
    fade_out = round((_CROSSFADE_SECONDS if joined_after else _RELEASE_SECONDS) * SAMPLE_RATE)
    length = round(seconds * SAMPLE_RATE) + fade_out
    offset = round(0.18 * SAMPLE_RATE) if joined_before else 0
    body = _extend(tone[min(offset, len(tone) // 4) :], length)[:length].copy()
    fade_in, fade_out = min(fade_in, len(body) // 2), min(fade_out, len(body) // 2)
    body[:fade_in] *= np.sin(np.linspace(0.0, np.pi / 2, fade_in, dtype=np.float32))
    body[len(body) - fade_out :] *= np.cos(np.linspace(0.0, np.pi / 2, fade_out, dtype=np.float32))
    return body


def _extend(tone: np.ndarray, length: int) -> np.ndarray:
    """Lengthen a tone by repeating its middle with half-second cross-fades."""
    while len(tone) < length:
        cross = min(SAMPLE_RATE // 2, len(tone) // 4)
        head, tail = tone[: len(tone) * 3 // 4], tone[len(tone) // 4 :]
        ramp = np.linspace(0.0, np.pi / 2, cross, dtype=np.float32)
        blend = head[-cross:] * np.cos(ramp) + tail[:cross] * np.sin(ramp)
        tone = np.concatenate([head[:-cross], blend, tail[cross:]])
    return tone
