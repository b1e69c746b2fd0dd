"""Names of effects, and locks."""

from __future__ import annotations

import pytest

from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.errors import UsageError
from fxlens.matching.chain_parts import MIX_CHAIN, chain_of, free_settings

CHAIN = chain_of(["eq", "delay", "gain", "delay"])
NAMES = CHAIN.parameter_names()


def held(*locks: str) -> list[str]:
    free = free_settings(CHAIN, locks)
    return [name for name, moves in zip(NAMES, free, strict=True) if not moves]


def test_short_names_are_names() -> None:
    assert [e.type for e in CHAIN.effects] == ["equalizer", "delay", "gain", "delay"]
    assert [e.type for e in chain_of(MIX_CHAIN).effects] == list(MIX_CHAIN)
    with pytest.raises(UsageError, match="flanger"):
        chain_of(["eq", "flanger"])
    with pytest.raises(UsageError, match="at least one effect"):
        chain_of([])


@pytest.mark.parametrize(
    ("lock", "count"), [("delay", 6), ("delay.wet", 2), ("1", 3), ("1.delay.wet", 1), ("eq", 18), ("1.wet", 1)]
)
def test_a_lock_holds_what_it_names(lock: str, count: int) -> None:
    assert len(held(lock)) == count
    assert all("delay" in name or "equalizer" in name for name in held(lock))


def test_a_lock_that_holds_nothing_is_an_error() -> None:
    for lock in ("reverb", "delay.width", "7", "", "1.gain"):
        with pytest.raises(UsageError, match="no part of this chain"):
            free_settings(CHAIN, [lock])


def test_something_must_be_left() -> None:
    with pytest.raises(UsageError, match="nothing to optimise"):
        free_settings(CHAIN, ["eq", "delay", "gain"])
    off = EffectChain((Effect("gain", enabled=False), Effect("delay")))
    assert free_settings(off, []) == [False, True, True, True]
