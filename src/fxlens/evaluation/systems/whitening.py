"""Within-class covariance normalisation: directions in which clips of one style differ are shrunk.

A. Hatch, S. Kajarekar and A. Stolcke, *Within-class covariance normalization for SVM-based speaker recognition*,
Interspeech 2006.
"""

from __future__ import annotations

import numpy as np


class WithinClassWhitening:
    """The strong simple baseline. Fitted on pairs of *training* songs; applied to any features.

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
        """``[N, D]`` -> ``[N, D]``."""
        return (features - self._mean) / self._spread @ self._whiten
