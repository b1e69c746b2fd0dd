"""How artificial rooms are built: delay lines in a network, parallel combs, fading noise.

A line of ``m`` samples in a loop decays by 60 dB in ``T`` seconds when its gain is ``10^(-3 m / (T rate))``; a one-pole
low-pass beside it shortens that for high frequencies (J.-M. Jot, A. Chaigne, "Digital delay networks for designing
artificial reverberators", AES 90, 1991). The combs with all-passes behind go back to M. R. Schroeder, "Natural sounding
artificial reverberation", JAES 10(3), 1962; sparse noise of +1 and -1 to M. Karjalainen, H. Jarvelainen, "Reverberation
modeling using velvet noise", AES 30th conference, 2007.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
from scipy.signal import butter

from fxlens.dsp.fast.cascade import cascade_coefficients, cascade_in_place
from fxlens.dsp.kernels import compiled
from fxlens.effects.room_bank import DAMPED_FROM_HZ, DAMPED_MOST_HZ

_MATCHED_HZ = 6_000.0
"""Where the low-passes of the lines meet the decay that damping asks for."""

_LINES = 8
_BAND_EDGES_HZ = (500.0, 2_000.0, 5_000.0)
_BAND_CENTRES_HZ = (250.0, 1_000.0, 3_200.0, 8_000.0)
_BAND_ORDER = 4
_PULSES_PER_SECOND = 2_500


def damped_seconds(decay_seconds: float, damping: float, frequency_hz: float) -> float:
    """Decay at a frequency, as :mod:`fxlens.effects.room_bank` declares it, without a room's own character."""
    position = math.log(frequency_hz / DAMPED_FROM_HZ) / math.log(DAMPED_MOST_HZ / DAMPED_FROM_HZ)
    return float(decay_seconds * 10.0 ** (-damping * min(max(position, 0.0), 1.0)))


def network_room(
    rng: np.random.Generator, length: int, decay_seconds: float, damping: float, sample_rate: int
) -> np.ndarray:
    """Response ``float64 [2, length]`` of eight lines that feed back through a Householder reflection."""
    size = rng.uniform(0.7, 1.4)
    seconds = size * np.geomspace(0.019, 0.061, _LINES) * rng.uniform(0.95, 1.05, _LINES)
    lines = np.maximum(np.round(seconds * sample_rate), 2).astype(np.int64) | 1
    gains, poles = _loop_filters(lines, decay_seconds, damping, sample_rate)
    into, out = rng.choice((-1.0, 1.0), _LINES), rng.choice((-1.0, 1.0), (2, _LINES))
    response = np.empty((2, length))
    _run_network(lines, gains, poles, into, out, response)
    return response


def comb_room(
    rng: np.random.Generator, length: int, decay_seconds: float, damping: float, sample_rate: int
) -> np.ndarray:
    """Response ``float64 [2, length]`` of six parallel combs and three all-passes, other lengths on either side."""
    response = np.empty((2, length))
    size = rng.uniform(0.8, 1.3)
    for channel in range(2):
        seconds = size * np.linspace(0.026, 0.041, 6) * rng.uniform(0.96, 1.04, 6)
        lines = np.maximum(np.round(seconds * sample_rate), 2).astype(np.int64) | 1
        gains, poles = _loop_filters(lines, decay_seconds, damping, sample_rate)
        diffusers = np.maximum(np.round(rng.uniform(0.8, 1.2, 3) * (0.0126, 0.0051, 0.0019) * sample_rate), 1)
        _run_combs(lines, gains, poles, diffusers.astype(np.int64), 0.62, response[channel])
    return response


def sprinkled_room(
    rng: np.random.Generator, length: int, decay_seconds: float, damping: float, sample_rate: int
) -> np.ndarray:
    """Response ``float64 [2, length]``: sparse pulses in four bands, each with a decay of its own."""
    pulses = np.zeros((2, length), np.float32)
    grid = np.arange(0.0, length - 1.0, sample_rate / _PULSES_PER_SECOND)
    for channel in pulses:
        at = np.minimum(grid + rng.uniform(0.0, sample_rate / _PULSES_PER_SECOND, grid.size), length - 1).astype(int)
        channel[at] = rng.choice((-1.0, 1.0), grid.size)
    time = np.arange(length) / sample_rate
    total = np.zeros((2, length))
    edges = itertools.pairwise((0.0, *_BAND_EDGES_HZ, math.inf))
    for (low_hz, high_hz), centre_hz in zip(edges, _BAND_CENTRES_HZ, strict=True):
        if low_hz >= 0.4 * sample_rate:
            break
        band = pulses.copy()
        cascade_in_place(band, *cascade_coefficients(_band_filter(low_hz, high_hz, sample_rate)))
        seconds = damped_seconds(decay_seconds, damping, centre_hz)
        total += band * np.exp(-3.0 * math.log(10.0) / seconds * time)
    return total


@lru_cache(maxsize=16)
def _band_filter(low_hz: float, high_hz: float, sample_rate: int) -> np.ndarray:
    """Second-order sections of a band; zero and what is beyond the top are open ends."""
    if high_hz >= 0.45 * sample_rate:
        return np.asarray(butter(_BAND_ORDER, low_hz, "high", fs=sample_rate, output="sos"))
    if low_hz == 0.0:
        return np.asarray(butter(_BAND_ORDER, high_hz, fs=sample_rate, output="sos"))
    return np.asarray(butter(_BAND_ORDER, (low_hz, high_hz), "bandpass", fs=sample_rate, output="sos"))


def _loop_filters(
    lines: np.ndarray, decay_seconds: float, damping: float, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Gain and pole of each line's low-pass ``gain (1 - pole) / (1 - pole z^-1)``."""
    matched_hz = min(_MATCHED_HZ, 0.25 * sample_rate)
    top_seconds = damped_seconds(decay_seconds, damping, matched_hz)
    gains = 10.0 ** (-3.0 * lines / (decay_seconds * sample_rate))
    ratio = 10.0 ** (-6.0 * lines / sample_rate * (1.0 / top_seconds - 1.0 / decay_seconds))  # of powers
    # |(1 - p) / (1 - p e^-jw)|^2 = ratio, solved for p below 1.
    half = (1.0 - ratio * math.cos(2.0 * math.pi * matched_hz / sample_rate)) / np.maximum(1.0 - ratio, 1e-12)
    return gains, np.where(ratio > 1.0 - 1e-9, 0.0, half - np.sqrt(np.maximum(half * half - 1.0, 0.0)))


@compiled
def _run_network(
    lines: np.ndarray, gains: np.ndarray, poles: np.ndarray, into: np.ndarray, out: np.ndarray, response: np.ndarray
) -> None:
    """Impulse response of the network; ``out`` ``[2, L]``, ``response`` ``[2, T]``, written."""
    count = lines.size
    memory = np.zeros((count, lines.max()))
    at = np.zeros(count, np.int64)
    state, heard = np.zeros(count), np.zeros(count)
    for t in range(response.shape[1]):
        left = right = total = 0.0
        for k in range(count):
            state[k] = gains[k] * (1.0 - poles[k]) * memory[k, at[k]] + poles[k] * state[k]
            heard[k] = state[k]
            left += out[0, k] * heard[k]
            right += out[1, k] * heard[k]
            total += heard[k]
        response[0, t], response[1, t] = left, right
        reflected = 2.0 / count * total
        pulse = 1.0 if t == 0 else 0.0
        for k in range(count):
            memory[k, at[k]] = into[k] * pulse + heard[k] - reflected
            at[k] = at[k] + 1 if at[k] + 1 < lines[k] else 0


@compiled
def _run_combs(
    lines: np.ndarray, gains: np.ndarray, poles: np.ndarray, diffusers: np.ndarray, diffusion: float, out: np.ndarray
) -> None:
    """Impulse response of parallel combs, then all-passes in a row; ``out`` ``[T]``, written."""
    length = out.size
    out[:] = 0.0
    comb = np.empty(length)
    for k in range(lines.size):
        m, state = lines[k], 0.0
        sign = 1.0 if k % 2 == 0 else -1.0
        for t in range(length):
            back = comb[t - m] if t >= m else 0.0
            state = gains[k] * (1.0 - poles[k]) * back + poles[k] * state
            comb[t] = state + (1.0 if t == 0 else 0.0)
        for t in range(m, length):
            out[t] += sign * comb[t]
    for k in range(diffusers.size):
        m = diffusers[k]
        for t in range(length):
            comb[t] = out[t]
        for t in range(length):
            fed = comb[t - m] + diffusion * out[t - m] if t >= m else 0.0
            out[t] = fed - diffusion * comb[t]
