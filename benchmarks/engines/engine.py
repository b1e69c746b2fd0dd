"""What a foreign engine is: the nearest setting of its own effects for every effect of a chain.

Parameters are those of :mod:`fxlens.effects`, in their units. An engine is asked to come near, not to agree: the same
threshold, time, ratio or centre frequency where it has one, whatever its detector, filter or curve makes of it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import numpy as np

from fxlens.effects.chain import EffectChain
from fxlens.effects.distortion import CALIBRATION_RMS

Values = Mapping[str, float]
_SILENT = 1e-9


class Engine(ABC):
    """An engine; every method takes ``float32 [2, T]``, a rate in Hz and the effect's values, and returns a new clip.

    Attributes:
        name: for tables and seeds.
    """

    name: str

    @abstractmethod
    def missing(self) -> str | None:
        """Why the engine cannot be used here; ``None`` if it can."""

    @abstractmethod
    def version(self) -> str:
        """Version of the program or library, for the identity of what it renders."""

    def apply(self, chain: EffectChain, audio: np.ndarray, sample_rate: int) -> np.ndarray:
        """Apply a chain, effect by effect; the length stays."""
        clip = np.array(audio, dtype=np.float32)
        for effect in chain.effects:
            if effect.enabled:
                make: Callable[..., np.ndarray] = getattr(self, effect.type)
                out = np.asarray(make(clip, sample_rate, effect.parameters), dtype=np.float32)
                clip = np.ascontiguousarray(fitted(out, clip.shape[1]))
        return clip

    @abstractmethod
    def equalizer(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray: ...

    @abstractmethod
    def distortion(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray: ...

    @abstractmethod
    def compressor(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray: ...

    @abstractmethod
    def multiband_compressor(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray: ...

    @abstractmethod
    def limiter(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray: ...

    @abstractmethod
    def delay(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray: ...

    @abstractmethod
    def reverb(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray: ...

    def gain(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        """A factor is a factor in every engine."""
        return clip * np.float32(10.0 ** (v["gain_db"] / 20.0))

    def stereo_imager(self, clip: np.ndarray, sample_rate: int, v: Values) -> np.ndarray:
        """Mid and side: of the three, SoX only has a mixer that can do it."""
        mid, side = 0.5 * (clip[0] + clip[1]), 0.5 * (clip[0] - clip[1])
        return np.stack([mid + v["width"] * side, mid - v["width"] * side])


def fitted(clip: np.ndarray, samples: int) -> np.ndarray:
    """Cut, or fill up with silence, to a length."""
    return np.pad(clip[:, :samples], ((0, 0), (0, max(0, samples - clip.shape[1]))))


def rms(clip: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(clip, dtype=np.float64))))


def calibrated(clip: np.ndarray, bend: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Bend a clip at the level at which fxlens' distortion meets it, and give it back its own level."""
    own = rms(clip)
    if own < _SILENT:
        return clip
    bent = bend(clip * np.float32(CALIBRATION_RMS / own))
    return bent * np.float32(own / max(rms(bent), _SILENT))


def with_room(clip: np.ndarray, room: np.ndarray, wet: float) -> np.ndarray:
    """Mix a clip with its reverberation, which is as loud as the clip: every engine has another unit for that."""
    level = rms(clip) / max(rms(room), _SILENT)
    return np.float32(1.0 - wet) * clip + np.float32(wet * level) * fitted(room, clip.shape[1])
