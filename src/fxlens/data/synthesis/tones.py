"""The sources of synthetic sound: oscillators, strings, tines, and the moving low-pass that shapes them.

All of them work on whole arrays; none loops over samples, and none aliases: waves are summed from harmonics
below the Nyquist frequency, strings are evaluated in closed form in the frequency domain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import sosfilt

_TABLE_SAMPLES = 4096
_MOST_HARMONICS = 1024


def midi_to_hz(pitch: float | np.ndarray) -> np.ndarray:
    """Frequency in Hz of MIDI pitches, 69 being 440 Hz."""
    return 440.0 * 2.0 ** ((np.asarray(pitch, dtype=np.float64) - 69.0) / 12.0)


def saw_harmonics(count: int = _MOST_HARMONICS) -> np.ndarray:
    """Complex amplitudes of harmonics 1..count of a sawtooth, 1/h."""
    return -1j / np.arange(1, count + 1)


def pulse_harmonics(duty: float, count: int = _MOST_HARMONICS) -> np.ndarray:
    """Complex amplitudes of harmonics 1..count of a pulse wave: sin(pi h duty) / h; duty 0.5 is a square."""
    order = np.arange(1, count + 1)
    return np.sin(np.pi * order * duty) / order + 0j


def band_limited_wave(frequency_hz: np.ndarray, harmonics: np.ndarray, sample_rate: int) -> np.ndarray:
    """A periodic wave whose frequency moves, without aliasing.

    A stack of single-cycle tables holds the wave with fewer and fewer harmonics, half an octave apart; every
    sample reads the two tables that fit its frequency, so that nothing reaches the Nyquist frequency and
    nothing clicks while the pitch glides.

    Args:
        frequency_hz: instantaneous frequency, shape ``[T]``.
        harmonics: complex amplitudes of harmonics 1.. of the wave.
        sample_rate: in Hz.

    Returns:
        The wave, shape ``[T]``.
    """
    room = np.maximum(0.46 * sample_rate / np.maximum(frequency_hz, 1.0), 1.0)
    depth = np.maximum(2.0 * np.log2(_MOST_HARMONICS / np.minimum(room, _MOST_HARMONICS)), 0.0)
    level = np.ceil(depth).astype(np.int64)
    first = int(level.min())
    tables = np.empty((int(level.max()) + 2 - first, _TABLE_SAMPLES + 1))
    for row in range(tables.shape[0]):
        count = min(int(_MOST_HARMONICS * 2.0 ** (-(row + first) / 2.0)), len(harmonics))
        spectrum = np.zeros(_TABLE_SAMPLES // 2 + 1, dtype=complex)
        spectrum[1 : max(count, 1) + 1] = harmonics[: max(count, 1)] * (_TABLE_SAMPLES / 2)
        tables[row, :-1] = irfft(spectrum, _TABLE_SAMPLES)
    tables[:, -1] = tables[:, 0]
    phase = np.cumsum(frequency_hz / sample_rate)
    place = (phase - np.floor(phase)) * _TABLE_SAMPLES
    whole = np.minimum(place.astype(np.int64), _TABLE_SAMPLES - 1)
    fraction = place - whole
    flat = tables.ravel()
    index = (level - first) * (_TABLE_SAMPLES + 1) + whole
    fuller = flat[index] + fraction * (flat[index + 1] - flat[index])
    index += _TABLE_SAMPLES + 1
    sparser = flat[index] + fraction * (flat[index + 1] - flat[index])
    return fuller + (1.0 - (level - depth)) * (sparser - fuller)


def lowpass_sos(cutoff_hz: float, resonance: float, sample_rate: int) -> np.ndarray:
    """One second-order low-pass section by the bilinear transform, Q = ``resonance`` (0.707: no peak)."""
    angle = 2.0 * np.pi * min(cutoff_hz, 0.45 * sample_rate) / sample_rate
    cosine, alpha = np.cos(angle), np.sin(angle) / (2.0 * resonance)
    feed = (1.0 - cosine) / 2.0
    return np.array([[feed, 2.0 * feed, feed, 1.0 + alpha, -2.0 * cosine, 1.0 - alpha]]) / (1.0 + alpha)


def sweep_lowpass(
    audio: np.ndarray, cutoff_hz: np.ndarray, sample_rate: int, resonance: float = 0.707, poles: int = 2
) -> np.ndarray:
    """Low-pass whose cutoff moves: fixed filters a third of an octave apart, crossfaded sample by sample.

    Args:
        audio: shape ``[..., T]``.
        cutoff_hz: cutoff of every sample, shape ``[T]``.
        sample_rate: in Hz.
        resonance: Q of the (first) section.
        poles: 2 or 4, that is 12 or 24 dB per octave.
    """
    spacing = 3.0
    position = np.log2(np.clip(cutoff_hz, 30.0, 0.45 * sample_rate) / 30.0) * spacing
    result = np.zeros_like(audio)
    for step in range(int(position.min()), int(np.ceil(position.max())) + 1):
        weight = 1.0 - np.abs(position - step)
        if not (weight > 0.0).any():
            continue
        cutoff = 30.0 * 2.0 ** (step / spacing)
        sections = [lowpass_sos(cutoff, resonance, sample_rate)]
        if poles == 4:
            sections.append(lowpass_sos(cutoff, 0.6, sample_rate))
        result += np.maximum(weight, 0.0) * sosfilt(np.concatenate(sections), audio)
    return result


def detuned_stack(
    frequency_hz: float,
    detune_cents: Sequence[float],
    pans: Sequence[float],
    sample_rate: int,
    rng: np.random.Generator,
    harmonics: np.ndarray,
) -> np.ndarray:
    """Several copies of a wave, slightly out of tune with each other, as a stereo loop without a seam.

    Every copy is placed on whole bins of one long inverse transform, hence exactly periodic and free of
    aliasing. Phases are random.

    Args:
        frequency_hz: of the copy that is not detuned.
        detune_cents: one entry for each copy.
        pans: place of each copy, -1 left to 1 right.
        sample_rate: in Hz; the loop lasts about six seconds.
        rng: source of the phases.
        harmonics: complex amplitudes of harmonics 1.. of the wave.

    Returns:
        Shape ``[2, L]``; repeat it as often as needed.
    """
    length = next_fast_len(6 * sample_rate, real=True)
    spectrum = np.zeros((2, length // 2 + 1), dtype=complex)
    for cents, pan in zip(detune_cents, pans, strict=True):
        line = max(round(frequency_hz * 2.0 ** (cents / 1200.0) * length / sample_rate), 1)
        count = min(int(min(0.45 * sample_rate, 12000.0) * length / sample_rate) // line, len(harmonics))
        order = np.arange(1, max(count, 1) + 1)
        turn = np.exp(2j * np.pi * (rng.random() * order))
        angle = (pan + 1.0) * np.pi / 4.0
        wave = harmonics[: len(order)] * turn * (length / 2)
        spectrum[:, line * order] += np.array([[np.cos(angle)], [np.sin(angle)]]) * wave
    return irfft(spectrum, length)


def plucked_string(
    frequency_hz: float,
    seconds: float,
    sample_rate: int,
    rng: np.random.Generator,
    *,
    decay_seconds: float,
    damping_hz: float,
    pick_position: float,
    brightness_hz: float,
    roughness: float = 0.5,
    stiffness: float = 0.0,
) -> np.ndarray:
    """One plucked string: a short burst that circulates in a lossy delay line (Karplus and Strong 1983).

    The loop ``Y = X / (1 - G(f) exp(-j theta(f)))`` is evaluated directly on the frequency axis, which tunes
    it exactly, lets the loss G depend on frequency at will (Jaffe and Smith 1983) and needs no recursion. A
    stiff string's partials n f0 sqrt(1 + B n^2) are reached by the phase theta.

    Args:
        frequency_hz: pitch.
        seconds: how much of the sound is wanted.
        sample_rate: in Hz.
        rng: source of the burst.
        decay_seconds: time in which low partials fall by 60 dB, at most 4 s.
        damping_hz: partials at this frequency decay twice as fast.
        pick_position: where the string is plucked, 0 (bridge) to 0.5 (middle).
        brightness_hz: low-pass of the burst, the hardness of the touch.
        roughness: 0 for a clean impulse, 1 for the noise of the original algorithm.
        stiffness: B above.

    Returns:
        Shape ``[T]``.
    """
    length = next_fast_len(4 * sample_rate, real=True)  # long enough for the tail not to wrap around audibly
    frequencies = rfftfreq(length, 1.0 / sample_rate)
    if stiffness > 0.0:
        ratio = np.sqrt(1.0 + 4.0 * stiffness * (frequencies / frequency_hz) ** 2)
        theta = 2.0 * np.pi * np.sqrt((ratio - 1.0) / (2.0 * stiffness))
    else:
        theta = 2.0 * np.pi * frequencies / frequency_hz
    decay = min(decay_seconds, 4.0) / (1.0 + (frequencies / damping_hz) ** 2)
    loss = 10.0 ** (-3.0 / (frequency_hz * np.maximum(decay, 1e-3)))
    turn = np.exp(-1j * theta)
    burst = rng.standard_normal(max(round(sample_rate / frequency_hz), 8))
    source = 1.0 - roughness + roughness * rfft(burst - burst.mean(), length) / np.sqrt(len(burst))
    source *= (1.0 - np.exp(-1j * theta * pick_position)) / (1.0 + 1j * frequencies / brightness_hz) ** 2
    string = irfft(source / (1.0 - loss * turn), length)
    return string[: max(int(seconds * sample_rate), 1)]


def tine_piano(
    frequency_hz: float,
    velocity: float,
    seconds: float,
    sample_rate: int,
    *,
    bark: float,
    tine_level: float,
    tine_ratio: float,
    decay_seconds: float,
) -> np.ndarray:
    """One note of an electric piano by frequency modulation (Chowning 1973).

    A sine modulated at its own frequency makes the bar, whose bark dies away faster than the tone; a second,
    short one far above makes the tine. Both indices follow the velocity and fall towards high notes.

    Args:
        frequency_hz: pitch.
        velocity: 0..1.
        seconds: length of the result.
        sample_rate: in Hz.
        bark: modulation index of the bar at full velocity.
        tine_level: level of the tine against the bar.
        tine_ratio: frequency of the tine's modulator against the pitch.
        decay_seconds: time constant of the tone at middle C.
    """
    time = np.arange(max(int(seconds * sample_rate), 1)) / sample_rate
    keyed = float(np.clip((261.6 / frequency_hz) ** 0.5, 0.4, 1.8))
    cycle = 2.0 * np.pi * frequency_hz * time
    index = bark * velocity**1.3 * keyed
    bar = np.sin(cycle + index * np.exp(-time / (0.35 * decay_seconds * keyed)) * np.sin(cycle))
    ratio = min(tine_ratio, max(np.floor(0.3 * sample_rate / frequency_hz), 1.0))
    strike = np.exp(-time / 0.3) * np.sin(cycle + 1.6 * velocity * np.exp(-time / 0.15) * np.sin(ratio * cycle))
    tone = np.exp(-time / (decay_seconds * keyed)) * bar + tine_level * velocity * strike
    return tone * (1.0 - np.exp(-time / 0.0015)) * (0.25 + 0.75 * velocity)
