"""Loudness normalisation that a gradient can pass: the level of a result must not be what is optimised.

A model that is given every clip at one loudness cannot hear a gain. If the gain that brings a result to that loudness
were held constant in the backward pass, louder results would still seem better or worse. So the gain is part of the
computation. The measure is that of :mod:`fxlens.audio.loudness` (BS.1770-4), its K-weighting applied by FFT; which
blocks pass the gates is decided anew at every call and has no gradient.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from fxlens.audio.loudness import ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU, k_weighting, normalize_loudness

_OFFSET_LU = -0.691  # BS.1770-4 eq. 2
_TAIL_SECONDS = 0.5  # the K-weighting has decayed by more than 200 dB after this
_LOWEST = 1e-20


def at_loudness(audio: Tensor, sample_rate: int, target_lufs: float | Tensor, silence_lufs: float = -60.0) -> Tensor:
    """Bring every clip to a loudness, differentiable with respect to the audio.

    Where no gradient is asked for on the CPU, the compiled meter does it.

    Args:
        audio: ``[B, 2, T]``, float32 or float64.
        sample_rate: Hz.
        target_lufs: one number, or ``[B]``.
        silence_lufs: what is quieter stays as it is.

    Returns:
        ``[B, 2, T]``; clips that are not finite stay so, and the others do not notice.
    """
    gradient = torch.is_grad_enabled() and audio.requires_grad
    if not gradient and audio.device.type == "cpu" and bool(torch.isfinite(audio).all()):
        wanted = target_lufs.numpy() if isinstance(target_lufs, Tensor) else target_lufs
        return torch.from_numpy(normalize_loudness(audio.detach().numpy(), sample_rate, wanted, silence_lufs)[0])
    loudness = loudness_lufs(audio, sample_rate)
    target = torch.as_tensor(target_lufs, dtype=loudness.dtype, device=loudness.device)
    gain_db = torch.where(loudness >= silence_lufs, target - loudness, torch.zeros_like(loudness))
    return audio * (10.0 ** (gain_db / 20.0)).to(audio.dtype)[:, None, None]


def loudness_lufs(audio: Tensor, sample_rate: int) -> Tensor:
    """Integrated loudness, differentiable.

    Args:
        audio: ``[B, C, T]``, float32 or float64.
        sample_rate: Hz.

    Returns:
        ``float64 [B]`` LUFS; silence is about -200 instead of minus infinity. A clip below 400 ms is one block that
        passes no gate.
    """
    frames = audio.shape[-1]
    energy = _weighted(audio, sample_rate).double().square().sum(dim=1)
    count = int(frames * 10 / sample_rate)
    if count < 4:
        return _lufs(energy.mean(dim=-1))
    bounds = torch.round(torch.arange(count + 1, dtype=torch.float64) * (sample_rate / 10)).long().clamp(max=frames)
    sums = torch.cat([torch.zeros_like(energy[:, :1]), energy.cumsum(dim=-1)], dim=-1)[:, bounds.to(audio.device)]
    lengths = (bounds[4:] - bounds[:-4]).to(audio.device)
    blocks = (sums[:, 4:] - sums[:, :-4]).clamp(min=0.0) / lengths
    heard = _lufs(blocks.detach())
    passed = heard > ABSOLUTE_GATE_LUFS
    passed &= heard > (_lufs(_gated_mean(blocks.detach(), passed)) + RELATIVE_GATE_LU)[:, None]
    return _lufs(_gated_mean(blocks, passed))


def _weighted(audio: Tensor, sample_rate: int) -> Tensor:
    size = next_fast_len(audio.shape[-1] + round(_TAIL_SECONDS * sample_rate), real=True)
    spectrum = torch.fft.rfft(audio, size)
    response = torch.from_numpy(_response(sample_rate, size)).to(spectrum)
    return torch.fft.irfft(spectrum * response, size)[..., : audio.shape[-1]]


@lru_cache(maxsize=4)
def _response(sample_rate: int, size: int) -> np.ndarray:
    """``complex128 [size // 2 + 1]``: the K-weighting at the bins of a real FFT."""
    delay = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    return np.prod(
        [np.polyval(s[2::-1], delay) / np.polyval(s[:2:-1], delay) for s in k_weighting(sample_rate)], axis=0
    )


def _lufs(mean_square: Tensor) -> Tensor:
    return _OFFSET_LU + 10.0 * torch.log10(mean_square.clamp(min=_LOWEST))


def _gated_mean(blocks: Tensor, passed: Tensor) -> Tensor:
    return torch.where(passed, blocks, torch.zeros_like(blocks)).sum(-1) / passed.sum(-1).clamp(min=1)
