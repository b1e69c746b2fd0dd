"""Whole pools of audio through chains of effects: a chain for each item, items in threads, nothing wasted.

Every item goes through the effects that its own chain enables, in place and by their fast forms; kernels and
transforms release the GIL. Items share nothing but caches of responses, so neither the company an item is in nor
the number of threads changes a bit of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fxlens.audio.loudness import integrated_loudness
from fxlens.dsp.fast.mixing import is_finite, scale_in_place
from fxlens.effects.effect import Effect
from fxlens.effects.processor import in_threads, require_batch
from fxlens.errors import AudioNotFiniteError, UsageError

if TYPE_CHECKING:
    from fxlens.effects.chain import EffectChain

SILENCE_LUFS = -60.0
"""What is quieter than this is not normalised in loudness: it would become noise."""


def render_chains(
    chains: Sequence[EffectChain],
    audio: np.ndarray,
    sample_rate: int,
    threads: int = 1,
    target_lufs: float | None = None,
) -> np.ndarray:
    """Process every item with its own chain, without gradients; within 1e-4 of :meth:`EffectChain.apply`.

    Args:
        chains: one per item.
        audio: ``float32 [B, 2, T]``, not changed.
        sample_rate: Hz.
        threads: how many items at a time.
        target_lufs: integrated loudness (BS.1770) to bring the results to; results below -60 LUFS stay as they
            are. None leaves all levels alone. Peaks are not limited.

    Returns:
        ``float32 [B, 2, T]``, new.

    Raises:
        UsageError: not one chain per item, no threads, or a target that is not finite.
        AudioError: not ``float32 [B, 2, T]``, no samples, or samples that are not finite.
        AudioNotFiniteError: an effect made such samples; the message names it.
    """
    require_batch(audio)
    if len(chains) != len(audio):
        raise UsageError(f"{len(audio)} items need as many chains, not {len(chains)}")
    if target_lufs is not None and not math.isfinite(target_lufs):
        raise UsageError(f"target_lufs must be finite, not {target_lufs!r}")
    out = np.array(audio, order="C")

    def render(index: int) -> None:
        clip = out[index]
        for effect in chains[index].effects:
            if effect.enabled:
                effect.processor.fast_clip(clip, sample_rate, **effect.parameters)
        if not is_finite(clip):
            _name_fault(chains[index].effects, audio[index], sample_rate)
        if target_lufs is not None:
            loudness = float(integrated_loudness(clip, sample_rate))
            if loudness >= SILENCE_LUFS:
                scale_in_place(clip, 10.0 ** ((target_lufs - loudness) / 20.0))

    in_threads(render, len(out), threads)
    return out


def _name_fault(effects: Sequence[Effect], audio: np.ndarray, sample_rate: int) -> None:
    """Run once more, looking after every effect, and raise for the first that breaks."""
    clip = np.array(audio, order="C")
    for position, effect in enumerate(effects):
        if effect.enabled:
            effect.processor.fast_clip(clip, sample_rate, **effect.parameters)
            if not is_finite(clip):
                raise AudioNotFiniteError(*effect_fault(effects, position))


def effect_fault(effects: Sequence[Effect], position: int) -> tuple[str, str]:
    """Say which effect broke and with which settings: source and reason of an AudioNotFiniteError."""
    effect = effects[position]
    settings = ", ".join(f"{name} {value:g}" for name, value in effect.parameters.items())
    return f"{effect.type} (effect {position + 1} of {len(effects)})", (
        f"its output is not finite; its settings are: {settings}"
    )
