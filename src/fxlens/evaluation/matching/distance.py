"""L_d: the multi-resolution STFT distance between the result of a matching and its target.

For every resolution, spectral convergence plus the mean difference of log magnitudes; the mean over the resolutions
(R. Yamamoto, E. Song, J.-M. Kim, "Parallel WaveGAN", ICASSP 2020), as PyPI ``auraloss`` has it with its default
resolutions: FFTs of 1024, 2048 and 512 samples, hops of 120, 240 and 50, windows of 600, 1200 and 240.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fxlens.audio.loudness_gradient import at_loudness
from fxlens.errors import MissingExtraError

COMPARED_LUFS = -18.0
"""Loudness of both clips where they are compared at equal loudness."""


def stft_distances(results: Tensor, targets: Tensor) -> Tensor:
    """L_d of every pair, differentiable with respect to ``results``.

    Args:
        results: ``[N, 2, T]``.
        targets: ``[N, 2, T]``.

    Returns:
        ``[N]``, no unit; 0 for equal clips.

    Raises:
        MissingExtraError: ``auraloss`` is not installed.
    """
    loss = _loss(str(results.device))
    pairs = zip(results.split(1), targets.split(1), strict=True)  # it averages over what it is given
    return torch.stack([loss(result, target) for result, target in pairs])


def distances_at_equal_loudness(results: Tensor, targets: Tensor, sample_rate: int) -> Tensor:
    """:func:`stft_distances` of both sides at ``COMPARED_LUFS``; differentiable with respect to ``results``."""
    return stft_distances(
        at_loudness(results, sample_rate, COMPARED_LUFS), at_loudness(targets, sample_rate, COMPARED_LUFS)
    )


def distances(result: np.ndarray, target: np.ndarray, sample_rate: int) -> dict[str, float]:
    """Measure one result: ``L_d`` at equal loudness, and ``L_d as rendered``, levels included.

    Args:
        result: ``float32 [2, T]``.
        target: ``float32 [2, T]``.
        sample_rate: Hz.
    """
    pair = torch.from_numpy(np.stack([result, target]))
    with torch.no_grad():
        level = distances_at_equal_loudness(pair[:1], pair[1:], sample_rate)
        return {"L_d": float(level), "L_d as rendered": float(stft_distances(pair[:1], pair[1:]))}


@lru_cache(maxsize=2)
def _loss(device: str) -> Any:
    try:
        from auraloss.freq import MultiResolutionSTFTLoss
    except ImportError:
        raise MissingExtraError("Measuring L_d", "evaluate") from None
    return MultiResolutionSTFTLoss().to(device)
