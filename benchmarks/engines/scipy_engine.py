"""Effects written down with NumPy and SciPy: other filters, an RMS compressor, look-ahead, oversampling, combs.

* Equaliser: ``1 + (g - 1) B`` with a band-pass or a first-order low- or high-pass ``B`` of SciPy's; cuts are the
  inverse of boosts (P. A. Regalia, S. K. Mitra, "Tunable digital frequency response equalization filters", IEEE Trans.
  ASSP 35(1), 1987). Shelves know no Q.
* Compressor: mean power over 20 ms, hard knee, attack and release in decibels on a grid of 32 samples.
* Limiter: looks 3 ms ahead and never lets a peak pass.
* Distortion: an arc tangent at four times the rate.
* Delay: echoes read between samples by straight lines.
* Reverb: four combs and two all-passes with the times of M. R. Schroeder, "Natural sounding artificial reverberation",
  JAES 10(3), 1962, once for what lies below 3 kHz and once, decaying faster by the damping, for what lies above.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import butter, fftconvolve, iirpeak, lfilter, resample_poly, sosfilt, sosfiltfilt

from engines.engine import Engine, Values, calibrated, with_room
from fxlens.effects.equalizer import BANDS
from fxlens.effects.export.saturation import steepness

_GRID = 32
_MEAN_MS = 20.0
_LOOK_AHEAD_MS = 3.0
_OVERSAMPLING = 4
_COMBS_MS = (29.7, 37.1, 41.1, 43.7)
_ALL_PASSES_MS = (5.0, 1.7)
_DIFFUSION = 0.7
_SPREAD_MS = 0.52
_DAMPED_FROM_HZ = 3_000.0
_FLOOR_DB = -160.0
_WIDEST = 1.0 / 0.9  # least Q of a peak at the Nyquist frequency


class ScipyEngine(Engine):
    """See the module."""

    name = "scipy"

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return str(scipy.__version__)

    def equalizer(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        out = clip.astype(np.float64)
        for name, kind, *_ in BANDS:
            gain = 10.0 ** (v[f"{name}_gain_db"] / 20.0)
            cutoff = min(v[f"{name}_cutoff_hz"], 0.47 * sample_rate)
            if kind == "peak":
                # Half of the gain in decibels where fxlens has half of it: the band-pass alone would be wider. And no
                # band reaches the Nyquist frequency on both of its sides: iirpeak makes unstable filters of such.
                q = v[f"{name}_q"] * math.sqrt(max(gain, 1.0 / gain))
                b, a = iirpeak(cutoff, max(q, _WIDEST * cutoff / (0.5 * sample_rate)), fs=sample_rate)
            else:
                b, a = butter(1, cutoff, "low" if kind == "low_shelf" else "high", fs=sample_rate)
            boost = max(gain, 1.0 / gain)
            above, below = a + (boost - 1.0) * b, a
            out = lfilter(above, below, out) if gain >= 1.0 else lfilter(below, above, out)
        return out

    def distortion(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        k = steepness(v["drive_db"])
        if k == 0.0:
            return clip

        def bend(level: np.ndarray) -> np.ndarray:
            pushed = k * resample_poly(level, _OVERSAMPLING, 1, axis=1) + v["bias"]
            soft = 2.0 / math.pi * np.arctan(0.5 * math.pi * pushed)
            bent = (1.0 - v["hardness"]) * soft + v["hardness"] * np.clip(pushed, -1.0, 1.0)
            bent = resample_poly(bent, 1, _OVERSAMPLING, axis=1)
            return bent - bent.mean(axis=1, keepdims=True)

        return calibrated(clip, bend)

    def compressor(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        gain_db = _gain_db(clip, sample_rate, v, "") + v["makeup_db"]
        return clip * 10.0 ** (gain_db / 20.0)

    def multiband_compressor(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        low, below_high = (
            sosfiltfilt(butter(2, v[f"{name}_crossover_hz"], fs=sample_rate, output="sos"), clip, axis=1)
            for name in ("low", "high")
        )
        bands = {"low": low, "mid": below_high - low, "high": clip - below_high}
        wet = sum(band * 10.0 ** (_gain_db(band, sample_rate, v, f"{name}_") / 20.0) for name, band in bands.items())
        return (1.0 - v["mix"]) * clip + v["mix"] * wet

    def limiter(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        threshold = 10.0 ** (v["threshold_db"] / 20.0)
        wanted = np.minimum(1.0, threshold / np.maximum(np.abs(clip).max(axis=0), 1e-9))
        reach = max(1, round(_LOOK_AHEAD_MS * 1e-3 * sample_rate))
        held = minimum_filter1d(wanted, 2 * reach + 1)
        taken_db = _smoothed(20.0 * np.log10(held), sample_rate, 0.0, v["release_ms"])
        # The mean over the reach still lies below what each peak in it wants: the minimum was held twice as long.
        return clip * uniform_filter1d(np.minimum(held, 10.0 ** (taken_db / 20.0)), reach)

    def delay(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        if v["wet"] == 0.0:
            return clip
        length = clip.shape[1]
        step, echoes, level = 1e-3 * v["time_ms"] * sample_rate, np.zeros(clip.shape), 1.0
        for number in range(1, 64):
            whole = math.floor(number * step)
            if whole + 1 >= length or level < 1e-4:
                break
            part = number * step - whole
            echoes[:, whole:] += level * (1.0 - part) * clip[:, : length - whole]
            echoes[:, whole + 1 :] += level * part * clip[:, : length - whole - 1]
            level *= v["feedback"]
        return (1.0 - v["wet"]) * clip + v["wet"] * echoes

    def reverb(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        if v["wet"] == 0.0:
            return clip
        room = _room(v["decay_seconds"], v["damping"], round(1e-3 * v["predelay_ms"] * sample_rate), sample_rate)
        wet = np.stack([fftconvolve(x, h)[: clip.shape[1]] for x, h in zip(clip, room, strict=True)])
        return with_room(clip, wet, v["wet"])


def _gain_db(clip: np.ndarray, sample_rate: int, v: Values, band: str) -> np.ndarray:
    """What a compressor and, where there is one, an expander take: ``[T]``, decibels, the louder channel deciding."""
    kept = math.exp(-1000.0 / (_MEAN_MS * sample_rate))
    power = lfilter([1.0 - kept], [1.0, -kept], np.square(clip, dtype=np.float64).max(axis=0))
    level_db = np.maximum(10.0 * np.log10(2.0 * power + 1e-30), _FLOOR_DB)  # a sine's peak, not its mean
    slope = 1.0 - 1.0 / v[f"{band}ratio"]
    taken = -slope * np.maximum(level_db - v[f"{band}threshold_db"], 0.0)
    if f"{band}expander_ratio" in v:
        steep = 1.0 / max(v[f"{band}expander_ratio"], 0.01) - 1.0
        taken += steep * np.minimum(level_db - v[f"{band}expander_threshold_db"], 0.0)
    return _smoothed(taken, sample_rate, v[f"{band}attack_ms"], v[f"{band}release_ms"])


def _smoothed(gain_db: np.ndarray, sample_rate: int, attack_ms: float, release_ms: float) -> np.ndarray:
    """Fall with the attack, rise with the release, on a coarse grid; between its points by straight lines."""
    coarse = np.minimum.reduceat(gain_db, np.arange(0, gain_db.size, _GRID))
    down, up = (math.exp(-1000.0 * _GRID / (max(ms, 1e-3) * sample_rate)) for ms in (attack_ms, release_ms))
    state, smooth = 0.0, np.empty(coarse.size)
    for index, wanted in enumerate(coarse.tolist()):
        kept = down if wanted < state else up
        state = wanted + kept * (state - wanted)
        smooth[index] = state
    return np.interp(np.arange(gain_db.size), _GRID * np.arange(coarse.size) + 0.5 * _GRID, smooth)


@lru_cache(maxsize=4)
def _room(decay_seconds: float, damping: float, predelay_samples: int, sample_rate: int) -> np.ndarray:
    """Impulse response ``float64 [2, N]``."""
    length = math.ceil(min(1.1 * decay_seconds, 6.0) * sample_rate)
    low = butter(2, _DAMPED_FROM_HZ, fs=sample_rate, output="sos")
    channels = []
    for spread_ms in (0.0, _SPREAD_MS):
        slow = _combs(decay_seconds, length, spread_ms, sample_rate)
        quick = _combs(decay_seconds * 10.0**-damping, length, spread_ms, sample_rate)
        response = sosfilt(low, slow - quick) + quick
        for milliseconds in _ALL_PASSES_MS:
            taps = round(milliseconds * 1e-3 * sample_rate)
            b, a = np.zeros(taps + 1), np.zeros(taps + 1)
            b[0], b[-1], a[0], a[-1] = -_DIFFUSION, 1.0, 1.0, -_DIFFUSION
            response = lfilter(b, a, response)
        channels.append(response)
    return np.pad(np.stack(channels), ((0, 0), (predelay_samples, 0)))


def _combs(decay_seconds: float, length: int, spread_ms: float, sample_rate: int) -> np.ndarray:
    out = np.zeros(length)
    for milliseconds in _COMBS_MS:
        step = round((milliseconds + spread_ms) * 1e-3 * sample_rate)
        at = np.arange(step, length, step)
        out[at] += 10.0 ** (-3.0 * at / (decay_seconds * sample_rate))
    return out
