"""A synthesiser's patch: what is set on its panel, and the drawing of one at random for a musical role.

Every patch is dry: oscillators, one filter, envelopes and low-frequency oscillators, but no echo, room, chorus
box, distortion or compressor, so that nothing in it competes with the effects put on later. Unison is part
of the sound itself. The ranges follow what the panels of common subtractive and FM instruments offer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

ROLES = ("lead", "bass", "pad", "pluck", "keys", "stab")
WAVES = ("saw", "pulse", "triangle", "sine", "drawbars", "formant", "metal")
FILTERS = ("lowpass", "bandpass", "highpass")


@dataclass(frozen=True)
class Envelope:
    """Attack, decay and release in seconds, sustain 0-1."""

    attack_seconds: float
    decay_seconds: float
    sustain: float
    release_seconds: float


@dataclass(frozen=True)
class Oscillator:
    """One bank of equal waves.

    Args:
        wave: one of :data:`WAVES`.
        shape: 0-1, what the wave makes of it: duty of a pulse, registration of drawbars, place of a formant.
        width_depth: how far the duty of a pulse moves, 0-0.4; 0 for a fixed one.
        semitones: interval to the played note.
        level: amplitude against the first oscillator.
        voices: how many waves, 1-9.
        detune_cents: distance of the outermost from the middle.
        spread: 0 all in the middle, 1 from left to right.
    """

    wave: str
    shape: float = 0.5
    width_depth: float = 0.0
    semitones: int = 0
    level: float = 1.0
    voices: int = 1
    detune_cents: float = 0.0
    spread: float = 0.0


@dataclass(frozen=True)
class Patch:
    """The whole panel.

    Args:
        role: what it was drawn for, one of :data:`ROLES`.
        oscillators: one or two banks.
        sub_level: of a sine an octave below.
        noise_level: of white noise, through the same filter.
        fm_ratio, fm_index, fm_decay_seconds: modulator's frequency against the note's, its index in radians at
            the onset, and the time constant of its fall; index 0 for none. Modulates the first oscillator.
        filter_kind: one of :data:`FILTERS`.
        cutoff_hz: at middle C, without envelope.
        key_track: 0-1, how far the cutoff follows the note.
        resonance: Q of the filter.
        poles: 2 or 4.
        filter_octaves: depth of the filter's envelope.
        velocity_octaves: how far a full velocity opens the filter.
        amplitude, filter_envelope: the two envelopes.
        vibrato_hz, vibrato_cents, vibrato_delay_seconds: low-frequency movement of the pitch.
        sweep_hz, sweep_octaves: low-frequency movement of the cutoff.
        drift_cents: slow random wandering of every note's pitch.
        single_note: legato, one note at a time, gliding in ``glide_seconds``.
        arpeggio: "" for none, or up, down, both, random: chords are played note after note.
    """

    role: str
    oscillators: tuple[Oscillator, ...]
    amplitude: Envelope
    filter_envelope: Envelope
    sub_level: float = 0.0
    noise_level: float = 0.0
    fm_ratio: float = 1.0
    fm_index: float = 0.0
    fm_decay_seconds: float = 1.0
    filter_kind: str = "lowpass"
    cutoff_hz: float = 4000.0
    key_track: float = 0.5
    resonance: float = 0.8
    poles: int = 2
    filter_octaves: float = 0.0
    velocity_octaves: float = 0.5
    vibrato_hz: float = 5.0
    vibrato_cents: float = 0.0
    vibrato_delay_seconds: float = 0.3
    sweep_hz: float = 0.2
    sweep_octaves: float = 0.0
    drift_cents: float = 2.0
    single_note: bool = False
    glide_seconds: float = 0.0
    arpeggio: str = ""


_WAVE_ODDS: dict[str, tuple[float, ...]] = {  # in the order of WAVES
    "lead": (0.38, 0.28, 0.06, 0.06, 0.06, 0.08, 0.08),
    "bass": (0.38, 0.27, 0.12, 0.13, 0.02, 0.04, 0.04),
    "pad": (0.42, 0.22, 0.08, 0.03, 0.08, 0.11, 0.06),
    "pluck": (0.30, 0.24, 0.10, 0.12, 0.04, 0.06, 0.14),
    "keys": (0.22, 0.20, 0.10, 0.16, 0.14, 0.04, 0.14),
    "stab": (0.58, 0.22, 0.02, 0.02, 0.04, 0.06, 0.06),
}
_UNISON_ODDS = {"lead": 0.5, "bass": 0.25, "pad": 0.85, "pluck": 0.35, "keys": 0.25, "stab": 0.85}
_FM_ODDS = {"lead": 0.15, "bass": 0.2, "pad": 0.1, "pluck": 0.35, "keys": 0.5, "stab": 0.1}
# Envelope bounds in seconds, logarithmic: attack, decay, release; then the bounds of the sustain.
_ENVELOPES: dict[str, tuple[tuple[float, float], ...]] = {
    "lead": ((0.002, 0.06), (0.1, 1.0), (0.04, 0.4), (0.5, 1.0)),
    "bass": ((0.001, 0.015), (0.08, 0.9), (0.03, 0.18), (0.1, 1.0)),
    "pad": ((0.08, 1.4), (0.5, 2.5), (0.4, 2.0), (0.6, 1.0)),
    "pluck": ((0.001, 0.006), (0.08, 0.7), (0.05, 0.5), (0.0, 0.12)),
    "keys": ((0.001, 0.012), (0.3, 2.0), (0.08, 0.5), (0.1, 0.7)),
    "stab": ((0.001, 0.01), (0.12, 0.6), (0.05, 0.35), (0.1, 0.8)),
}


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw between two bounds, even on the logarithmic scale."""
    return float(low * (high / low) ** rng.random())


def _draw_envelope(role: str, rng: np.random.Generator) -> Envelope:
    attack, decay, release, sustain = _ENVELOPES[role]
    return Envelope(
        _between(rng, *attack), _between(rng, *decay), float(rng.uniform(*sustain)), _between(rng, *release)
    )


def _draw_oscillator(role: str, rng: np.random.Generator) -> Oscillator:
    wave = WAVES[int(rng.choice(len(WAVES), p=_WAVE_ODDS[role]))]
    moves = wave == "pulse" and rng.random() < 0.4
    voices, cents, spread = 1, 0.0, 0.0
    if rng.random() < _UNISON_ODDS[role]:
        voices = int(rng.choice((2, 3, 5, 7)))
        cents = _between(rng, 4.0, 35.0 if role in ("pad", "stab", "lead") else 14.0)
        spread = 0.0 if role == "bass" and rng.random() < 0.7 else float(rng.uniform(0.2, 1.0))
    return Oscillator(
        wave,
        shape=float(rng.uniform(0.08, 0.92)),
        width_depth=float(rng.uniform(0.05, 0.3)) if moves else 0.0,
        voices=voices,
        detune_cents=cents,
        spread=spread,
    )


def _draw_banks(role: str, rng: np.random.Generator) -> tuple[Oscillator, ...]:
    first = _draw_oscillator(role, rng)
    if rng.random() > 0.55:
        return (first,)
    intervals = (0, 0, 12, -12) if role in ("bass", "pad", "keys") else (0, 0, 12, -12, 7, 19)
    second = replace(
        _draw_oscillator(role, rng),
        semitones=int(rng.choice(intervals)),
        level=float(rng.uniform(0.25, 0.9)),
    )
    return (first, second)


def _with_fm(banks: tuple[Oscillator, ...]) -> tuple[Oscillator, ...]:
    """A modulated wave starts from a sine: of richer ones, modulation makes noise."""
    first = replace(banks[0], wave="sine", width_depth=0.0, voices=min(banks[0].voices, 2))
    return (first, *banks[1:])


def draw_patch(role: str, rng: np.random.Generator) -> Patch:
    """Draw a patch for a role; no two are alike, and the same generator state gives the same patch.

    >>> draw_patch("bass", np.random.default_rng(1)) == draw_patch("bass", np.random.default_rng(1))
    True
    """
    banks, amplitude = _draw_banks(role, rng), _draw_envelope(role, rng)
    percussive = role in ("pluck", "stab", "keys", "bass")
    octaves = float(rng.uniform(0.5, 4.5) if percussive else rng.uniform(-0.5, 3.0))
    cutoff = _between(rng, 120.0, 2500.0) if role == "bass" else _between(rng, 350.0, 9000.0)
    kind = "lowpass" if role == "bass" else str(rng.choice(FILTERS, p=(0.84, 0.09, 0.07)))
    if kind == "highpass":  # above this, little but hiss would be left of a note
        cutoff, octaves = min(cutoff, 500.0), 0.0
    elif kind == "bandpass":
        cutoff, octaves = min(cutoff, 2500.0), min(octaves, 1.0)
    single = role == "bass" or (role == "lead" and rng.random() < 0.75)
    modulated = rng.random() < _FM_ODDS[role]
    arpeggio = str(rng.choice(("up", "down", "both", "random"))) if rng.random() < 0.5 else ""
    patch = Patch(
        role,
        _with_fm(banks) if modulated else banks,
        amplitude,
        replace(_draw_envelope(role, rng), sustain=float(rng.uniform(0.0, 0.6))),
        sub_level=float(rng.uniform(0.2, 0.9)) if rng.random() < (0.5 if role == "bass" else 0.12) else 0.0,
        noise_level=_between(rng, 0.01, 0.12) if rng.random() < 0.3 else 0.0,
        fm_ratio=float(rng.choice((0.5, 1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 7.0, 1.41, 3.5))),
        fm_index=_between(rng, 0.5, 7.0) if modulated else 0.0,
        fm_decay_seconds=_between(rng, 0.05, 2.5),
        filter_kind=kind,
        cutoff_hz=cutoff,
        key_track=float(rng.uniform(0.2, 1.0)),
        resonance=_between(rng, 0.6, 6.0),
        poles=int(rng.choice((2, 4))) if kind == "lowpass" else 2,
        filter_octaves=octaves,
        velocity_octaves=float(rng.uniform(0.0, 1.5)),
        vibrato_hz=float(rng.uniform(4.0, 7.0)),
        vibrato_cents=float(rng.uniform(5.0, 35.0)) if role == "lead" and rng.random() < 0.6 else 0.0,
        vibrato_delay_seconds=float(rng.uniform(0.1, 0.6)),
        sweep_hz=_between(rng, 0.05, 6.0),
        sweep_octaves=float(rng.uniform(0.2, 1.2)) if rng.random() < (0.6 if role == "pad" else 0.15) else 0.0,
        drift_cents=float(rng.uniform(0.0, 6.0)),
        single_note=single,
        glide_seconds=_between(rng, 0.01, 0.12) if single and rng.random() < 0.5 else 0.0,
        arpeggio=arpeggio if role == "pluck" else "",
    )
    return patch
