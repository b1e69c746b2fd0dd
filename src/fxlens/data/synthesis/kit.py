"""A drum kit made of swept sines, resonating metal and noise: each kit is drawn, then strokes are placed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.signal import butter, sosfilt

from fxlens.data.synthesis.drumming import Hit
from fxlens.data.synthesis.voices import place

_LAYERS = 2
_VARIANTS = 3
# Level of a full stroke against the kick, decibels.
_LEVELS_DB = {
    "kick": 0.0, "snare": -1.0, "ghost": -3.0, "closed_hat": -10.0, "open_hat": -10.0, "ride": -13.0,
    "crash": -9.0, "high_tom": -3.0, "mid_tom": -3.0, "low_tom": -2.0,
}  # fmt: skip


class Kit:
    """One drum kit at one sample rate; every attribute of its sound is drawn from ``rng`` at the start."""

    def __init__(self, sample_rate: int, rng: np.random.Generator) -> None:
        self.sample_rate, self.rng = sample_rate, rng
        self.kick_hz, self.kick_sweep = rng.uniform(43.0, 62.0), rng.uniform(2.0, 6.0)
        self.kick_decay, self.kick_click = rng.uniform(0.08, 0.28), rng.uniform(0.1, 0.6)
        self.snare_hz, self.snare_decay = rng.uniform(150.0, 240.0), rng.uniform(0.05, 0.14)
        self.wires, self.wires_decay = rng.uniform(0.5, 1.4), rng.uniform(0.06, 0.18)
        self.wires_hz = rng.uniform(900.0, 2500.0)
        self.clap = bool(rng.random() < 0.2)
        self.hat_hz, self.hat_decay = rng.uniform(4500.0, 7500.0), rng.uniform(0.018, 0.05)
        self.open_decay, self.crash_decay = rng.uniform(0.12, 0.35), rng.uniform(0.5, 1.2)
        self.metal = rng.uniform(0.3, 0.8)
        # Plates ring at many unrelated frequencies; each cymbal keeps its own set from stroke to stroke.
        self.modes = {name: np.exp(rng.uniform(np.log(low), np.log(15000.0), 36)) for name, low in
                      (("hat", 3500.0), ("ride", 700.0), ("crash", 500.0))}  # fmt: skip
        tom = rng.uniform(80.0, 105.0)
        self.tom_hz = {
            "low_tom": tom,
            "mid_tom": tom * rng.uniform(1.25, 1.4),
            "high_tom": tom * rng.uniform(1.6, 1.9),
        }
        side = float(rng.choice([-1.0, 1.0]))  # the drummer's or the listener's view
        self.pan = {
            "kick": 0.0, "snare": 0.05 * side, "ghost": 0.05 * side, "closed_hat": 0.3 * side,
            "open_hat": 0.3 * side, "ride": -0.4 * side, "crash": 0.25 * side,
            "high_tom": 0.3 * side, "mid_tom": 0.0, "low_tom": -0.4 * side,
        }  # fmt: skip
        self.level = {name: 10.0 ** ((db + rng.normal(0.0, 1.2)) / 20.0) for name, db in _LEVELS_DB.items()}

    def _time(self, seconds: float) -> np.ndarray:
        return np.arange(int(seconds * self.sample_rate)) / self.sample_rate

    def _band(self, audio: np.ndarray, low_hz: float | None, high_hz: float | None) -> np.ndarray:
        """Second-order band limits; an upper one beyond the Nyquist frequency is left out."""
        rate = self.sample_rate
        if high_hz is not None and high_hz < 0.45 * rate:
            audio = sosfilt(butter(2, high_hz, "lowpass", fs=rate, output="sos"), audio)
        if low_hz is not None:
            audio = sosfilt(butter(2, min(low_hz, 0.4 * rate), "highpass", fs=rate, output="sos"), audio)
        return audio

    def _noise(self, seconds: float) -> np.ndarray:
        return self.rng.standard_normal(int(seconds * self.sample_rate))

    def kick(self, velocity: float) -> np.ndarray:
        """A sine that falls to its pitch within a few hundredths of a second, and the click of the beater."""
        time = self._time(0.7)
        sweep = self.kick_sweep * (0.6 + 0.4 * velocity)
        # Integral of f0 (1 + sweep exp(-t / 0.025)).
        turns = self.kick_hz * (time + sweep * 0.025 * (1.0 - np.exp(-time / 0.025)))
        tone = np.sin(2.0 * np.pi * turns) * np.exp(-time / self.kick_decay) * (1.0 - np.exp(-time / 0.001))
        click = self._band(self._noise(0.7) * np.exp(-time / 0.003), 800.0, 3000.0 + 5000.0 * velocity)
        return tone + self.kick_click * velocity * click

    def snare(self, velocity: float) -> np.ndarray:
        """Two modes of the head under the noise of the wires; some kits have a clap instead."""
        time = self._time(0.5)
        noise = self._noise(0.5)
        if self.clap:
            bursts = sum((time >= at) * np.exp(-np.maximum(time - at, 0.0) / 0.006) for at in (0.0, 0.011, 0.022))
            tail = (time >= 0.03) * np.exp(-np.maximum(time - 0.03, 0.0) / self.wires_decay)
            return 1.3 * self._band(noise * (bursts + 0.7 * tail), 700.0, 3500.0 + 3000.0 * velocity)
        bend = self.snare_hz * (time + 0.25 * 0.01 * (1.0 - np.exp(-time / 0.01)))
        head = np.sin(2.0 * np.pi * bend) + 0.5 * np.sin(2.0 * np.pi * 1.73 * bend)
        head *= np.exp(-time / self.snare_decay)
        wires = self._band(noise, self.wires_hz, 5000.0 + 7000.0 * velocity)
        return 0.7 * head + self.wires * wires * np.exp(-time / self.wires_decay)

    def ghost(self, velocity: float) -> np.ndarray:
        """A soft stroke of the same drum, darker."""
        return self._band(self.snare(0.5 * velocity), None, 4000.0)

    def _metal(self, name: str, seconds: float, decay: float, low_hz: float, velocity: float) -> np.ndarray:
        time = self._time(seconds)
        modes = self.modes[name][self.modes[name] < 0.45 * self.sample_rate]
        # Higher modes die sooner; the phases differ from stroke to stroke.
        rate = (1.0 + (modes / 9000.0)) / (1.6 * decay)
        phases = self.rng.uniform(0.0, 2.0 * np.pi, len(modes))
        ring = np.zeros(len(time), dtype=np.float32)
        turns = time.astype(np.float32) * np.float32(2.0 * np.pi)
        for mode, fall, phase in zip(modes, rate, phases, strict=True):
            ring += np.sin(turns * np.float32(mode) + np.float32(phase)) * np.exp(-time * fall).astype(np.float32)
        ring /= np.sqrt(max(len(modes), 1))
        hiss = self._noise(seconds) * np.exp(-time / (0.8 * decay))
        mixed = self.metal * ring + (1.0 - self.metal) * hiss
        return self._band(mixed, low_hz, 9000.0 + 9000.0 * velocity)

    def closed_hat(self, velocity: float) -> np.ndarray:
        return self._metal("hat", 0.25, self.hat_decay, self.hat_hz, velocity)

    def open_hat(self, velocity: float) -> np.ndarray:
        return self._metal("hat", 1.2, self.open_decay, 0.9 * self.hat_hz, velocity)

    def ride(self, velocity: float) -> np.ndarray:
        ping = np.exp(-self._time(1.2) / 0.02) * self._noise(1.2)
        return self._metal("ride", 1.2, 0.35, 1500.0, velocity) + 0.5 * self._band(ping, 3500.0, None)

    def crash(self, velocity: float) -> np.ndarray:
        swell = 1.0 - np.exp(-self._time(3.0) / 0.004)
        return self._metal("crash", 3.0, self.crash_decay, 500.0, velocity) * swell

    def tom(self, name: str, velocity: float) -> np.ndarray:
        """A head whose pitch falls a little after the stroke, with a second, inharmonic mode."""
        time = self._time(0.8)
        turns = self.tom_hz[name] * (time + 0.5 * 0.04 * (1.0 - np.exp(-time / 0.04)))
        tone = np.sin(2.0 * np.pi * turns) * np.exp(-time / 0.2)
        tone += 0.35 * np.sin(2.0 * np.pi * 1.59 * turns) * np.exp(-time / 0.07)
        stick = self._band(self._noise(0.8) * np.exp(-time / 0.006), 400.0, 2000.0 + 4000.0 * velocity)
        return tone + 0.4 * velocity * stick

    def stroke(self, piece: str, velocity: float) -> np.ndarray:
        """One stroke on ``piece`` at its level in the kit, faded out at its end."""
        if piece.endswith("_tom"):
            sound = self.tom(piece, velocity)
        else:
            players: dict[str, Callable[[float], np.ndarray]] = {
                "kick": self.kick, "snare": self.snare, "ghost": self.ghost, "closed_hat": self.closed_hat,
                "open_hat": self.open_hat, "ride": self.ride, "crash": self.crash,
            }  # fmt: skip
            sound = players[piece](velocity)
        fade = len(sound) // 5
        sound[-fade:] *= np.linspace(1.0, 0.0, fade)
        return self.level[piece] * sound


def render_drums(hits: Sequence[Hit], samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Place every stroke of ``hits`` (sorted by time); a closed hat chokes the open one before it.

    Returns:
        Shape ``[2, samples]``, level arbitrary.
    """
    kit = Kit(sample_rate, rng)
    strokes: dict[tuple[str, int, int], np.ndarray] = {}
    out = np.zeros((2, samples))
    hat_starts = [hit.start_seconds for hit in hits if hit.piece in ("closed_hat", "open_hat")]
    for number, hit in enumerate(hits):
        layer = min(int(hit.velocity * _LAYERS), _LAYERS - 1)
        variants = 1 if hit.piece in ("crash", "ride") else _VARIANTS
        key = hit.piece, layer, number % variants
        if key not in strokes:
            strokes[key] = kit.stroke(hit.piece, (layer + 0.6) / _LAYERS)
        sound = strokes[key] * hit.velocity**1.4
        if hit.piece == "open_hat":
            after = int(np.searchsorted(hat_starts, hit.start_seconds, side="right"))
            if after < len(hat_starts):
                hold = int((hat_starts[after] - hit.start_seconds) * sample_rate)
                late = np.maximum(np.arange(len(sound)) - hold, 0)
                sound *= np.exp(-late / (0.01 * sample_rate))
        place(out, int(hit.start_seconds * sample_rate), sound, kit.pan[hit.piece])
    return out
