"""Where notes and strokes begin: peaks of the spectral flux.

The flux is the mean rise, in dB from frame to frame, of 40 bands a constant ratio apart (S. Dixon, "Onset detection
revisited", DAFx 2006; S. Boeck et al., "Evaluating the online capabilities of onset detection methods", ISMIR 2012,
for the conditions of a peak). It needs nothing beyond SciPy; librosa's detector, which brings scikit-learn, agrees
with it as ``docs/fxnorm.md`` states, and ``tests/fxnorm/test_onsets.py`` compares them where librosa is installed.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import get_window

from fxlens.fxnorm.short_time import SAMPLE_RATE, spectra

N_FFT, HOP = 2_048, 512

_TOGETHER = 256
_BANDS, _LOWEST_HZ, _HIGHEST_HZ = 40, 40.0, 16_000.0
_RANGE_DB = 80.0
_MOST_RISE_DB = 20.0  # an entry out of silence shall not dwarf all that follows
_AROUND_SECONDS, _APART_SECONDS = 0.1, 0.03
_ABOVE_MEAN = 0.07
_TINY = 1e-20


def _band_edges() -> np.ndarray:
    bins = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1) * N_FFT / SAMPLE_RATE
    return np.unique(np.round(bins).astype(np.int64))  # the lowest bands would be less than a bin wide


def flux(audio: np.ndarray) -> np.ndarray:
    """Measure the spectral flux.

    Args:
        audio: ``float32 [C, T]`` at 44.1 kHz.

    Returns:
        ``float64 [F]``, dB, a value every 512 samples; F = T / 512 rounded up, plus 1.
    """
    edges = _band_edges()
    window = get_window("hann", N_FFT).astype(np.float32)
    energies = []
    for block in spectra(audio, window, HOP, _TOGETHER):
        power = np.square(block.real) + np.square(block.imag)
        energies.append(np.add.reduceat(power[..., : edges[-1]].sum(0), edges[:-1], axis=-1))
    energy = np.concatenate(energies)
    floor = max(float(energy.max()), _TINY) * 10.0 ** (-_RANGE_DB / 10.0)
    level_db = 10.0 * np.log10(np.maximum(energy, floor))
    rise = np.clip(np.diff(level_db, axis=0, prepend=level_db[:1]), 0.0, _MOST_RISE_DB)
    return rise.mean(1)


def onsets(audio: np.ndarray) -> np.ndarray:
    """Find onsets.

    An onset is a maximum of the flux within 30 ms either way that stands 7 % of the flux's range above its mean over
    100 ms either way.

    Args:
        audio: ``float32 [C, T]`` at 44.1 kHz.

    Returns:
        Samples, ``int64 [N]``, ascending; empty where nothing begins.
    """
    strength = flux(audio)
    spread = float(strength.max() - strength.min())
    if spread <= 0.0:
        return np.zeros(0, np.int64)
    strength = (strength - strength.min()) / spread
    apart = round(_APART_SECONDS * SAMPLE_RATE / HOP)
    around = 2 * round(_AROUND_SECONDS * SAMPLE_RATE / HOP) + 1
    highest = maximum_filter1d(strength, 2 * apart + 1, mode="nearest")
    mean = uniform_filter1d(strength, around, mode="nearest")
    candidates = np.flatnonzero((strength == highest) & (strength >= mean + _ABOVE_MEAN))
    kept: list[int] = []
    for frame in candidates:
        if not kept or frame - kept[-1] > apart:
            kept.append(int(frame))
    return np.asarray(kept, np.int64) * HOP
