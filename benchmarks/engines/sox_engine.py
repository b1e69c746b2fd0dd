"""SoX, run as a program: its biquads, compand and mcompand, overdrive, echo and Freeverb.

Between its effects SoX keeps 32-bit integers that clip at full scale. So a clip goes in 30 dB lower, thresholds with
it, and comes back 30 dB higher.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from functools import lru_cache

import numpy as np

from engines.engine import Engine, Values, calibrated, with_room
from fxlens.effects.equalizer import BANDS
from fxlens.effects.export.saturation import steepness

_HEADROOM_DB = -30.0
_LIMITING_RATIO = 1000.0
_MOST_ECHOES = 7
_QUIETEST_ECHO = 1e-3
_COMB_SECONDS = 0.031
_LEAST_FEEDBACK, _MOST_FEEDBACK = 0.3, 0.98  # of Freeverb in SoX at a reverberance of 0 and of 100 percent


class SoxEngine(Engine):
    """See the module."""

    name = "sox"

    def missing(self) -> str | None:
        return None if shutil.which("sox") else "apt-get install sox"

    def version(self) -> str:
        return _sox_version()

    def equalizer(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        words: list[str] = []
        for name, kind, *_ in BANDS:
            gain = v[f"{name}_gain_db"]
            if gain == 0.0:
                continue
            cutoff, q = _text(min(v[f"{name}_cutoff_hz"], 0.49 * sample_rate)), f"{v[f'{name}_q']:.4f}q"
            if kind == "peak":
                words += ["equalizer", cutoff, q, _text(gain)]
            else:
                words += ["bass" if kind == "low_shelf" else "treble", _text(gain), cutoff, q]
        return _run(clip, sample_rate, words)

    def distortion(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        """overdrive: a cubic that clips, and half of the input beside it; at a quarter of the level that is little."""
        k = steepness(v["drive_db"])
        if k == 0.0:
            return clip
        quieter = 0.25
        drive_db = min(max(20.0 * math.log10(k / quieter), 0.0), 100.0)
        words = ["overdrive", _text(drive_db), _text(200.0 * v["bias"])]
        return calibrated(clip, lambda level: _run(level * np.float32(quieter), sample_rate, words, 0.0))

    def compressor(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        curve = _curve(v["threshold_db"], v["ratio"], knee_db=v["knee_db"])
        out = _run(clip, sample_rate, ["compand", _times(v["attack_ms"], v["release_ms"]), curve])
        return out * np.float32(10.0 ** (v["makeup_db"] / 20.0))

    def multiband_compressor(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        """mcompand; what is mixed in beside it are its own bands, left alone, for they turn the phase."""
        changed: list[str] = ["mcompand"]
        plain: list[str] = ["mcompand"]
        for name in ("low", "mid", "high"):
            times = _times(v[f"{name}_attack_ms"], v[f"{name}_release_ms"])
            expander = v[f"{name}_expander_threshold_db"], v[f"{name}_expander_ratio"]
            changed.append(f"{times} {_curve(v[f'{name}_threshold_db'], v[f'{name}_ratio'], expander)}")
            plain.append(f"{times} -60,-60,0,0")
            if name != "high":
                crossover = _text(v[f"{'low' if name == 'low' else 'high'}_crossover_hz"])
                changed.append(crossover)
                plain.append(crossover)
        wet, dry = _run(clip, sample_rate, changed), _run(clip, sample_rate, plain)
        return dry + np.float32(v["mix"]) * (wet - dry)

    def limiter(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        words = ["compand", _times(v["attack_ms"], v["release_ms"]), _curve(v["threshold_db"], _LIMITING_RATIO)]
        return _run(clip, sample_rate, words)

    def stereo_imager(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        same, other = 0.5 * (1.0 + v["width"]), 0.5 * (1.0 - v["width"])
        left, right = f"1v{same:.6f},2v{other:.6f}", f"2v{same:.6f},1v{other:.6f}"
        return _run(clip, sample_rate, ["remix", "-m", left, right])

    def gain(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        return _run(clip, sample_rate, ["gain", _text(v["gain_db"])])

    def delay(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        """echo: each of its taps is stated; it has seven."""
        if v["wet"] == 0.0:
            return clip
        words: list[str] = []
        for number in range(_MOST_ECHOES):
            level = v["wet"] * v["feedback"] ** number
            if number and level < _QUIETEST_ECHO:
                break
            words += [_text((number + 1) * v["time_ms"]), _text(level)]
        return _run(clip, sample_rate, ["echo", _text(1.0 - v["wet"]), "1", *words])

    def reverb(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        if v["wet"] == 0.0:
            return clip
        words = ["reverb", "-w", _text(_reverberance(v["decay_seconds"])), _text(100.0 * v["damping"]), "100", "100"]
        room = _run(clip, sample_rate, [*words, _text(v["predelay_ms"]), "0"])
        return with_room(clip, room, v["wet"])


def _text(value: float) -> str:
    return f"{value:.6f}"


def _times(attack_ms: float, release_ms: float) -> str:
    return f"{1e-3 * attack_ms:.6f},{1e-3 * release_ms:.6f}"


def _curve(threshold_db: float, ratio: float, expander: tuple[float, float] = (0.0, 1.0), knee_db: float = 0.0) -> str:
    """Points of a transfer curve, in decibels below SoX's full scale."""
    points: list[tuple[float, float]] = []
    below_db, expander_ratio = expander
    if expander_ratio < 1.0:
        points += [(below_db - 30.0, below_db - min(30.0 / max(expander_ratio, 0.01), 90.0)), (below_db, below_db)]
    points.append((threshold_db, threshold_db))
    points.append((-_HEADROOM_DB, threshold_db + (-_HEADROOM_DB - threshold_db) / ratio))
    told = [f"{x + _HEADROOM_DB:.4f},{y + _HEADROOM_DB:.4f}" for x, y in points]
    return f"{max(knee_db, 0.01):.3f}:{','.join(told)}"


def _reverberance(decay_seconds: float) -> float:
    """Percent that give Freeverb's combs this decay: ``1 - feedback`` falls exponentially with the percentage."""
    feedback = 10.0 ** (-3.0 * _COMB_SECONDS / decay_seconds)
    feedback = min(max(feedback, _LEAST_FEEDBACK), _MOST_FEEDBACK)
    least, most = math.log(1.0 - _LEAST_FEEDBACK), math.log(1.0 - _MOST_FEEDBACK)
    return 100.0 * (math.log(1.0 - feedback) - least) / (most - least)


def _run(clip: np.ndarray, sample_rate: int, words: list[str], headroom_db: float = _HEADROOM_DB) -> np.ndarray:
    """Send a clip through SoX; a failure is told with what SoX said."""
    if not words:
        return clip
    scale = np.float32(10.0 ** (headroom_db / 20.0))
    form = ["-t", "f32", "-r", str(sample_rate), "-c", "2", "-"]
    command = ["sox", "-V1", "-D", *form, "-t", "f32", "-", *words]
    sent = np.ascontiguousarray((clip * scale).T, dtype="<f4").tobytes()
    done = subprocess.run(command, input=sent, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return np.frombuffer(done.stdout, dtype="<f4").reshape(-1, 2).T / scale


@lru_cache(maxsize=1)
def _sox_version() -> str:
    said = subprocess.run(["sox", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split("v")[-1].strip()
