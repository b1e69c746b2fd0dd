"""The pitched instruments of a synthetic song: each draws its patch, then plays its notes.

A renderer takes notes, the length in samples, the sample rate and a generator, and returns ``[2, T]`` in
float64 at an arbitrary level. None of them uses reverberation, delay, compression or distortion.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from fxlens.data.synthesis.song import Note, pick
from fxlens.data.synthesis.tones import (
    band_limited_wave,
    detuned_stack,
    midi_to_hz,
    plucked_string,
    pulse_harmonics,
    saw_harmonics,
    sweep_lowpass,
    tine_piano,
)

# Where the resonances of a small wooden body lie.
_BODY_HZ = ((90.0, 130.0), (190.0, 260.0), (380.0, 520.0))


def place(out: np.ndarray, start: int, sound: np.ndarray, pan: float = 0.0) -> None:
    """Add ``sound`` (``[n]``, or ``[2, n]`` that ignores ``pan``) to ``out`` ``[2, T]``, cut at its end.

    ``pan`` runs from -1 (left) to 1 (right) at constant power.
    """
    count = min(sound.shape[-1], out.shape[1] - start)
    if count <= 0:
        return
    if sound.ndim == 2:
        out[:, start : start + count] += sound[:, :count]
        return
    out[0, start : start + count] += np.sqrt(0.5 - 0.5 * pan) * sound[:count]
    out[1, start : start + count] += np.sqrt(0.5 + 0.5 * pan) * sound[:count]


def _play_struck(
    out: np.ndarray,
    notes: Sequence[Note],
    sample_rate: int,
    render: Callable[[float, float, float], np.ndarray],
    *,
    layers: int,
    variants: int,
    release_seconds: float,
    pan_of: Callable[[float], float],
) -> None:
    """Play notes whose sound depends on pitch and velocity only: each is rendered once and used many times.

    ``layers`` velocities and ``variants`` takes of each pitch keep repeated notes from being copies.
    """
    groups: dict[tuple[float, int, int], list[Note]] = defaultdict(list)
    for number, note in enumerate(notes):
        layer = min(int(note.velocity * layers), layers - 1)
        groups[note.pitch, layer, number % variants].append(note)
    for (pitch, layer, _), members in sorted(groups.items()):
        longest = max(note.duration_seconds for note in members) + release_seconds
        velocity = (layer + 0.5) / layers
        sound = render(pitch, velocity, longest)
        for note in members:
            held = int(note.duration_seconds * sample_rate)
            take = sound[: held + int(release_seconds * sample_rate)].copy()
            tail = take[held:]
            tail *= 0.5 + 0.5 * np.cos(np.pi * np.arange(len(tail)) / max(len(tail), 1))
            take *= note.velocity / velocity
            place(out, int(note.start_seconds * sample_rate), take, pan_of(pitch))


def _line(
    notes: Sequence[Note],
    samples: int,
    sample_rate: int,
    *,
    attack_seconds: float,
    decay_seconds: float,
    sustain: float,
    release_seconds: float,
    glide_seconds: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Control curves of an instrument that plays one note at a time, each of shape ``[samples]``.

    Returns:
        MIDI pitch with portamento, amplitude envelope, seconds since the note began.
    """
    pitch = np.full(samples, float(notes[0].pitch))
    envelope, since = np.zeros(samples), np.zeros(samples)
    fade = max(int(0.004 * sample_rate), 1)
    for note, following in zip(notes, [*notes[1:], None], strict=True):
        start = int(note.start_seconds * sample_rate)
        limit = samples if following is None else min(int(following.start_seconds * sample_rate), samples)
        if limit <= start:
            continue
        pitch[start:] = note.pitch
        count = min(limit - start, int((note.duration_seconds + release_seconds) * sample_rate))
        time = np.arange(count) / sample_rate
        shape = (1.0 - np.exp(-time / attack_seconds)) * (sustain + (1.0 - sustain) * np.exp(-time / decay_seconds))
        late = np.maximum(time - note.duration_seconds, 0.0) / release_seconds
        shape *= note.velocity * (0.5 + 0.5 * np.cos(np.pi * np.minimum(late, 1.0)))
        cut = min(fade, count)
        shape[-cut:] *= np.linspace(1.0, 0.0, cut)
        envelope[start : start + count] = shape
        since[start:limit] = np.arange(limit - start) / sample_rate
    memory = np.exp(-1.0 / (glide_seconds * sample_rate))
    glided = lfilter([1.0 - memory], [1.0, -memory], pitch - notes[0].pitch) + notes[0].pitch
    return glided, envelope, since


def render_bass(notes: Sequence[Note], samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A plucked bass string, or a saw or square through a low-pass that each note opens and lets fall."""
    if rng.random() < 0.4:
        decay, damping = rng.uniform(2.0, 4.0), rng.uniform(500.0, 1800.0)
        position, touch = rng.uniform(0.12, 0.45), rng.uniform(120.0, 450.0)
        out = np.zeros((2, samples))

        def string(pitch: float, velocity: float, seconds: float) -> np.ndarray:
            sound = plucked_string(
                float(midi_to_hz(pitch)), seconds, sample_rate, rng, decay_seconds=decay,
                damping_hz=damping, pick_position=position, brightness_hz=touch * (0.5 + velocity),
                roughness=0.25, stiffness=1e-4,
            )  # fmt: skip
            return velocity * sound / (np.sqrt(np.mean(sound[: sample_rate // 4] ** 2)) + 1e-9)

        _play_struck(out, notes, sample_rate, string, layers=2, variants=2, release_seconds=0.05, pan_of=lambda _: 0.0)
        return out
    pitch, envelope, since = _line(
        notes, samples, sample_rate, attack_seconds=0.003, decay_seconds=rng.uniform(0.2, 0.8),
        sustain=rng.uniform(0.35, 0.85), release_seconds=rng.uniform(0.02, 0.08),
        glide_seconds=float(pick(rng, (0.002, 0.004, 0.02))),
    )  # fmt: skip
    harmonics = saw_harmonics() if rng.random() < 0.5 else pulse_harmonics(rng.uniform(0.3, 0.5))
    harmonics[0] *= 1.0 + rng.uniform(0.2, 1.2)
    wave = band_limited_wave(midi_to_hz(pitch), harmonics, sample_rate)
    closed, octaves = rng.uniform(130.0, 420.0), rng.uniform(0.8, 3.0)
    cutoff = closed * 2.0 ** (octaves * np.exp(-since / rng.uniform(0.05, 0.3)) * (0.4 + envelope))
    return np.tile(sweep_lowpass(wave, cutoff, sample_rate, rng.uniform(0.7, 2.0), 4) * envelope, (2, 1))


def render_plucked(notes: Sequence[Note], samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Guitar, harp or something between: plucked strings on a small resonating body."""
    decay, damping = rng.uniform(0.8, 3.8), rng.uniform(1500.0, 5000.0)
    position, stiffness = rng.uniform(0.06, 0.45), rng.uniform(0.0, 2e-4)
    touch, width = rng.uniform(900.0, 4000.0), rng.uniform(0.0, 0.25)
    resonances = [(rng.uniform(low, high), rng.uniform(0.3, 1.2)) for low, high in _BODY_HZ]

    def string(pitch: float, velocity: float, seconds: float) -> np.ndarray:
        sound = plucked_string(
            float(midi_to_hz(pitch)), seconds, sample_rate, rng,
            decay_seconds=decay * 2.0 ** ((55 - pitch) / 24), damping_hz=damping, pick_position=position,
            brightness_hz=touch * (0.4 + 1.2 * velocity), stiffness=stiffness,
        )  # fmt: skip
        return velocity * sound / (np.sqrt(np.mean(sound[: sample_rate // 4] ** 2)) + 1e-9)

    out = np.zeros((2, samples))
    _play_struck(
        out, notes, sample_rate, string, layers=2, variants=2, release_seconds=0.12,
        pan_of=lambda pitch: width * (pitch - 60.0) / 12.0,
    )  # fmt: skip
    body = out.copy()
    for centre, gain in resonances:
        band = butter(1, (0.85 * centre, 1.18 * centre), "bandpass", fs=sample_rate, output="sos")
        body += gain * sosfilt(band, out)
    return body


def render_keys(notes: Sequence[Note], samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """An electric piano, low notes a little to the left and high ones to the right."""
    bark, tine, decay = rng.uniform(1.0, 4.0), rng.uniform(0.1, 0.5), rng.uniform(0.6, 1.8)
    ratio, width = float(pick(rng, (7.0, 9.0, 11.0, 14.0))), rng.uniform(0.1, 0.35)
    knock_level = rng.uniform(0.0, 0.15)
    tuning = rng.normal(0.0, 0.02, 128)  # of every key, in semitones
    thud = butter(1, (150.0, 900.0), "bandpass", fs=sample_rate, output="sos")

    def tone(pitch: float, velocity: float, seconds: float) -> np.ndarray:
        sound = tine_piano(
            float(midi_to_hz(pitch + tuning[int(pitch)])), velocity, seconds, sample_rate, bark=bark,
            tine_level=tine, tine_ratio=ratio, decay_seconds=decay,
        )  # fmt: skip
        knock = rng.standard_normal(min(int(0.04 * sample_rate), len(sound)))
        knock *= np.exp(-np.arange(len(knock)) / (0.006 * sample_rate))
        sound[: len(knock)] += knock_level * velocity * sosfilt(thud, knock)
        return sound

    out = np.zeros((2, samples))
    _play_struck(
        out, notes, sample_rate, tone, layers=3, variants=1, release_seconds=0.1,
        pan_of=lambda pitch: float(np.clip(width * (pitch - 62.0) / 10.0, -0.5, 0.5)),
    )  # fmt: skip
    return out


def render_pad(notes: Sequence[Note], samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Detuned saws or pulses, spread over the stereo image, behind a low-pass that breathes slowly."""
    copies = int(rng.integers(4, 8))
    spread = rng.uniform(5.0, 22.0)
    detune = np.linspace(-spread, spread, copies) + rng.normal(0.0, 1.0, copies)
    pans = rng.permutation(np.linspace(-1.0, 1.0, copies)) * rng.uniform(0.3, 0.7)
    harmonics = saw_harmonics() if rng.random() < 0.65 else pulse_harmonics(rng.uniform(0.15, 0.5))
    attack, release = rng.uniform(0.08, 0.6), rng.uniform(0.25, 0.9)
    loops = {
        pitch: detuned_stack(float(midi_to_hz(pitch)), detune.tolist(), pans.tolist(), sample_rate, rng, harmonics)
        for pitch in sorted({note.pitch for note in notes})
    }
    out = np.zeros((2, samples))
    for note in notes:
        count = int((note.duration_seconds + release) * sample_rate)
        time = np.arange(count) / sample_rate
        swell = np.sin(0.5 * np.pi * np.minimum(time / attack, 1.0)) ** 2
        fall = np.cos(0.5 * np.pi * np.clip((time - note.duration_seconds) / release, 0.0, 1.0)) ** 2
        loop = loops[note.pitch]
        start = int(note.start_seconds * sample_rate)
        take = np.take(loop, np.arange(start, start + count) % loop.shape[1], axis=1)
        place(out, start, take * (note.velocity * swell * fall))
    time = np.arange(samples) / sample_rate
    breath = np.sin(2.0 * np.pi * (rng.uniform(0.03, 0.15) * time + rng.random()))
    cutoff = rng.uniform(600.0, 4500.0) * 2.0 ** (rng.uniform(0.2, 0.9) * breath)
    return sweep_lowpass(out, cutoff, sample_rate, rng.uniform(0.7, 1.3), int(pick(rng, (2, 4))))


def render_lead(notes: Sequence[Note], samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A synthesiser that plays one note at a time, gliding, with vibrato on the long ones."""
    pitch, envelope, since = _line(
        notes, samples, sample_rate, attack_seconds=rng.uniform(0.003, 0.03),
        decay_seconds=rng.uniform(0.15, 0.6), sustain=rng.uniform(0.4, 0.9),
        release_seconds=rng.uniform(0.04, 0.2), glide_seconds=rng.uniform(0.004, 0.035),
    )  # fmt: skip
    onset = np.clip((since - rng.uniform(0.1, 0.3)) / 0.3, 0.0, 1.0)
    wobble = np.sin(2.0 * np.pi * rng.uniform(4.5, 6.5) * np.arange(samples) / sample_rate)
    pitch += rng.uniform(0.1, 0.35) * onset * wobble
    harmonics = pick(rng, (saw_harmonics(), pulse_harmonics(0.5), pulse_harmonics(rng.uniform(0.1, 0.4))))
    wave = band_limited_wave(midi_to_hz(pitch), harmonics, sample_rate)
    beating = rng.uniform(0.0, 0.12)
    if rng.random() < 0.6:  # a second oscillator, a little sharp or an octave down
        other = pitch + (beating if rng.random() < 0.7 else -12.0)
        wave += rng.uniform(0.4, 1.0) * band_limited_wave(midi_to_hz(other), harmonics, sample_rate)
    opening = rng.uniform(0.5, 2.5) * np.exp(-since / rng.uniform(0.08, 0.5)) * (0.3 + envelope)
    cutoff = rng.uniform(900.0, 3500.0) * 2.0 ** (opening + 0.02 * (pitch - 72.0))
    return np.tile(sweep_lowpass(wave, cutoff, sample_rate, rng.uniform(0.7, 2.5), 4) * envelope, (2, 1))
