"""Systems that learn nothing, or next to nothing: what every model must beat."""

from __future__ import annotations

import numpy as np
import torch

from fxlens.models.frontend import FrontendConfig, LogMel


class HandMadeFeatures:
    """What an engineer would measure: levels of bands and their spread, crest, loudness range, width, correlation.

    140 numbers a clip: mean and spread over time of 32 mel bands of mid and of side, crest factor, spread and range
    of short-term level, correlation of the channels, share of the side. Standardised over the clips that are compared,
    because the numbers have different units. No training.
    """

    name = "hand-made features"

    def __init__(self, sample_rate: int = 44100) -> None:
        self._logmel = LogMel(
            FrontendConfig(
                sample_rate=sample_rate,
                hop_length=1024,
                n_mels=32,
                f_min_hz=30.0,
                f_max_hz=20000.0,
                channels="lrms",
            )
        )
        self.sample_rate = sample_rate

    def embed(self, audio: np.ndarray) -> np.ndarray:
        """``[B, 2, T]`` -> ``[B, 140]``."""
        x = torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32))
        with torch.no_grad():
            mel = self._logmel(x)[:, 2:]  # mid, side
        bands = torch.cat([mel.mean(3).flatten(1), mel.std(3).flatten(1)], dim=1).numpy()
        return np.concatenate([bands, np.stack([self._scalars(clip) for clip in audio])], axis=1)

    def _scalars(self, clip: np.ndarray) -> np.ndarray:
        mid, side = (clip[0] + clip[1]) / 2, (clip[0] - clip[1]) / 2
        frame = self.sample_rate // 20
        count = max(1, mid.shape[-1] // frame)
        power = np.mean((clip[:, : count * frame] ** 2).reshape(2, count, -1), axis=(0, 2)) + 1e-10
        level = 10 * np.log10(power)
        rms = np.sqrt(np.mean(clip**2)) + 1e-9
        q = np.percentile(level, [10, 50, 95])
        return np.array(
            [
                20 * np.log10(np.abs(clip).max() / rms + 1e-9),
                level.std(),
                q[2] - q[0],
                q[2] - q[1],
                np.abs(np.diff(level)).mean(),
                np.mean(np.abs(clip) > 0.9 * np.abs(clip).max()),
                float(np.sum(clip[0] * clip[1]) / (np.linalg.norm(clip[0]) * np.linalg.norm(clip[1]) + 1e-9)),
                10 * np.log10((np.mean(side**2) + 1e-10) / (np.mean(mid**2) + 1e-10)),
                np.mean(np.abs(np.diff(np.signbit(mid).astype(np.int8)))),
                float(np.mean(mid**4) / (np.mean(mid**2) ** 2 + 1e-12)),
                20 * np.log10(rms),
                float(np.mean(np.sign(mid) * mid**2) / (np.mean(mid**2) + 1e-12)),
            ]
        )

    @staticmethod
    def standardize(*sets: np.ndarray) -> list[np.ndarray]:
        """Bring all columns to zero mean and unit spread over all sets together."""
        everything = np.concatenate(sets)
        mean, spread = everything.mean(axis=0), everything.std(axis=0) + 1e-6
        return [(s - mean) / spread for s in sets]


class WithinClassWhitening:
    """Within-class covariance normalisation: directions in which clips of one style differ are shrunk.

    The strong simple baseline. Fitted on pairs of *training* songs; applied to any features.

    Args:
        first: ``[N, D]`` features of one view of each pair.
        second: ``[N, D]`` of the other.
        shrinkage: share of the identity mixed into the covariance.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray, shrinkage: float = 0.1) -> None:
        everything = np.concatenate([first, second])
        self._mean, self._spread = everything.mean(axis=0), everything.std(axis=0) + 1e-6
        difference = (first - second) / self._spread / np.sqrt(2.0)
        within = difference.T @ difference / len(difference)
        within = (1 - shrinkage) * within + shrinkage * np.trace(within) / len(within) * np.eye(len(within))
        self._whiten = np.linalg.inv(np.linalg.cholesky(within)).T

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return (features - self._mean) / self._spread @ self._whiten
