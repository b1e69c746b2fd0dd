"""Single cycles of the synthesiser's waves, each in a ladder of tables with fewer and fewer harmonics."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fxlens.data.synthesis.patch import WAVES, Oscillator
from fxlens.data.synthesis.tones import pulse_harmonics, saw_harmonics
from fxlens.errors import UsageError

TABLE_SAMPLES = 4096
LEVELS_PER_OCTAVE = 2
MOST_HARMONICS = 512
_LEVELS = LEVELS_PER_OCTAVE * 9 + 1
_DRAWBAR_HARMONICS = (1, 2, 3, 4, 6, 8, 10, 12, 16)


def harmonics_of(wave: str, shape: float) -> np.ndarray:
    """Return complex amplitudes of harmonics 1 to 512 of a wave; ``shape`` as in :class:`Oscillator`.

    Raises:
        UsageError: there is no such wave.
    """
    order = np.arange(1, MOST_HARMONICS + 1)
    if wave == "saw":
        return saw_harmonics(MOST_HARMONICS)
    if wave == "pulse":
        return pulse_harmonics(0.05 + 0.45 * shape, MOST_HARMONICS)
    if wave == "triangle":
        return np.where(order % 2 == 1, 1.0 / order**2, 0.0) * (-1.0) ** ((order - 1) // 2) + 0j
    if wave == "sine":
        return np.where(order == 1, 1.0, 0.0) + 0j
    # The remaining three differ from shape to shape: a generator of their own, seeded by it.
    rng = np.random.default_rng(round(shape * 1e6))
    turn = np.exp(2j * np.pi * rng.random(MOST_HARMONICS))
    if wave == "drawbars":
        bars = np.zeros(MOST_HARMONICS)
        for harmonic in _DRAWBAR_HARMONICS:
            bars[harmonic - 1] = rng.random() ** 2 / harmonic**0.3
        bars[0] = max(bars[0], 0.3)
        return bars * turn
    if wave == "formant":
        centres = np.array([2.0 + 10.0 * shape, 6.0 + 24.0 * rng.random()])
        bumps = sum(np.exp(-0.5 * ((order - c) / (0.25 * c + 0.7)) ** 2) for c in centres)
        return (0.12 / order + bumps / np.sqrt(order)) * turn
    if wave == "metal":  # a few strong high harmonics over a falling rest, as of a digital wavetable
        strong = rng.random(MOST_HARMONICS) ** 6
        return (1.0 * (order == 1) + strong * 2.0 / order**0.8) * (order <= 64) * turn
    raise UsageError(f"{wave!r}: there is no such wave; choose one of {', '.join(WAVES)}")


@lru_cache(maxsize=64)
def wave_tables(wave: str, shape: float) -> np.ndarray:
    """Return ``float32 [levels, 4097]``: level L holds 512 / 2 ** (L / 2) harmonics, at a common power."""
    harmonics = harmonics_of(wave, shape)
    harmonics = harmonics / np.sqrt(np.sum(np.abs(harmonics) ** 2))
    tables = np.empty((_LEVELS, TABLE_SAMPLES + 1), dtype=np.float32)
    for level in range(_LEVELS):
        count = max(int(MOST_HARMONICS * 2.0 ** (-level / LEVELS_PER_OCTAVE)), 1)
        spectrum = np.zeros(TABLE_SAMPLES // 2 + 1, dtype=complex)
        spectrum[1 : count + 1] = harmonics[:count] * (TABLE_SAMPLES / 2)
        tables[level, :-1] = np.fft.irfft(spectrum, TABLE_SAMPLES)
    tables[:, -1] = tables[:, 0]
    return tables


def tables_of(oscillator: Oscillator) -> np.ndarray:
    """Return the tables that the oscillator reads: a pulse of moving width is made of two saws."""
    if oscillator.wave == "pulse" and oscillator.width_depth > 0.0:
        return wave_tables("saw", 0.0)
    return wave_tables(oscillator.wave, round(oscillator.shape, 6))


def table_level(frequency_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the level whose highest harmonic stays below 0.46 of the sample rate, ``int64`` as the input."""
    room = np.maximum(0.46 * sample_rate / np.maximum(frequency_hz, 1.0), 1.0)
    levels = np.ceil(LEVELS_PER_OCTAVE * np.log2(MOST_HARMONICS / np.minimum(room, MOST_HARMONICS)))
    return np.clip(levels, 0, _LEVELS - 1).astype(np.int64)
