"""What is said about a recording: which effects, how surely, how strong, with which settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from fxlens.describing import wording

Verdict: TypeAlias = Literal["yes", "likely", "not sure", "unlikely", "no"]

LEAST_PROBABILITY: tuple[tuple[float, Verdict], ...] = (
    (0.9, "yes"),
    (0.7, "likely"),
    (0.3, "not sure"),
    (0.1, "unlikely"),
    (0.0, "no"),
)
"""Least calibrated probability of each verdict."""


@dataclass(frozen=True)
class Setting:
    """One setting of an effect, as an interval.

    Args:
        name: with its unit as suffix, e.g. ``time_ms``.
        label: what an engineer calls it, e.g. ``"time"``.
        unit: of the three values: ``"ms"``, ``"dB"``, ``"s"``, or ``""`` for a share of 1.
        value: the middle guess: as often too high as too low.
        low: lower end of the interval.
        high: upper end.
        coverage: share of settings that lie in such an interval.
    """

    name: str
    label: str
    unit: str
    value: float
    low: float
    high: float
    coverage: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "label": self.label,
            "unit": self.unit,
            "value": round(self.value, 4),
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "coverage": self.coverage,
        }


@dataclass(frozen=True)
class Finding:
    """What is known of one type of effect.

    Args:
        effect: name of the processor, see :data:`fxlens.effects.registry.PROCESSORS`.
        probability: that it can be heard, calibrated on songs the heads were not trained on.
        verdict: the probability in words; ``"not sure"`` also where the heads are known to know nothing.
        strength: 0-1, its place among such effects in the material, from the least to the most heard; None where
            nothing is known, or there is nothing to be strong.
        settings: those of which something is known, none where the effect is not at least likely.
    """

    effect: str
    probability: float
    verdict: Verdict
    strength: float | None = None
    settings: tuple[Setting, ...] = ()

    def sentence(self) -> str:
        """One line, e.g. ``"delay: likely, 110–140 ms, wet about 30 %"``."""
        return wording.sentence(self.effect, self.verdict, self.strength, self.settings)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "effect": self.effect,
            "probability": round(self.probability, 4),
            "verdict": self.verdict,
            "strength": None if self.strength is None else round(self.strength, 4),
            "settings": [setting.as_dict() for setting in self.settings],
            "sentence": self.sentence(),
        }


@dataclass(frozen=True)
class Description:
    """The effects on a recording, or on one instrument in it.

    Args:
        query: the instrument that was asked for; None for the whole.
        findings: one for each type of effect, the most probable first.
        times: ``[W]`` seconds at which the windows begin; silent windows are left out.
        probabilities: ``[W, effects]``, calibrated, by window.
        effects: names of its columns.
        ends: ``[W]`` seconds at which the windows end.
        model: id of the model that listened.
        source: the file, or ``"array"``.
    """

    query: str | None
    findings: tuple[Finding, ...]
    times: np.ndarray
    probabilities: np.ndarray
    effects: tuple[str, ...]
    ends: np.ndarray = field(default_factory=lambda: np.zeros(0))
    model: str = ""
    source: str = "array"

    def finding(self, effect: str) -> Finding:
        """The finding on one type of effect.

        Raises:
            KeyError: nothing is said about such an effect.
        """
        for finding in self.findings:
            if finding.effect == effect:
                return finding
        raise KeyError(effect)

    def sentences(self) -> list[str]:
        """One line for each finding, the most probable first."""
        return [finding.sentence() for finding in self.findings]

    @property
    def text(self) -> str:
        """All sentences, a line each."""
        return "\n".join(self.sentences())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "source": self.source,
            "query": self.query,
            "model": self.model,
            "findings": [finding.as_dict() for finding in self.findings],
            "effects": list(self.effects),
            "times": [round(float(t), 3) for t in self.times],
            "ends": [round(float(t), 3) for t in self.ends],
            "probabilities": [[round(float(p), 4) for p in row] for row in self.probabilities],
        }


def verdict_of(probability: float) -> Verdict:
    """Put a calibrated probability into words."""
    return next(verdict for least, verdict in LEAST_PROBABILITY if probability >= least)
