"""Guitars and basses without an amplifier: plucked strings, heard through pickups or through a wooden body.

The string is :func:`fxlens.data.synthesis.tones.plucked_string`. A magnetic pickup hears it at one point, which
takes away the partials that have a node there, and its coil is a resonant low-pass of 2.5 to 6 kHz (Paiva,
Pakarinen and Välimäki 2012); a body is a few broad resonances. There is no amplifier, box or distortion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import iirpeak, sosfilt, tf2sos

from fxlens.data.midi.parts import Note
from fxlens.data.synthesis.tones import lowpass_sos, midi_to_hz, plucked_string

KINDS = ("electric guitar", "acoustic guitar", "bass")
_RELEASE_SECONDS = 0.07


@dataclass(frozen=True)
class StringInstrument:
    """One guitar or bass, and how it is played.

    Args:
        kind: one of :data:`KINDS`.
        seed: of the plucks.
        decay_seconds, damping_hz, stiffness: of the middle string, see ``plucked_string``.
        pick_position: 0-0.5 of the string.
        brightness_hz: hardness of the pick.
        roughness: 0 clean, 1 noisy.
        pickup_position: 0-0.5 of the string; 0 for none.
        coil_hz, coil_q: the pickup's resonance, or the treble limit of a microphone.
        body_hz: resonances of the body; none for an electric one.
        muted: share of short notes that are damped by the palm.
        strum_seconds: between neighbouring strings of a chord.
    """

    kind: str
    seed: int
    decay_seconds: float
    damping_hz: float
    stiffness: float
    pick_position: float
    brightness_hz: float
    roughness: float
    pickup_position: float
    coil_hz: float
    coil_q: float
    body_hz: tuple[float, ...]
    muted: float
    strum_seconds: float


def draw_string_instrument(kind: str, rng: np.random.Generator) -> StringInstrument:
    """Draw an instrument of a kind."""
    acoustic, bass = kind == "acoustic guitar", kind == "bass"
    nylon = acoustic and rng.random() < 0.4
    body = (rng.uniform(90, 125), rng.uniform(180, 250), rng.uniform(350, 480)) if acoustic else ()
    return StringInstrument(
        kind,
        seed=int(rng.integers(1 << 30)),
        decay_seconds=float(rng.uniform(1.2, 2.2) if nylon else rng.uniform(2.0, 4.0)),
        damping_hz=float(rng.uniform(700, 1600) if nylon or bass else rng.uniform(1500, 5000)),
        stiffness=float(rng.uniform(1e-5, 1.5e-4)),
        pick_position=float(rng.uniform(0.06, 0.35)),
        brightness_hz=float(rng.uniform(900, 2500) if nylon or bass else rng.uniform(2000, 7000)),
        roughness=float(rng.uniform(0.1, 0.6)),
        pickup_position=0.0 if acoustic else float(rng.uniform(0.04, 0.28)),
        coil_hz=float(rng.uniform(7000, 14000) if acoustic else rng.uniform(2500, 6000)),
        coil_q=0.7 if acoustic else float(rng.uniform(0.7, 2.5)),
        body_hz=tuple(float(f) for f in body),
        muted=0.0 if acoustic else float(rng.choice((0.0, 0.0, 0.3, 0.9))),
        strum_seconds=float(rng.uniform(0.004, 0.02)),
    )


def play_strings(
    instrument: StringInstrument, notes: Sequence[Note], seconds: float, rng: np.random.Generator,
    sample_rate: int = 44100,
) -> np.ndarray:  # fmt: skip
    """Play notes on a guitar or a bass.

    Args:
        instrument: the instrument.
        notes: in order of their start; those that begin together are strummed.
        seconds: length of the result.
        rng: small unevenness of every pluck.
        sample_rate: in Hz.

    Returns:
        ``float32 [2, T]``, both channels equal, not yet at its final level.
    """
    samples = round(seconds * sample_rate)
    out = np.zeros(samples + sample_rate)
    last_start, string = -1.0, 0
    for note in notes:
        string = string + 1 if note.start - last_start < 0.02 else 0
        last_start = note.start
        length = note.end - note.start
        muted = length < 0.3 and rng.random() < instrument.muted
        pluck = _pluck(instrument, note.pitch, min(note.velocity // 32, 3), muted, int(rng.integers(2)), sample_rate)
        first = round((note.start + string * instrument.strum_seconds) * sample_rate)
        held = round((max(length, 0.06) + _RELEASE_SECONDS) * sample_rate)
        clip = pluck[: min(held, len(out) - first)] if first < len(out) else pluck[:0]
        if not len(clip):
            continue
        fade = min(round(_RELEASE_SECONDS * sample_rate), len(clip))
        shape = np.ones(len(clip))
        shape[len(clip) - fade :] = 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, fade))
        out[first : first + len(clip)] += clip * shape * (0.25 + 0.75 * note.velocity / 127.0)
    mono = _heard(instrument, out[:samples], sample_rate).astype(np.float32)
    return np.stack([mono, mono])


@lru_cache(maxsize=192)
def _pluck(
    instrument: StringInstrument, pitch: int, layer: int, muted: bool, take: int, sample_rate: int
) -> np.ndarray:
    """One pluck at 0 dB; four velocities and two takes of each note."""
    rng = np.random.default_rng([instrument.seed, pitch, layer, take])
    frequency = float(midi_to_hz(pitch))
    keyed = float(np.clip((196.0 / frequency) ** 0.4, 0.4, 2.0))
    sound = plucked_string(
        frequency, 0.8 if muted else 4.0, sample_rate, rng,
        decay_seconds=0.35 if muted else instrument.decay_seconds * keyed,
        damping_hz=0.4 * instrument.damping_hz if muted else instrument.damping_hz,
        pick_position=float(np.clip(instrument.pick_position + rng.normal(0.0, 0.01), 0.03, 0.5)),
        brightness_hz=instrument.brightness_hz * (0.5 + 0.25 * layer),
        roughness=instrument.roughness, stiffness=instrument.stiffness,
    )  # fmt: skip
    if instrument.pickup_position > 0.0:
        # The pickup's place is fixed on the instrument, so relative to the fretted string it moves up.
        position = min(instrument.pickup_position * max(frequency / 110.0, 1.0), 0.5)
        delay = max(round(position * sample_rate / frequency), 1)
        sound[delay:] = sound[delay:] - 0.85 * sound[:-delay]
    peak = float(np.abs(sound).max())
    return np.asarray(sound / max(peak, 1e-9), dtype=np.float32)


def _heard(instrument: StringInstrument, audio: np.ndarray, sample_rate: int) -> np.ndarray:
    heard = np.asarray(sosfilt(lowpass_sos(instrument.coil_hz, instrument.coil_q, sample_rate), audio))
    result = heard
    for frequency in instrument.body_hz:
        result = result + 0.9 * sosfilt(tf2sos(*iirpeak(frequency, 4.0, fs=sample_rate)), heard)
    return result
