"""A dialect: how one studio's effects are built inside. The same chain can be rendered in any.

A model that has heard one engine only learns that engine's fingerprint: its detector, its curve, its interpolator. So
in training the two views of a style may come from two engines. A dialect is named by a number, and of every type of
effect has one make, drawn once: an equaliser with its own idea of Q, a compressor with its own detector. Parameters
keep their names and their meaning, see the makes themselves for how far. The dialect ``None`` is that of
:mod:`fxlens.effects`.

For training only: chains are applied to music by :meth:`fxlens.effects.chain.EffectChain.apply`, which has no dialect.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from fxlens.data.dialects.banding import draw_multiband
from fxlens.data.dialects.companding import draw_compressor
from fxlens.data.dialects.echoing import OtherDelay, draw_delay
from fxlens.data.dialects.equalizing import draw_equalizer
from fxlens.data.dialects.limiting import draw_limiter
from fxlens.data.dialects.reverberating import draw_reverb
from fxlens.data.dialects.saturating import draw_distortion
from fxlens.data.dialects.widening import draw_imager
from fxlens.dsp.fast.mixing import is_finite
from fxlens.effects.chain import EffectChain
from fxlens.effects.rendering import effect_fault
from fxlens.errors import AudioNotFiniteError

Make = Callable[[np.ndarray, int, Mapping[str, float]], None]
"""An effect: ``float32 [2, T]``, changed in place; sample rate in Hz; every parameter in physical units."""

MAKES: Mapping[str, Callable[[np.random.Generator], Make]] = {
    "equalizer": draw_equalizer,
    "distortion": draw_distortion,
    "multiband_compressor": draw_multiband,
    "compressor": draw_compressor,
    "limiter": draw_limiter,
    "stereo_imager": draw_imager,
    "delay": draw_delay,
    "reverb": draw_reverb,
}
"""Who draws another make of an effect. A gain has one make only."""

OWN_SHARE = 0.15
"""Share of makes in a dialect that are our own."""

NUMBERS = 2**31
"""Dialects are numbered below it."""


@lru_cache(maxsize=256)
def make_of(dialect: int | None, type: str) -> Make | None:
    """The make of an effect in a dialect; None where it is our own."""
    if dialect is None or type not in MAKES:
        return None
    rng = np.random.default_rng(np.random.SeedSequence([dialect, zlib.crc32(type.encode()), 0xD1A1]))
    return None if rng.random() < OWN_SHARE else MAKES[type](rng)


def render_in_dialect(chain: EffectChain, audio: np.ndarray, sample_rate: int, dialect: int | None) -> np.ndarray:
    """Apply a chain as a dialect builds its effects.

    A recorded room is the same in every dialect.

    Args:
        chain: what to apply.
        audio: ``float32 [2, T]``, finite, not changed.
        sample_rate: Hz.
        dialect: its number; None is :meth:`EffectChain.render`.

    Returns:
        ``float32 [2, T]``.

    Raises:
        AudioNotFiniteError: an effect made samples that are not finite; the message names it.
    """
    clip = np.array(audio, order="C")
    for position, effect in enumerate(chain.effects):
        if not effect.enabled:
            continue
        make = make_of(dialect, effect.type) if effect.ir is None else None
        if make is None:
            effect.processor.fast_clip(clip, sample_rate, **effect.parameters)
        else:
            make(clip, sample_rate, effect.parameters)
        if not is_finite(clip):
            raise AudioNotFiniteError(*effect_fault(chain.effects, position))
    return clip


def moves_the_image(chain: EffectChain, dialect: int | None) -> bool:
    """Whether the chain does something that is lost when the result is made mono: width, or echoes that alternate."""
    for effect in chain.effects:
        if not effect.enabled:
            continue
        make = make_of(dialect, effect.type)
        if effect.type == "stereo_imager" or (isinstance(make, OtherDelay) and make.crossing > 0.0):
            return True
    return False
