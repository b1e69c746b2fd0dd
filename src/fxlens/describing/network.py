"""The heads: one small network for a reading, with outputs for every effect and every quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.describing.audible import LEAST_CHANGE_DB
from fxlens.describing.listening import Examples
from fxlens.describing.quantities import EFFECTS, QUANTITIES

QUANTILES = (0.1, 0.5, 0.9)
COVERAGE = QUANTILES[2] - QUANTILES[0]
ASKED = len(QUANTITIES) + len(EFFECTS)
"""Numbers that have an interval: the quantities, then the strengths."""
FARTHEST = 5.0
"""Standard deviations from the mean at which a number of a vector ends: one strange clip in a thousand would otherwise
say more of its effects than all others together, and calibration would follow it."""


@dataclass(frozen=True)
class Output:
    """What the heads say of N vectors.

    Args:
        logits: ``[N, effects]`` log-odds that an effect is there, before calibration.
        quantiles: ``[N, quantities + effects, 3]`` of each quantity and then of each strength, in the unit range,
            provided that the effect is there.
    """

    logits: Tensor
    quantiles: Tensor

    def numpy(self) -> tuple[np.ndarray, np.ndarray]:
        """Both as float64 arrays."""
        return self.logits.double().cpu().numpy(), self.quantiles.double().cpu().numpy()


class Heads(nn.Module):
    """Two hidden layers over standardised vectors, whose numbers end at :data:`FARTHEST`.

    Args:
        dim: length of a vector.
        hidden: width of the hidden layers.
        dropout: share of hidden units dropped in training; of the inputs, a third of it.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int, hidden: int = 124, dropout: float = 0.6) -> None:
        super().__init__()
        self.dim, self.hidden = dim, hidden
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.body = nn.Sequential(
            nn.Dropout(dropout / 3), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.GELU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.presence = nn.Linear(hidden, len(EFFECTS))
        self.middle = nn.Linear(hidden, ASKED)
        self.spread = nn.Linear(hidden, 2 * ASKED)
        nn.init.constant_(self.middle.bias, 0.5)
        nn.init.constant_(self.spread.bias, -1.0)

    def forward(self, vectors: Tensor) -> Output:
        """Judge vectors ``[N, dim]``."""
        x = self.body(((vectors - self.mean) * self.scale).clamp(-FARTHEST, FARTHEST))
        middle = self.middle(x)
        below, above = F.softplus(self.spread(x)).chunk(2, dim=1)
        return Output(self.presence(x), torch.stack([middle - below, middle, middle + above], dim=2))

    def standardise(self, vectors: np.ndarray) -> None:
        """Take mean and spread of ``vectors`` ``[N, dim]`` for those of all to come."""
        self.mean.copy_(torch.from_numpy(vectors.mean(axis=0)))
        self.scale.copy_(torch.from_numpy(1.0 / np.maximum(vectors.std(axis=0), 1e-4)))


@dataclass(frozen=True)
class Targets:
    """What the heads shall say.

    Args:
        present: ``float32 [N, effects]``, 1 where the effect can be heard.
        asked: ``float32 [N, quantities + effects]`` unit values, NaN where there is nothing to say.
    """

    present: np.ndarray
    asked: np.ndarray


class StrengthScale:
    """Change in decibels to strength: the share of audible effects of its type that change less.

    Args:
        change_db: for each effect the changes of the audible ones that set the scale, sorted.
    """

    def __init__(self, change_db: Sequence[np.ndarray]) -> None:
        self._sorted = tuple(np.asarray(column, dtype=np.float64) for column in change_db)

    @classmethod
    def of(cls, change_db: np.ndarray) -> StrengthScale:
        """The scale that examples ``[N, effects]`` set."""
        return cls([np.sort(column[column >= LEAST_CHANGE_DB]) for column in change_db.T])

    @classmethod
    def from_quantiles(cls, quantiles: Mapping[str, Sequence[float]]) -> StrengthScale:
        """The inverse of :meth:`quantiles`."""
        return cls([np.asarray(quantiles[effect]) for effect in EFFECTS])

    def quantiles(self) -> dict[str, list[float]]:
        """The scale by effect, in 20 equal steps of strength; empty where there was nothing to set it."""
        steps = np.linspace(0.0, 1.0, 21)
        return {
            effect: [round(float(v), 3) for v in np.quantile(column, steps)] if len(column) else []
            for effect, column in zip(EFFECTS, self._sorted, strict=True)
        }

    def __call__(self, change_db: np.ndarray) -> np.ndarray:
        """``[N, effects]`` to 0-1, NaN where the effect cannot be heard."""
        found = np.full(change_db.shape, np.nan, dtype=np.float32)
        for column, scale in enumerate(self._sorted):
            there = change_db[:, column] >= LEAST_CHANGE_DB
            if len(scale):
                place = np.linspace(0.0, 1.0, len(scale))
                found[there, column] = np.interp(change_db[there, column], scale, place)
        return found


def targets_of(examples: Examples, scale: StrengthScale) -> Targets:
    """Targets of examples; settings count where their effect can be heard."""
    present = examples.change_db >= LEAST_CHANGE_DB
    columns = [EFFECTS.index(q.effect) for q in QUANTITIES]
    values = np.where(present[:, columns], examples.values, np.nan)
    asked = np.concatenate([values, scale(examples.change_db)], axis=1)
    return Targets(present.astype(np.float32), asked.astype(np.float32))


def loss_of(output: Output, present: Tensor, asked: Tensor) -> Tensor:
    """Cross-entropy of presence, plus the pinball loss of whatever is asked and known (Koenker and Bassett, 1978)."""
    known = torch.isfinite(asked)
    wanted = torch.where(known, asked, torch.zeros_like(asked))
    pinball = torch.zeros(())
    for k, level in enumerate(QUANTILES):
        error = wanted - output.quantiles[..., k]
        one = torch.maximum(level * error, (level - 1.0) * error) * known
        pinball = pinball + (one.sum(dim=0) / known.sum(dim=0).clamp(min=1)).mean()
    return F.binary_cross_entropy_with_logits(output.logits, present) + 2.0 * pinball
