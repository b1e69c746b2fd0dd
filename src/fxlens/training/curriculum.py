"""What changes while training goes on: the weight of the instrument loss, the learning rate, the effects drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping


def instrument_weight(step: int, ramp_steps: int, final: float) -> float:
    """Weight of the instrument loss at a step: 0 at first, linearly up to ``final`` after ``ramp_steps``.

    The mixture loss weighs ``1 -`` this (requirement 5): instrument gradients mean little before whole mixtures can
    be told apart.
    """
    return final * min(1.0, step / ramp_steps) if ramp_steps > 0 else final


def learning_rate_factor(step: int, warmup_steps: int, total_steps: int, final: float = 0.01) -> float:
    """Factor on the base rate: linear warm-up, then half a cosine down to ``final`` at ``total_steps``."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))


class FxProbabilitySchedule:
    """Effects that are already told apart easily are drawn less often (requirement 12; Koo et al., ICASSP 2023).

    Keeps an exponential moving average of the validation loss measured with each effect alone and maps it linearly
    to probabilities: the easiest effect gets ``lowest``, the hardest ``highest``. Equal losses give ``highest`` to all.

    Args:
        smoothing: share of the old average that stays at an update.
        lowest: probability of the effect with the smallest loss.
        highest: probability of the effect with the largest loss.
    """

    def __init__(self, smoothing: float = 0.7, lowest: float = 0.1, highest: float = 1.0) -> None:
        self.smoothing, self.lowest, self.highest = smoothing, lowest, highest
        self.average: dict[str, float] = {}

    def update(self, losses: Mapping[str, float]) -> dict[str, float]:
        """Take in one validation; returns the new probabilities. Losses that are not finite are passed over."""
        for effect, loss in losses.items():
            if math.isfinite(loss):
                old = self.average.get(effect, loss)
                self.average[effect] = self.smoothing * old + (1.0 - self.smoothing) * loss
        return self.probabilities()

    def probabilities(self) -> dict[str, float]:
        if not self.average:
            return {}
        easiest, hardest = min(self.average.values()), max(self.average.values())
        if hardest - easiest < 1e-9:
            return dict.fromkeys(self.average, self.highest)
        scale = (self.highest - self.lowest) / (hardest - easiest)
        return {e: self.lowest + scale * (loss - easiest) for e, loss in self.average.items()}
