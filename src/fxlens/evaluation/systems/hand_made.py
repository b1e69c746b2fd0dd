"""Hand-made features: what an engineer would measure. Standardised, or whitened within styles."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch

from fxlens.errors import UsageError
from fxlens.evaluation.systems.clips import check_clips, clips_at
from fxlens.evaluation.systems.system import FittedSystem
from fxlens.evaluation.systems.whitening import WithinClassWhitening
from fxlens.models.frontend import FrontendConfig, LogMel

SAMPLE_RATE = 44100
FEATURES = 140
_FRONTEND = FrontendConfig(hop_length=1024, n_mels=32, f_min_hz=30.0, f_max_hz=20000.0, channels="lrms")
_FEWEST_PAIRS = 8
_LEVEL_FRAME = SAMPLE_RATE // 20

Transform = Callable[[np.ndarray], np.ndarray]


class HandMade(FittedSystem):
    """140 numbers a clip, brought to common units by what was seen in training songs.

    Mean and spread over time of 32 mel bands of mid and of side, crest factor, spread and range of short-term level,
    correlation of the channels, share of the side and the like.

    Args:
        name: for tables.
        learn: from the features of the pairs ``[N, 140]`` each, what turns features into embeddings.
    """

    licence = "Apache-2.0"

    def __init__(self, name: str, learn: Callable[[np.ndarray, np.ndarray], Transform]) -> None:
        self.name, self._learn = name, learn
        self._transform: Transform | None = None
        self._logmel = LogMel(_FRONTEND)
        self.identity = f"{name.replace(' ', '-')}-unfitted"

    def fit(self, first: np.ndarray, second: np.ndarray, sample_rate: int) -> None:
        """See :meth:`FittedSystem.fit`.

        Raises:
            UsageError: fewer than 8 pairs, or the two sides differ in number.
        """
        if len(first) != len(second) or len(first) < _FEWEST_PAIRS:
            raise UsageError(
                f"{self.name} is fitted on at least {_FEWEST_PAIRS} pairs, not {len(first)} and {len(second)} clips"
            )
        sides = self.features(first, sample_rate), self.features(second, sample_rate)
        self._transform = self._learn(*sides)
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(side).tobytes() for side in sides)).hexdigest()
        self.identity = f"{self.name.replace(' ', '-')}-{digest[:12]}"

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        """See :meth:`System.embed`; ``[B, 140]``.

        Raises:
            UsageError: it has not been fitted.
        """
        if self._transform is None:
            raise UsageError(f"{self.name} must be fitted on pairs of training songs before it can embed")
        return self._transform(self.features(clips, sample_rate)).astype(np.float32)

    def features(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        """``[B, 2, T]`` -> ``float64 [B, 140]`` in their own units: dB, ratios, shares."""
        clips = clips_at(check_clips(clips, sample_rate), sample_rate, SAMPLE_RATE)
        rows = []
        for clip in clips:  # one by one: the numbers do not depend on the batch, and memory stays small
            with torch.no_grad():
                bands = self._logmel(torch.from_numpy(clip[None]))[0, 2:]  # mid, side
            mean, spread = bands.mean(dim=-1).flatten(), bands.std(dim=-1, correction=0).flatten()
            rows.append(np.concatenate([mean.numpy(), spread.numpy(), _scalars(clip.astype(np.float64))]))
        return np.stack(rows).astype(np.float64)


def _scalars(clip: np.ndarray) -> np.ndarray:
    """Twelve numbers on level, dynamics, shape of the wave and width."""
    mid, side = (clip[0] + clip[1]) / 2, (clip[0] - clip[1]) / 2
    frame = min(_LEVEL_FRAME, clip.shape[-1])
    count = clip.shape[-1] // frame
    power = np.mean((clip[:, : count * frame] ** 2).reshape(2, count, -1), axis=(0, 2)) + 1e-10
    level_db = 10 * np.log10(power)
    peak, rms = np.abs(clip).max(), np.sqrt(np.mean(clip**2)) + 1e-9
    low, middle, high = np.percentile(level_db, [10, 50, 95])
    mid_power = np.mean(mid**2)
    return np.array(
        [
            20 * np.log10(peak / rms + 1e-9),
            level_db.std(),
            high - low,
            high - middle,
            np.abs(np.diff(level_db)).mean() if count > 1 else 0.0,
            np.mean(np.abs(clip) > 0.9 * peak),
            np.sum(clip[0] * clip[1]) / (np.linalg.norm(clip[0]) * np.linalg.norm(clip[1]) + 1e-9),
            10 * np.log10((np.mean(side**2) + 1e-10) / (mid_power + 1e-10)),
            np.mean(np.diff(np.signbit(mid).astype(np.int8)) != 0),
            np.mean(mid**4) / (mid_power**2 + 1e-12),
            20 * np.log10(rms),
            np.mean(np.sign(mid) * mid**2) / (mid_power + 1e-12),
        ]
    )


class Standardization:
    """Zero mean and unit spread of every column over all training clips.

    Args:
        first: ``[N, D]`` features.
        second: ``[N, D]`` features.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        everything = np.concatenate([first, second])
        self._mean, self._spread = everything.mean(axis=0), everything.std(axis=0) + 1e-6

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """``[N, D]`` -> ``[N, D]``."""
        return (features - self._mean) / self._spread


def open_hand_made(device: str) -> HandMade:
    """Standardised features; they run on the CPU whatever the device."""
    return HandMade("hand-made", Standardization)


def open_hand_made_wccn(device: str) -> HandMade:
    """Features after within-class covariance normalisation; they run on the CPU whatever the device."""
    return HandMade("hand-made WCCN", WithinClassWhitening)
