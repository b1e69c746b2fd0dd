"""More or less of a chain: between bypass and the settings as they are.

Only what says *how much* moves; what says *which kind* (frequencies, Q, times, thresholds of compressors, the
room) stays, so that half of an equaliser is the same equaliser at half the gain, and not another one on its
way from some neutral frequency. Each quantity moves where equal steps sound equal, on the line from its neutral
value:

======================  ==============================================================
equaliser               gains, in dB
distortion              drive, in dB
multiband compressor    mix (with linear-phase bands the output itself moves on a line)
compressor              dB taken per dB above the threshold, ``1 - 1/ratio``; make-up in dB
limiter                 threshold, in dB below full scale
gain                    in dB
stereo imager           share of the side
delay, reverb           wet share
======================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.equalizer import BANDS
from fxlens.errors import UsageError

MOVING: dict[str, tuple[str, ...]] = {
    "equalizer": tuple(f"{name}_gain_db" for name, *_ in BANDS),
    "distortion": ("drive_db",),
    "multiband_compressor": ("mix",),
    "compressor": ("makeup_db", "ratio"),
    "limiter": ("threshold_db",),
    "gain": ("gain_db",),
    "stereo_imager": ("width",),
    "delay": ("wet",),
    "reverb": ("wet",),
}
"""The parameters that move, by type; all others stay."""


def at_amount(chain: EffectChain, amount: float) -> EffectChain:
    """Return the chain at a share of its strength.

    Args:
        chain: what amount 1 is.
        amount: 0 (every effect switched off, its moving parameters neutral) to 1 (the chain itself).

    Returns:
        A chain of the same effects in the same order. Each effect for itself departs further from its input
        the larger the amount (a limiter once its threshold has come down to the peaks); effects that undo one
        another need not do so together.

    Raises:
        UsageError: ``amount`` is not within 0 and 1.

    >>> loud = EffectChain((Effect("gain", parameters={"gain_db": 8.0}),))
    >>> at_amount(loud, 0.25).effects[0].parameters["gain_db"]
    2.0
    """
    if not 0.0 <= amount <= 1.0:
        raise UsageError(f"the amount of a chain must lie between 0 and 1, not {amount!r}")
    if amount == 1.0:
        return chain
    return EffectChain(tuple(_effect_at(effect, amount) for effect in chain.effects))


def _effect_at(effect: Effect, amount: float) -> Effect:
    neutral = effect.processor.neutral()
    moved = {
        name: _MOVES.get(name, _on_a_line)(neutral[name], effect.parameters[name], amount)
        for name in MOVING[effect.type]
    }
    # Off, not only neutral: a limiter at 0 dB would still act on what exceeds full scale.
    return replace(effect, enabled=effect.enabled and amount > 0.0, parameters={**effect.parameters, **moved})


def _on_a_line(neutral: float, setting: float, amount: float) -> float:
    return neutral + amount * (setting - neutral)


def _ratio(neutral: float, setting: float, amount: float) -> float:
    """On a line in dB taken per dB: what is taken is ``amount`` times as much, in dB, at every level."""
    return 1.0 / (1.0 - _on_a_line(1.0 - 1.0 / neutral, 1.0 - 1.0 / setting, amount))


_MOVES: Mapping[str, Callable[[float, float, float], float]] = {"ratio": _ratio}
