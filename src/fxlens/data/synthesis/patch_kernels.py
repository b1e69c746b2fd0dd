"""The synthesiser's two inner loops: a bank of table oscillators, and a filter that moves."""

from __future__ import annotations

import math

import numpy as np

from fxlens.dsp.kernels import compiled

BLOCK_SAMPLES = 32
"""Controls (pitch, cutoff, level) are given once a block and move linearly between."""


@compiled
def add_oscillators(
    out: np.ndarray,
    tables: np.ndarray,
    levels: np.ndarray,
    step: np.ndarray,
    width: np.ndarray,
    ratios: np.ndarray,
    phases: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    fm_ratio: float,
    fm_index: np.ndarray,
) -> None:
    """Add a bank of equal waves to ``out [2, T]``.

    Args:
        out: added to.
        tables: ``[levels, N + 1]``, one cycle each, the first sample repeated at the end.
        levels: ``[blocks]``, the table of every block.
        step: ``[blocks + 1]``, cycles a sample.
        width: ``[blocks + 1]``, offset of a second, subtracted reading in cycles; the first below 0 for none.
        ratios, phases: ``[voices]``, frequency against ``step`` and phase at the start, in cycles.
        left, right: ``[voices]``, gains.
        fm_ratio: frequency of the modulating sine against ``step``.
        fm_index: ``[blocks + 1]``, its index in cycles.
    """
    size = tables.shape[1] - 1
    paired = width[0] >= 0.0
    modulated = fm_index.max() > 0.0
    for voice in range(ratios.shape[0]):
        phase = phases[voice]
        modulator = 0.0
        for block in range(levels.shape[0]):
            table = tables[levels[block]]
            begin = block * 32
            end = min(begin + 32, out.shape[1])
            for sample in range(begin, end):
                part = (sample - begin) / 32.0
                pace = (step[block] + part * (step[block + 1] - step[block])) * ratios[voice]
                phase += pace
                phase -= math.floor(phase)
                at = phase
                if modulated:
                    modulator += pace * fm_ratio
                    modulator -= math.floor(modulator)
                    index = fm_index[block] + part * (fm_index[block + 1] - fm_index[block])
                    at += index * math.sin(2.0 * math.pi * modulator)
                    at -= math.floor(at)
                place = at * size
                whole = min(int(place), size - 1)
                value = table[whole] + (place - whole) * (table[whole + 1] - table[whole])
                if paired:
                    at += width[block] + part * (width[block + 1] - width[block])
                    at -= math.floor(at)
                    place = at * size
                    whole = min(int(place), size - 1)
                    value -= table[whole] + (place - whole) * (table[whole + 1] - table[whole])
                out[0, sample] += left[voice] * value
                out[1, sample] += right[voice] * value


@compiled
def filter_and_shape(
    audio: np.ndarray, tangent: np.ndarray, gain: np.ndarray, resonance: float, kind: int, twice: bool
) -> None:
    """Filter ``audio [2, T]`` in place by a state-variable filter and multiply by a gain, both moving.

    The trapezoidal form of the filter, which stays stable and in tune while its cutoff moves (Zavalishin, "The
    Art of VA Filter Design", 2012).

    Args:
        audio: changed in place.
        tangent: ``[blocks + 1]``, tan(pi cutoff / rate).
        gain: ``[blocks + 1]``, amplitude.
        resonance: Q.
        kind: 0 low-pass, 1 band-pass, 2 high-pass.
        twice: a second low-pass section of Q 0.6 after the first.
    """
    damping = 1.0 / resonance
    for channel in range(2):
        first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
        for block in range(gain.shape[0] - 1):
            begin = block * 32
            end = min(begin + 32, audio.shape[1])
            for sample in range(begin, end):
                part = (sample - begin) / 32.0
                g = tangent[block] + part * (tangent[block + 1] - tangent[block])
                x = audio[channel, sample]
                high = (x - (damping + g) * first - second) / (1.0 + g * (g + damping))
                band = g * high + first
                low = g * band + second
                first = g * high + band
                second = g * band + low
                y = low
                if kind == 1:
                    y = band * damping
                elif kind == 2:
                    y = high
                if twice:
                    high = (y - (1.6666 + g) * third - fourth) / (1.0 + g * (g + 1.6666))
                    band = g * high + third
                    y = g * band + fourth
                    third = g * high + band
                    fourth = g * band + y
                audio[channel, sample] = y * (gain[block] + part * (gain[block + 1] - gain[block]))
