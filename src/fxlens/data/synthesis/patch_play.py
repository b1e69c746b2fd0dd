"""Playing notes on a synthesiser patch: every note, or legato phrase, is one voice that is filtered on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfilt

from fxlens.data.midi.parts import Note
from fxlens.data.synthesis.patch import FILTERS, Envelope, Oscillator, Patch
from fxlens.data.synthesis.patch_arpeggio import arpeggiate
from fxlens.data.synthesis.patch_kernels import BLOCK_SAMPLES, add_oscillators, filter_and_shape
from fxlens.data.synthesis.patch_waves import table_level, tables_of, wave_tables
from fxlens.data.synthesis.tones import midi_to_hz

_LONGEST_RELEASE_SECONDS = 3.0
_JOINED_SECONDS = 0.02


@dataclass(frozen=True)
class _Phrase:
    """What one voice plays: the pitches with their onsets, and when the key is let go."""

    start: float
    end: float
    velocity: int
    onsets: tuple[float, ...]
    pitches: tuple[int, ...]


def play_patch(
    patch: Patch, notes: Sequence[Note], seconds: float, rng: np.random.Generator, sample_rate: int = 44100
) -> np.ndarray:
    """Play notes on a patch.

    Args:
        patch: the sound.
        notes: in order of their start.
        seconds: length of the result; what rings on beyond it is cut.
        rng: phases, drift and noise.
        sample_rate: in Hz.

    Returns:
        ``float32 [2, T]``, not yet at its final level.
    """
    if patch.arpeggio:
        notes = arpeggiate(notes, patch.arpeggio, rng)
    out = np.zeros((2, round(seconds * sample_rate)), dtype=np.float32)
    for phrase in _phrases(notes, patch.single_note):
        voice = _voice(patch, phrase, rng, sample_rate)
        first = round(phrase.start * sample_rate)
        kept = min(voice.shape[1], out.shape[1] - first)
        if kept > 0:
            out[:, first : first + kept] += voice[:, :kept]
    return sosfilt(butter(2, 20.0, "highpass", fs=sample_rate, output="sos"), out).astype(np.float32)


def _phrases(notes: Sequence[Note], single_note: bool) -> list[_Phrase]:
    if not single_note:
        return [_Phrase(n.start, n.end, n.velocity, (n.start,), (n.pitch,)) for n in notes]
    phrases: list[_Phrase] = []
    for note in sorted(notes, key=lambda n: (n.start, n.pitch)):
        last = phrases[-1] if phrases else None
        if last is not None and note.start - last.end < _JOINED_SECONDS and last.end - last.start < 8.0:
            phrases[-1] = _Phrase(
                last.start,
                max(last.end, note.end),
                max(last.velocity, note.velocity),
                (*last.onsets, note.start),
                (*last.pitches, note.pitch),
            )
        else:
            phrases.append(_Phrase(note.start, note.end, note.velocity, (note.start,), (note.pitch,)))
    return phrases


def envelope_level(envelope: Envelope, time: np.ndarray, gate_seconds: float) -> np.ndarray:
    """Level 0-1 of an envelope: a straight attack, exponential decay to the sustain, exponential release.

    Args:
        envelope: its times are those in which 95 % of the way is covered.
        time: seconds since the key went down.
        gate_seconds: when it is let go.
    """

    def held(t: np.ndarray) -> np.ndarray:
        falling = envelope.sustain + (1.0 - envelope.sustain) * np.exp(
            -3.0 * np.maximum(t - envelope.attack_seconds, 0.0) / envelope.decay_seconds
        )
        return np.asarray(np.where(t < envelope.attack_seconds, t / envelope.attack_seconds, falling))

    at_release = float(held(np.array(gate_seconds)))
    release = at_release * np.exp(-3.0 * np.maximum(time - gate_seconds, 0.0) / envelope.release_seconds)
    return np.where(time < gate_seconds, held(time), release)


def _voice(patch: Patch, phrase: _Phrase, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    gate = max(phrase.end - phrase.start, 0.02)
    length = gate + min(2.0 * patch.amplitude.release_seconds, _LONGEST_RELEASE_SECONDS)
    blocks = max(int(np.ceil(length * sample_rate / BLOCK_SAMPLES)), 2)
    time = np.arange(blocks + 1) * (BLOCK_SAMPLES / sample_rate)
    velocity = phrase.velocity / 127.0
    frequency = midi_to_hz(_pitch(patch, phrase, time, rng))
    voice = np.zeros((2, blocks * BLOCK_SAMPLES), dtype=np.float32)
    for number, oscillator in enumerate(patch.oscillators):
        _add_bank(voice, patch, oscillator, frequency, time, velocity, number == 0, rng, sample_rate)
    if patch.sub_level > 0.0:
        sub = Oscillator("sine", semitones=-12, level=patch.sub_level)
        _add_bank(voice, patch, sub, frequency, time, velocity, False, rng, sample_rate)
    if patch.noise_level > 0.0:
        voice += patch.noise_level * rng.standard_normal(voice.shape[1], dtype=np.float32)
    opening = patch.filter_octaves * envelope_level(patch.filter_envelope, time, gate)
    opening += patch.velocity_octaves * (velocity - 0.5) + patch.key_track * np.log2(frequency / 261.6)
    opening += patch.sweep_octaves * np.sin(2.0 * np.pi * (patch.sweep_hz * (phrase.start + time)))
    cutoff = np.clip(patch.cutoff_hz * 2.0**opening, 30.0, 0.42 * sample_rate)
    gain = envelope_level(patch.amplitude, time, gate) * (0.3 + 0.7 * velocity)
    gain *= np.minimum(1.0, (time[-1] - time) / 0.02)  # the release is cut where it is inaudible, not abruptly
    filter_and_shape(
        voice, np.tan(np.pi * cutoff / sample_rate), gain, patch.resonance, FILTERS.index(patch.filter_kind),
        patch.poles == 4,
    )  # fmt: skip
    return voice


def _pitch(patch: Patch, phrase: _Phrase, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """MIDI pitch at every block: steps that glide, a vibrato that sets in late, a slow drift."""
    onsets = np.asarray(phrase.onsets) - phrase.start
    which = np.clip(np.searchsorted(onsets, time, side="right") - 1, 0, len(onsets) - 1)
    pitch = np.asarray(phrase.pitches, dtype=np.float64)[which]
    if len(phrase.pitches) > 1:
        glide_blocks = max(patch.glide_seconds, 0.003) / 2.5 / (time[1] - time[0])
        pitch = gaussian_filter1d(pitch, glide_blocks)
    delayed = np.clip((time - onsets[which] - patch.vibrato_delay_seconds) / 0.3, 0.0, 1.0)
    pitch = pitch + 0.01 * patch.vibrato_cents * delayed * np.sin(2.0 * np.pi * patch.vibrato_hz * time)
    anchors = np.arange(0.0, time[-1] + 1.0, 0.5)
    return np.asarray(pitch + 0.01 * patch.drift_cents * np.interp(time, anchors, rng.standard_normal(len(anchors))))


def _add_bank(
    voice: np.ndarray,
    patch: Patch,
    oscillator: Oscillator,
    frequency: np.ndarray,
    time: np.ndarray,
    velocity: float,
    modulated: bool,
    rng: np.random.Generator,
    sample_rate: int,
) -> None:
    own = frequency * 2.0 ** (oscillator.semitones / 12.0)
    count = oscillator.voices
    place = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)
    ratios = 2.0 ** (oscillator.detune_cents * place / 1200.0)
    # Neighbours in pitch go to opposite sides, so that neither side is sharper than the other.
    pan = oscillator.spread * place * np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    angle, level = (pan + 1.0) * np.pi / 4.0, oscillator.level / np.sqrt(count)
    width = np.full(len(time), -1.0)
    moving = oscillator.wave == "pulse" and oscillator.width_depth > 0.0
    if moving:
        width = (
            0.5 * oscillator.shape + 0.25 + oscillator.width_depth * np.sin(2.0 * np.pi * (0.3 * time + rng.random()))
        )
        width = np.clip(width, 0.06, 0.94)
    index, harmonic = np.zeros(len(time)), 1.0
    if modulated and patch.fm_index > 0.0:
        room = np.maximum(0.45 * sample_rate / frequency - 1.0, 0.0) / patch.fm_ratio - 2.5  # beyond Carson's bandwidth
        index = patch.fm_index * (0.3 + 0.7 * velocity) * (0.15 + 0.85 * np.exp(-time / patch.fm_decay_seconds))
        index = np.minimum(index, np.maximum(room, 0.0)) / (2.0 * np.pi)
    tables = wave_tables("sine", 0.0) if oscillator.wave == "sine" else tables_of(oscillator)
    levels = table_level(np.maximum(own[:-1], own[1:]) * ratios.max() * harmonic, sample_rate)
    add_oscillators(
        voice, tables, levels, own / sample_rate, width, ratios, rng.random(count),
        level * np.cos(angle) * np.sqrt(2.0), level * np.sin(angle) * np.sqrt(2.0), patch.fm_ratio, index,
    )  # fmt: skip
