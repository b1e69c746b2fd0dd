"""How much of a clip an effect has changed: with it against without it, at equal loudness.

Whether an effect is there is a matter of what can be heard, not of what is switched on: a limiter that never reaches a
peak and a width that meets a mono voice change nothing. Both clips are brought to one loudness, since overall gain is
no effect here, and their log-mel spectra are compared.
"""

from __future__ import annotations

import numpy as np
import torch

from fxlens.audio.loudness import normalize_loudness
from fxlens.models.frontend import FrontendConfig, LogMel

COMPARED_LUFS = -18.0
LEAST_CHANGE_DB = 0.3
"""Mean change from which an effect counts as present. It is a mean over all of a clip, quiet moments and untouched
bands included; a limiter or a compressor that stays below it has moved what it acts on by a decibel or so."""
_RANGE_DB = 60.0
_LEAST_SHARE = 0.1


class Spectrogram:
    """Decibels of left, right, mid and side in mel bands, for comparing.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        n_fft = 2048 if sample_rate > 32000 else 1024
        self.config = FrontendConfig(
            sample_rate=sample_rate, n_fft=n_fft, hop_length=n_fft // 2, n_mels=64, f_min_hz=40.0,
            f_max_hz=min(18000.0, sample_rate / 2), channels="lrms", mel="htk", floor_db=-80.0, ceiling_db=60.0,
        )  # fmt: skip
        self._logmel = LogMel(self.config)

    def __call__(self, audio: np.ndarray) -> np.ndarray:
        """``float32 [2, T]`` to decibels ``[4, mel, frame]``, the clip being brought to one loudness first."""
        levelled, _ = normalize_loudness(audio, self.config.sample_rate, COMPARED_LUFS, silence_lufs=-90.0)
        with torch.no_grad():
            scaled = self._logmel(torch.from_numpy(np.asarray(levelled, dtype=np.float32))[None])[0].numpy()
        return (scaled + 1.0) * (0.5 * (self.config.ceiling_db - self.config.floor_db)) + self.config.floor_db


def change_db(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference of two spectrograms, of the channel in which it is largest.

    Places count where either is at most 60 dB below the loudest of all. A channel with few such places, as the side of
    a narrow clip, counts as if a tenth of all were: what is almost never there is hardly heard.

    Args:
        one: decibels ``[channel, mel, frame]``, of :class:`Spectrogram`.
        other: decibels, same shape.
    """
    floor = max(float(one.max()), float(other.max())) - _RANGE_DB
    difference = np.abs(np.maximum(one, floor) - np.maximum(other, floor))
    there = np.maximum(one, other) > floor
    places = np.maximum(there.sum(axis=(1, 2)), _LEAST_SHARE * there[0].size)
    return float((difference.sum(axis=(1, 2)) / places).max())
