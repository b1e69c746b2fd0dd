"""A network that hears clips, as a system: rates, windows, batches and gradients are settled here once for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.audio.waveform import TAIL_SHARE, check_rate
from fxlens.evaluation.systems.clips import check_clips, check_shape
from fxlens.evaluation.systems.differentiable_resampling import resample_tensor
from fxlens.evaluation.systems.system import DifferentiableSystem

Hear = Callable[[Tensor], Tensor]
"""``float32 [B, 2, T]`` at the network's own rate -> ``[B, D]``."""


class NetworkSystem(DifferentiableSystem):
    """Clips at any rate through one network; embeddings have unit length.

    A clip longer than the network's window is cut into windows, as :meth:`fxlens.FxEncoder.encode` does it, and its
    embedding is their mean, weighted by how much of the clip each one adds.

    Args:
        name: short, for tables.
        identity: name with a hash of the weights.
        licence: of the weights.
        network: its parameters are frozen and it is put on the device; ``network(audio)`` is not called.
        hear: what is called, e.g. ``network`` itself.
        sample_rate: Hz at which ``hear`` wants its audio.
        window_seconds: the longest clip it hears at once; ``None``: it has no limit.
        device: where it runs.
        batch_size: clips at a time in :meth:`embed`.
    """

    def __init__(
        self,
        name: str,
        identity: str,
        licence: str,
        network: nn.Module,
        hear: Hear,
        sample_rate: int,
        window_seconds: float | None = None,
        device: str | torch.device = "cpu",
        batch_size: int = 8,
    ) -> None:
        self.name, self.identity, self.licence = name, identity, licence
        self.device = torch.device(device)
        self.sample_rate, self.window_seconds, self.batch_size = sample_rate, window_seconds, batch_size
        self._network = network.to(self.device).eval().requires_grad_(False)
        self._hear = hear

    @final
    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        """See :meth:`System.embed`.

        Raises:
            AudioChannelsError, AudioEmptyError, AudioNotFiniteError: these are no clips.
            UsageError: an impossible sample rate.
        """
        clips = check_clips(clips, sample_rate)
        rows = []
        with torch.no_grad():
            for first in range(0, len(clips), self.batch_size):
                batch = torch.from_numpy(clips[first : first + self.batch_size])
                rows.append(self.embed_tensor(batch, sample_rate).cpu().numpy())
        return np.concatenate(rows)

    @final
    def embed_tensor(self, clips: Tensor, sample_rate: int) -> Tensor:
        """See :meth:`DifferentiableSystem.embed_tensor`.

        Raises:
            AudioChannelsError, AudioEmptyError: these are no clips.
            UsageError: a sample rate that cannot be reached with gradients.
        """
        return self.over_windows(clips, sample_rate, self._hear)

    @final
    def over_windows(self, clips: Tensor, sample_rate: int, hear: Hear) -> Tensor:
        """``[B, 2, T]`` -> ``[B, ..., D]`` of unit length: ``hear`` for every window, pooled by clip."""
        check_rate(sample_rate)
        check_shape(tuple(clips.shape))
        audio = resample_tensor(clips.to(self.device, torch.float32), sample_rate, self.sample_rate)
        total: Tensor | float = 0.0
        for start, stop, new in self._windows(audio.shape[-1]):
            total = total + new * F.normalize(hear(audio[..., start:stop]).float(), dim=-1)
        assert isinstance(total, Tensor)
        return F.normalize(total, dim=-1)

    def _windows(self, length: int) -> list[tuple[int, int, int]]:
        """(start, stop, samples that no window before it had)."""
        window = length if self.window_seconds is None else round(self.window_seconds * self.sample_rate)
        if length <= window:
            return [(0, length, length)]
        found = [(start, start + window, window) for start in range(0, length - window + 1, window)]
        left = length - found[-1][1]
        if left >= TAIL_SHARE * window:
            found.append((length - window, length, left))
        return found
