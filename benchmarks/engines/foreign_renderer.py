"""Foreign engines as the renderer of a benchmark: one drawn for each style, or two different ones for its two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from engines.engine import Engine
from engines.pedalboard_engine import PedalboardEngine
from engines.scipy_engine import ScipyEngine
from engines.sox_engine import SoxEngine
from fxlens.effects.chain import EffectChain
from fxlens.evaluation.benchmark.renderer import Renderer

ENGINES: dict[str, type[Engine]] = {make.name: make for make in (PedalboardEngine, ScipyEngine, SoxEngine)}
REVISION = 1
"""Raised when an engine is translated in another way: what was rendered before counts no more."""


def present_engines() -> tuple[dict[str, str], dict[str, str]]:
    """Engines that are here with their versions, and those that are not with what would install them."""
    there, lacking = {}, {}
    for name, make in ENGINES.items():
        engine = make()
        reason = engine.missing()
        if reason is None:
            there[name] = engine.version()
        else:
            lacking[name] = reason
    return there, lacking


@dataclass(frozen=True)
class ForeignRenderer(Renderer):
    """Renders each style by an engine drawn for it.

    Args:
        engines: names of engines with their versions.
        differ: target and query of a style have different engines; otherwise the same.
    """

    engines: tuple[tuple[str, str], ...]
    differ: bool = False

    @property
    def identity(self) -> str:  # type: ignore[override]
        told = ", ".join(f"{name} {version}" for name, version in self.engines)
        return f"{'different' if self.differ else 'same'} of {told}; revision {REVISION}"

    def drawn(self, rng: np.random.Generator) -> tuple[str, str]:
        """Engines of query and target."""
        return draw_engines(rng, [name for name, _ in self.engines], self.differ)

    def render(
        self, chain: EffectChain, audio: np.ndarray, sample_rate: int, side: int, rng: np.random.Generator
    ) -> np.ndarray:
        return _engine(self.drawn(rng)[side]).apply(chain, audio, sample_rate)


def draw_engines(rng: np.random.Generator, names: Sequence[str], differ: bool) -> tuple[str, str]:
    """Draw the engines of a style; the query's does not depend on ``differ``."""
    first = int(rng.integers(len(names)))
    step = 1 + int(rng.integers(max(1, len(names) - 1)))
    second = (first + step) % len(names) if differ else first
    return names[first], names[second]


@cache
def _engine(name: str) -> Engine:
    return ENGINES[name]()
