"""A chain around a match: the gains before and after it that make the result as loud as it shall be, and safe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.streaming import measure, open_stream, passes
from fxlens.matching.dry_track import DryTrack
from fxlens.matching.loudness_meter import LoudnessMeter

CEILING_DBFS = -1.0
"""Highest sample peak of a result."""

_LARGEST_GAIN_DB = 12.0  # of one gain effect; a larger one is several


@dataclass(frozen=True)
class Levelled:
    """A chain for a track as it is, at a level that was asked for.

    Attributes:
        chain: gain to the working level, the effects, gain to the level of the result.
        lufs: integrated loudness of the result.
        lowered_db: by how much it is quieter than asked for, so that no peak passes ``CEILING_DBFS``.
    """

    chain: EffectChain
    lufs: float
    lowered_db: float


def levelled(
    track: DryTrack, effects: EffectChain, wanted_lufs: float, advance: Callable[[float], None] | None = None
) -> Levelled:
    """Run a track through effects, in constant memory, to know what gain the result needs.

    Args:
        track: the dry track.
        effects: for audio at the working level.
        wanted_lufs: loudness of the result.
        advance: called with seconds done since the last call; they add up to the track's length.
    """
    before = EffectChain((*gain_effects(track.gain_db), *effects.effects))
    meter = LoudnessMeter(track.sample_rate)
    for block in _wet(track, before, advance):
        meter.add(block)
    lufs = meter.lufs()
    gain_db = wanted_lufs - lufs if math.isfinite(lufs) else 0.0
    headroom_db = CEILING_DBFS - 20.0 * math.log10(max(meter.peak, 1e-9))
    lowered_db = max(gain_db - headroom_db, 0.0)
    gain_db -= lowered_db
    return Levelled(EffectChain((*before.effects, *gain_effects(gain_db))), lufs + gain_db, lowered_db)


def _wet(track: DryTrack, chain: EffectChain, advance: Callable[[float], None] | None) -> Iterator[np.ndarray]:
    share = 1.0 / (passes(chain) * track.sample_rate)

    def read() -> Iterator[np.ndarray]:
        for block in track.blocks():
            yield block
            if advance is not None:
                advance(block.shape[1] * share)

    stream = open_stream(chain, track.sample_rate, measure(chain, track.sample_rate, read))
    for block in read():
        yield stream.process(block)
    yield stream.finish()


def gain_effects(gain_db: float) -> tuple[Effect, ...]:
    """As many gains, all alike, as a change of level needs; none for no change."""
    count = math.ceil(abs(gain_db) / _LARGEST_GAIN_DB)
    return tuple(Effect("gain", parameters={"gain_db": gain_db / count}) for _ in range(count))
