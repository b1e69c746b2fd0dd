"""Who applies the chains of a benchmark: fxlens, or another engine that stands in for it.

A benchmark whose chains another program has rendered asks whether a system hears effects, or only how we build them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from fxlens.effects.chain import EffectChain
from fxlens.effects.rendering import render_chains
from fxlens.errors import AudioNotFiniteError


class Renderer(ABC):
    """Another engine. Processes get it by pickling: it holds settings, no open files.

    Attributes:
        identity: changes whenever the samples would; the benchmark's cache and its results are named by it.
    """

    identity: str

    @abstractmethod
    def render(
        self, chain: EffectChain, audio: np.ndarray, sample_rate: int, side: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Apply a chain to one clip.

        Args:
            chain: what to apply.
            audio: ``float32 [2, T]``, not changed.
            sample_rate: Hz.
            side: 0 for the query, 1 for the target.
            rng: draws what is common to both sides of a style; each side gets one in the same state.

        Returns:
            ``float32 [2, T]``.
        """


def render_clip(
    renderer: Renderer | None,
    chain: EffectChain,
    audio: np.ndarray,
    sample_rate: int,
    side: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Apply a chain by an engine, by fxlens where it is ``None``; arguments as of :meth:`Renderer.render`.

    Raises:
        AudioNotFiniteError: an engine made samples that are not finite.
    """
    if renderer is None:
        return render_chains([chain], audio[None], sample_rate)[0]
    wet = renderer.render(chain, audio, sample_rate, side, rng)
    if not np.isfinite(wet).all():
        types = ", ".join(effect.type for effect in chain.effects)
        raise AudioNotFiniteError(renderer.identity, f"it made samples that are not finite of the chain {types}")
    return wet
