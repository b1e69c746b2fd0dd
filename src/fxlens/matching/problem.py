"""What is optimised: the settings of a chain for every item of a batch, and how good they are.

Nothing here lets one item of a batch hear of another. An item whose effects or whose loss break down gets the loss
NaN; the others do not notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fxlens.audio.loudness_gradient import at_loudness
from fxlens.effects.chain import EffectChain
from fxlens.effects.processor import Range
from fxlens.effects.rendering import render_chains
from fxlens.errors import AudioChannelsError, AudioNotFiniteError, UsageError
from fxlens.matching.chain_parts import free_settings

Centre = Literal["own", "middle"]

Objective: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Rows of wet clips ``[R, W, 2, T]`` and the item each row belongs to, ``[R]``, to losses ``[R]``."""


@dataclass(frozen=True)
class Problem:
    """A batch of dry clips, the chain to be set for each, and the loss.

    Args:
        chain: its effects are what there is to set; its settings are one of the start points, and those that are
            locked keep their values.
        dry: ``[B, W, 2, T]``: W excerpts of each item share one chain. At the loudness at which the chain is to work.
        sample_rate: Hz.
        objective: the loss.
        locks: settings that are held, see :func:`fxlens.matching.chain_parts.free_settings`.
        ranges: what the unit range stands for.
        pull: how strongly settings are drawn to a centre: what is added to the loss of a row whose settings are as far
            from it as random ones are from the middle. It decides what the loss cannot hear, and keeps a search from
            fitting what the reference's music, not its effects, did to the embedding.
        centre: ``"own"`` the chain's own settings, so that nothing moves without need; ``"middle"`` of all ranges.

    Raises:
        AudioChannelsError: ``dry`` has another shape.
        UsageError: a lock that holds nothing, or nothing is left to move.
    """

    chain: EffectChain
    dry: Tensor
    sample_rate: int
    objective: Objective
    locks: tuple[str, ...] = ()
    ranges: Range = "default"
    pull: float = 0.0
    centre: Centre = "own"
    free: Tensor = field(init=False)
    """``bool [P]``: which settings may move."""

    def __post_init__(self) -> None:
        if self.dry.ndim != 4 or self.dry.shape[2] != 2 or 0 in self.dry.shape:
            raise AudioChannelsError("dry audio", f"it must be [B, W, 2, T], not {list(self.dry.shape)}")
        free = torch.tensor(free_settings(self.chain, self.locks, self.ranges), device=self.dry.device)
        object.__setattr__(self, "free", free)

    def __len__(self) -> int:
        return len(self.dry)

    @cached_property
    def own(self) -> Tensor:
        """The chain's own settings, ``float64 [P]``; beyond 0-1 where a neutral value lies outside the range."""
        return self.chain.unit(self.ranges).double().to(self.dry.device)

    def unit(self, logits: Tensor) -> Tensor:
        """Logits ``[R, P]`` to settings in 0-1, ``[R, P]``; what is locked keeps its value."""
        return torch.where(self.free, torch.sigmoid(logits), self.own)

    def pulled(self, unit: Tensor) -> Tensor:
        """What settings ``[R, P]`` cost for their distance from the centre, ``[R]``."""
        centre = self.own.clamp(0.0, 1.0) if self.centre == "own" else torch.full_like(self.own, 0.5)
        # A uniform setting has the variance 1/12.
        return self.pull * 12.0 * (unit - centre)[:, self.free].square().mean(dim=1)

    def losses(self, unit: Tensor, items: Tensor) -> Tensor:
        """Objective and pull of every row, differentiable with respect to ``unit``.

        Args:
            unit: ``[R, P]``.
            items: ``int64 [R]``, the item whose dry audio a row's settings process.

        Returns:
            ``[R]``; NaN for a row that an effect breaks.
        """
        count = self.dry.shape[1]
        try:
            audio = self.dry[items].flatten(0, 1)
            wet = self.chain.forward(audio, self.sample_rate, unit.repeat_interleave(count, dim=0), self.ranges)
        except AudioNotFiniteError:
            if len(items) == 1:
                return unit.new_full((1,), torch.nan)
            return torch.cat([self.losses(unit[i : i + 1], items[i : i + 1]).to(unit) for i in range(len(items))])
        return self.objective(wet.unflatten(0, (len(items), count)), items) + self.pulled(unit)

    @torch.no_grad()
    def values(self, unit: Tensor, items: Tensor) -> Tensor:
        """:meth:`losses` without a gradient; on the CPU by the effects' fast forms, four times as fast.

        Returns:
            ``float64 [R]``; infinite where a loss is not finite.
        """
        if self.dry.device.type != "cpu" or self.dry.dtype != torch.float32:
            losses = self.losses(unit, items)
        else:
            losses = self._fast(unit, items)
        return torch.where(losses.isfinite(), losses, torch.inf).double()

    def chain_at(self, unit: Tensor) -> EffectChain:
        """The chain with the settings ``[P]``."""
        return self.chain.with_unit(unit, self.ranges)

    def _fast(self, unit: Tensor, items: Tensor) -> Tensor:
        count = self.dry.shape[1]
        chains = [chain for row in unit for chain in [self.chain_at(row)] * count]
        audio = self.dry[items].flatten(0, 1).numpy()
        try:
            wet = torch.from_numpy(render_chains(chains, np.ascontiguousarray(audio), self.sample_rate))
        except AudioNotFiniteError:
            if len(items) == 1:
                return unit.new_full((1,), torch.nan)
            return torch.cat([self._fast(unit[i : i + 1], items[i : i + 1]).to(unit) for i in range(len(items))])
        return self.objective(wet.unflatten(0, (len(items), count)), items) + self.pulled(unit)


class EmbeddingObjective:
    """How far the embeddings of wet clips are from those they shall meet: ``1 - cosine``.

    Args:
        embed: clips ``[N, 2, T]`` at the problem's sample rate to embeddings ``[N, D]``, with gradients; rows must not
            depend on one another.
        target: ``[B, D]``, one for each item.
        sample_rate: Hz.
        level_lufs: loudness every clip is brought to before it is embedded; one number, ``[B]``, or ``None`` to embed
            it as it is.

    Raises:
        UsageError: ``target`` is not finite, or not ``[B, D]``.
    """

    def __init__(
        self,
        embed: Callable[[Tensor], Tensor],
        target: Tensor,
        sample_rate: int,
        level_lufs: float | Tensor | None = -18.0,
    ) -> None:
        if target.ndim != 2 or not bool(torch.isfinite(target).all()):
            raise UsageError(f"the embeddings to meet must be finite and [B, D], not {list(target.shape)}")
        self.embed, self.sample_rate, self.level_lufs = embed, sample_rate, level_lufs
        self.target = F.normalize(target.detach(), dim=1)

    def __call__(self, wet: Tensor, items: Tensor) -> Tensor:
        rows, count = wet.shape[:2]
        clips = wet.flatten(0, 1)
        if self.level_lufs is not None:
            level = self.level_lufs
            if isinstance(level, Tensor):
                level = level[items].repeat_interleave(count)
            clips = at_loudness(clips, self.sample_rate, level)
        # Excerpts are pooled as an encoder pools windows: the mean, back at unit length.
        mean = self.embed(clips).unflatten(0, (rows, count)).mean(dim=1)
        return 1.0 - F.cosine_similarity(mean, self.target[items].to(mean), dim=1)
