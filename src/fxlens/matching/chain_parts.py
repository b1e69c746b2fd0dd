"""Which chain is matched: from names of effects, and which of its settings are held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.processor import Range
from fxlens.effects.registry import PROCESSORS
from fxlens.errors import UsageError

MIX_CHAIN: tuple[str, ...] = (
    "equalizer",
    "multiband_compressor",
    "distortion",
    "stereo_imager",
    "delay",
    "reverb",
    "gain",
    "limiter",
)
"""What is matched where no chain is given. The gain stands where it can be heard: it drives the limiter."""

SHORT_NAMES = {
    "eq": "equalizer",
    "comp": "compressor",
    "multiband": "multiband_compressor",
    "imager": "stereo_imager",
    "width": "stereo_imager",
    "drive": "distortion",
    "dist": "distortion",
    "echo": "delay",
    "limit": "limiter",
}
"""What may be written instead of a processor's name."""


def chain_of(names: Sequence[str]) -> EffectChain:
    """Make a chain of effects at their neutral settings.

    Args:
        names: processors in order, by their names in presets or by ``SHORT_NAMES``.

    Raises:
        UsageError: no name, or one that there is not.

    >>> [effect.type for effect in chain_of(["eq", "limiter"]).effects]
    ['equalizer', 'limiter']
    """
    types = [SHORT_NAMES.get(name.strip().lower(), name.strip().lower()) for name in names]
    unknown = [name for name, type in zip(names, types, strict=True) if type not in PROCESSORS]
    if unknown or not types:
        told = f"there is no effect {unknown[0]!r}" if unknown else "a chain to match needs at least one effect"
        raise UsageError(f"{told}; there are: {', '.join(PROCESSORS)} (short: {', '.join(SHORT_NAMES)})")
    return EffectChain(tuple(Effect(type) for type in types))


def free_settings(chain: EffectChain, locks: Iterable[str], ranges: Range = "default") -> list[bool]:
    """Tell which settings an optimisation may move, in the order of :meth:`EffectChain.parameter_names`.

    Args:
        chain: its disabled effects are not moved.
        locks: what is held: an effect (``"delay"``, ``"eq"``), one parameter of it (``"delay.time_ms"``), or either
            of one position in the chain (``"4"``, ``"4.delay.time_ms"``; the first effect is 0).
        ranges: what the unit range stands for.

    Raises:
        UsageError: a lock that holds nothing, or nothing is left to move.
    """
    names = chain.parameter_names(ranges)
    free = [chain.effects[int(name.partition(".")[0])].enabled for name in names]
    for lock in locks:
        held = [_holds(lock.strip(), name) for name in names]
        if not any(held):
            raise UsageError(f"the lock {lock!r} is no part of this chain; its settings are: {', '.join(names)}")
        free = [is_free and not is_held for is_free, is_held in zip(free, held, strict=True)]
    if not any(free):
        raise UsageError("every setting of the chain is locked or disabled, so there is nothing to optimise")
    return free


def _holds(lock: str, name: str) -> bool:
    """Whether ``lock`` means the setting ``position.type.parameter``."""
    first, _, rest = lock.partition(".")
    position, type, parameter = name.split(".")
    if first.isdigit():
        return first == position and rest in ("", type, f"{type}.{parameter}", parameter)
    return SHORT_NAMES.get(first, first) == type and rest in ("", parameter)
