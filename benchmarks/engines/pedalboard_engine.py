"""pedalboard (JUCE's effects): biquads, a compressor without link, an expander as gate, a feedback line, Freeverb.

Its time constants are 2 pi times shorter than stated, so they are stated that much longer. It has no crossovers that
add up again; bands are made by its first-order filters, two in a row, which as Linkwitz-Riley pairs sum to an
all-pass.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from engines.engine import Engine, Values, calibrated, with_room
from fxlens.dsp.filters import HIGHEST_CUTOFF
from fxlens.effects.equalizer import BANDS
from fxlens.effects.export.saturation import steepness

_TIME = 2.0 * math.pi
_COMB_SECONDS = 0.031
_QUIET = 1e-4


class PedalboardEngine(Engine):
    """See the module."""

    name = "pedalboard"

    def missing(self) -> str | None:
        try:
            version("pedalboard")
        except PackageNotFoundError:
            return "pip install pedalboard"
        return None

    def version(self) -> str:
        return version("pedalboard")

    def equalizer(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        import pedalboard

        makes = {
            "low_shelf": pedalboard.LowShelfFilter,
            "peak": pedalboard.PeakFilter,
            "high_shelf": pedalboard.HighShelfFilter,
        }
        filters = [
            makes[kind](
                cutoff_frequency_hz=min(v[f"{name}_cutoff_hz"], HIGHEST_CUTOFF * sample_rate),
                gain_db=v[f"{name}_gain_db"],
                q=v[f"{name}_q"],
            )
            for name, kind, *_ in BANDS
            if v[f"{name}_gain_db"] != 0.0
        ]
        return _run(filters, clip, sample_rate)

    def distortion(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        """tanh, or a clip, by hardness; an offset before it stands for the bias, a high-pass after it takes DC away."""
        import pedalboard

        k = steepness(v["drive_db"])
        if k == 0.0:
            return clip
        drive_db = 20.0 * math.log10(k)

        def bend(level: np.ndarray) -> np.ndarray:
            pushed = level + np.float32(v["bias"] / k)
            soft = _run([pedalboard.Distortion(drive_db=drive_db)], pushed, sample_rate)
            hard = _run([pedalboard.Gain(drive_db), pedalboard.Clipping(threshold_db=0.0)], pushed, sample_rate)
            bent = np.float32(1.0 - v["hardness"]) * soft + np.float32(v["hardness"]) * hard
            return _run([pedalboard.HighpassFilter(10.0)], bent, sample_rate) if v["bias"] else bent

        return calibrated(clip, bend)

    def compressor(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        import pedalboard

        plugins = [_compressor(v["threshold_db"], v["ratio"], v["attack_ms"], v["release_ms"])]
        return _run([*plugins, pedalboard.Gain(v["makeup_db"])], clip, sample_rate)

    def multiband_compressor(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        import pedalboard

        low, rest = _halves(clip, v["low_crossover_hz"], sample_rate)
        mid, high = _halves(rest, v["high_crossover_hz"], sample_rate)
        low = sum(_halves(low, v["high_crossover_hz"], sample_rate))  # the turn of phase that the others have had
        dry, wet = low + mid + high, np.zeros_like(clip)
        for name, band in (("low", low), ("mid", mid), ("high", high)):
            gate = pedalboard.NoiseGate(
                threshold_db=v[f"{name}_expander_threshold_db"],
                ratio=1.0 / max(v[f"{name}_expander_ratio"], 0.01),
                attack_ms=_TIME * v[f"{name}_attack_ms"],
                release_ms=_TIME * v[f"{name}_release_ms"],
            )
            squeeze = _compressor(
                v[f"{name}_threshold_db"], v[f"{name}_ratio"], v[f"{name}_attack_ms"], v[f"{name}_release_ms"]
            )
            wet += _run([gate, squeeze], band, sample_rate)
        return dry + np.float32(v["mix"]) * (wet - dry)

    def limiter(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        """Its limiter raises what lies below the threshold, by a gain that a quiet tone tells; that is taken back."""
        import pedalboard

        settings = (v["threshold_db"], _TIME * v["release_ms"])
        limited = _run([pedalboard.Limiter(*settings)], clip, sample_rate)
        return limited / np.float32(_quiet_gain(*settings, sample_rate))

    def delay(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        import pedalboard

        if v["wet"] == 0.0:
            return clip
        seconds = (round(1e-3 * v["time_ms"] * sample_rate) + 0.5) / sample_rate  # it cuts fractions of a sample off
        return _run([pedalboard.Delay(seconds, v["feedback"], v["wet"])], clip, sample_rate)

    def reverb(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        """Freeverb: combs of 31 ms on average that repeat with a factor of 0.28 room_size + 0.7."""
        import pedalboard

        if v["wet"] == 0.0:
            return clip
        factor = 10.0 ** (-3.0 * _COMB_SECONDS / v["decay_seconds"])
        size = min(max((factor - 0.7) / 0.28, 0.0), 1.0)
        room = pedalboard.Reverb(room_size=size, damping=v["damping"], wet_level=1.0, dry_level=0.0, width=1.0)
        later = pedalboard.Delay(delay_seconds=(1e-3 * v["predelay_ms"]), feedback=0.0, mix=1.0)
        plugins = [room] if v["predelay_ms"] < 1.0 else [later, room]
        return with_room(clip, _run(plugins, clip, sample_rate), v["wet"])


def _run(plugins: list[Any], clip: np.ndarray, sample_rate: int) -> np.ndarray:
    import pedalboard

    board = pedalboard.Pedalboard(plugins)
    return board(np.ascontiguousarray(clip), sample_rate, buffer_size=clip.shape[1], reset=True) if plugins else clip


def _compressor(threshold_db: float, ratio: float, attack_ms: float, release_ms: float) -> Any:
    import pedalboard

    return pedalboard.Compressor(threshold_db, ratio, _TIME * attack_ms, _TIME * release_ms)


def _halves(clip: np.ndarray, crossover_hz: float, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Low and high, 12 dB an octave each, that sum to an all-pass."""
    import pedalboard

    low = _run([pedalboard.LowpassFilter(crossover_hz), pedalboard.LowpassFilter(crossover_hz)], clip, sample_rate)
    high = _run([pedalboard.HighpassFilter(crossover_hz), pedalboard.HighpassFilter(crossover_hz)], clip, sample_rate)
    return low, -high


@lru_cache(maxsize=64)
def _quiet_gain(threshold_db: float, release_ms: float, sample_rate: int) -> float:
    import pedalboard

    tone = _QUIET * np.sin(2.0 * np.pi * 1000.0 / sample_rate * np.arange(sample_rate // 4)).astype(np.float32)
    out = _run([pedalboard.Limiter(threshold_db, release_ms)], np.stack([tone, tone]), sample_rate)
    settled = tone.size // 2
    return float(np.abs(out[:, settled:]).max() / np.abs(tone[settled:]).max())
