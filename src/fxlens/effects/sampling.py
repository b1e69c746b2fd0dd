"""Drawing effect chains, and hard negatives of them.

Everything comes from the generator passed in: same generator state, same chain. The order of the draws is
part of the format of a data set; it is stated at each function.

A drawn chain has exactly as many audible effects as asked for. An effect is audible when its settings are far
enough from neutral (``LEAST_AMOUNT``) and, if it is a gain, when something after it reacts to level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.processor import Range
from fxlens.effects.recorded_reverb import RecordedReverb
from fxlens.effects.recorded_rooms import RecordedRooms
from fxlens.effects.registry import LINEAR, processor_named
from fxlens.errors import UsageError

Grade = Literal["other", "effect", "parameter", "order"]

TRAINING_TYPES: tuple[str, ...] = (
    "equalizer",
    "distortion",
    "multiband_compressor",
    "limiter",
    "gain",
    "stereo_imager",
    "delay",
    "reverb",
)
"""The eight effects of the paper."""

LEAST_AMOUNT: Mapping[str, float] = {"limiter": 0.3}
"""Smallest :meth:`Effect.amount` a drawn effect has, where it is not ``LEAST_AMOUNT_OF_OTHERS``.

A limiter at -6 dB reaches the peaks of music at -18 LUFS; a higher threshold often does nothing at all.
"""

LEAST_AMOUNT_OF_OTHERS = 0.05

LEAST_PROBABILITY = 0.1
PARAMETER_DISTANCE = 0.3
"""Least mean absolute distance, in unit range, between redrawn settings and those they replace."""

_TRIES = 1000


@dataclass(frozen=True)
class RoomDraw:
    """Recorded rooms that reverbs may be drawn with.

    Args:
        rooms: the rooms, all as likely as one another.
        share: of the reverbs that have one of them; the others have rooms of the bank.
    """

    rooms: RecordedRooms
    share: float


def draw_effect(
    rng: np.random.Generator,
    type: str,
    ranges: Range = "default",
    away_from: Effect | None = None,
    rooms: RoomDraw | None = None,
) -> Effect:
    """Draw the settings of one effect; all of them again until it is audible.

    Args:
        rng: where the numbers come from, each try: for a reverb with ``rooms``, whether it has a recorded room, and
            which; then one draw for each parameter, in the order of declaration.
        type: name of the processor.
        ranges: where the values are drawn from.
        away_from: settings that the drawn ones must differ from by ``PARAMETER_DISTANCE``.
        rooms: recorded rooms that a reverb may have.

    Raises:
        UsageError: a thousand draws were not enough.
    """
    least = LEAST_AMOUNT.get(type, LEAST_AMOUNT_OF_OTHERS)
    for _ in range(_TRIES):
        effect = _draw_once(rng, type, ranges, rooms)
        far = away_from is None or settings_distance(effect, away_from, ranges) >= PARAMETER_DISTANCE
        if far and effect.amount() >= least:
            return effect
    raise UsageError(f"no audible setting of {type} was found in its {ranges} range")


def _draw_once(rng: np.random.Generator, type: str, ranges: Range, rooms: RoomDraw | None) -> Effect:
    if type == "reverb" and rooms is not None and rng.random() < rooms.share:
        name = rooms.rooms.names[int(rng.integers(len(rooms.rooms)))]
        return Effect(type, True, RecordedReverb.draw(rng, ranges), name, rooms.rooms)
    return Effect(type, True, processor_named(type).draw(rng, ranges))


def settings_distance(one: Effect, other: Effect, ranges: Range = "default") -> float:
    """Mean absolute difference, in unit range, of two settings of one processor; which room it is is left out.

    Of a recorded room and one of the bank, the settings that both have are compared.
    """
    first, second = (
        dict(zip(chain.parameter_names(ranges), chain.unit(ranges).tolist(), strict=True))
        for chain in (EffectChain((one,)), EffectChain((other,)))
    )
    shared = first.keys() & second.keys()
    return sum(abs(first[name] - second[name]) for name in shared) / len(shared) if shared else 0.0


def draw_chain(
    rng: np.random.Generator,
    n_effects: int | tuple[int, int] = (1, 8),
    ranges: Range = "default",
    probabilities: Mapping[str, float] | None = None,
    types: Sequence[str] = TRAINING_TYPES,
    rooms: RoomDraw | None = None,
) -> EffectChain:
    """Draw a chain of distinct effects in random order.

    Draws, in this order: how many effects (only if ``n_effects`` is a pair); which (without replacement,
    weighted by ``probabilities``); their order (uniform); the settings of each as in :func:`draw_effect`. If
    the chain then has a gain that nothing reacts to, all but the number is drawn again.

    Args:
        rng: where the numbers come from.
        n_effects: how many audible effects, or the least and the most.
        ranges: where the values are drawn from.
        probabilities: weights in 0.1-1 by type; 1 for types not named.
        types: which effects to choose from.
        rooms: recorded rooms that a reverb may have.

    Raises:
        UsageError: more effects than types, a weight out of range, or a number that the types cannot reach
            (a gain alone).
        PresetError: an unknown type.
    """
    weights = _weights(types, probabilities)
    least, most = (n_effects, n_effects) if isinstance(n_effects, int) else n_effects
    if not 1 <= least <= most <= len(types):
        raise UsageError(f"n_effects must lie within 1 and {len(types)} (the types given), not {n_effects}")
    count = least if isinstance(n_effects, int) else int(rng.integers(least, most + 1))
    for _ in range(_TRIES):
        chosen = rng.choice(len(types), size=count, replace=False, p=weights)
        # Drawing by weight puts heavy types first; the order must not tell the weights.
        order = rng.permutation(chosen)
        chain = EffectChain(tuple(draw_effect(rng, types[i], ranges, rooms=rooms) for i in order))
        if chain.audible_count() == count:
            return chain
    raise UsageError(f"{', '.join(types)}: no chain of {count} audible effects can be made of these")


def hard_negative(
    chain: EffectChain,
    rng: np.random.Generator,
    grade: Grade,
    ranges: Range = "default",
    probabilities: Mapping[str, float] | None = None,
    types: Sequence[str] = TRAINING_TYPES,
    rooms: RoomDraw | None = None,
) -> EffectChain:
    """Draw a chain that differs from ``chain`` audibly, by more or by less.

    * ``"other"``: an independent chain with as many audible effects. If it has the same types in the same
      order, it is drawn again until the settings are ``PARAMETER_DISTANCE`` apart on average.
    * ``"effect"``: one effect replaced by another type in its place, added anywhere, or removed. Drawn: which
      of the three, the position, the type, the settings; all again if another effect falls silent by it.
    * ``"parameter"``: the settings of one effect drawn again, at least ``PARAMETER_DISTANCE`` from its own.
      Drawn: the position, the settings.
    * ``"order"``: the same effects in another order that can be heard: two of which one is not linear change
      sides. Drawn: permutations, up to a hundred. If none is audible, what ``"parameter"`` gives.

    Args:
        chain: at least one audible effect.
        rng: where the numbers come from.
        grade: how hard, from different to almost the same.
        ranges: where new values are drawn from.
        probabilities: weights of new types, as in :func:`draw_chain`.
        types: which new effects there may be.
        rooms: recorded rooms that a new reverb may have, or one whose settings are drawn again.

    Raises:
        UsageError: nothing in ``chain`` can be heard, an unknown grade, or no such negative exists.
    """
    count = chain.audible_count()
    if count == 0:
        raise UsageError("the chain has no audible effect, so nothing can differ from it by a change of one")
    if grade == "other":
        return _other(chain, rng, count, ranges, probabilities, types, rooms)
    if grade == "effect":
        return _other_effect(chain, rng, ranges, probabilities, types, rooms)
    if grade == "order":
        return _other_order(chain, rng) or _other_settings(chain, rng, ranges, rooms)
    if grade == "parameter":
        return _other_settings(chain, rng, ranges, rooms)
    raise UsageError(f"there is no grade {grade!r}; there are: other, effect, parameter, order")


def _weights(types: Sequence[str], probabilities: Mapping[str, float] | None) -> np.ndarray:
    for name in types:
        processor_named(name)
    if len(set(types)) != len(types):
        raise UsageError(f"types must be distinct, not {', '.join(types)}")
    given = dict(probabilities or {})
    for name, value in given.items():
        processor_named(name)
        if not LEAST_PROBABILITY <= value <= 1.0:
            raise UsageError(f"the probability of {name} must be {LEAST_PROBABILITY} to 1, not {value}")
    weights = np.array([given.get(name, 1.0) for name in types])
    return weights / weights.sum()


def _other(
    chain: EffectChain,
    rng: np.random.Generator,
    count: int,
    ranges: Range,
    probabilities: Mapping[str, float] | None,
    types: Sequence[str],
    rooms: RoomDraw | None,
) -> EffectChain:
    own = [chain.effects[i] for i in chain.audible_positions()]
    for _ in range(_TRIES):
        drawn = draw_chain(rng, min(count, len(types)), ranges, probabilities, types, rooms)
        if [e.type for e in drawn.effects] != [e.type for e in own]:
            return drawn
        distances = [settings_distance(a, b, ranges) for a, b in zip(drawn.effects, own, strict=True)]
        if np.mean(distances) >= PARAMETER_DISTANCE:
            return drawn
    raise UsageError("no other chain was found; give more types")


def _other_effect(
    chain: EffectChain,
    rng: np.random.Generator,
    ranges: Range,
    probabilities: Mapping[str, float] | None,
    types: Sequence[str],
    rooms: RoomDraw | None,
) -> EffectChain:
    own = list(chain.effects)
    audible = chain.audible_positions()
    present = {own[i].type for i in audible}
    unused = [name for name in types if name not in present]
    weights = _weights(unused, {k: v for k, v in (probabilities or {}).items() if k in unused})
    ways = (["replace", "add"] if unused else []) + (["remove"] if len(audible) > 1 else [])
    for _ in range(_TRIES if ways else 0):
        way = ways[int(rng.integers(len(ways)))]
        # Positions are those of audible effects: what cannot be heard is no place for a change.
        place = int(rng.integers(len(own) + 1)) if way == "add" else audible[int(rng.integers(len(audible)))]
        new = [] if way == "remove" else [unused[int(rng.choice(len(unused), p=weights))]]
        drawn = [draw_effect(rng, name, ranges, rooms=rooms) for name in new]
        changed = EffectChain((*own[:place], *drawn, *own[place + (way != "add") :]))
        if changed.audible_count() == len(audible) + {"replace": 0, "add": 1, "remove": -1}[way]:
            return changed
    raise UsageError("no effect of the chain can be replaced, added or removed; give more types")


def _other_settings(chain: EffectChain, rng: np.random.Generator, ranges: Range, rooms: RoomDraw | None) -> EffectChain:
    audible = chain.audible_positions()
    place = audible[int(rng.integers(len(audible)))]
    own = chain.effects[place]
    effects = list(chain.effects)
    effects[place] = draw_effect(rng, own.type, ranges, own, rooms)
    return EffectChain(tuple(effects))


def _other_order(chain: EffectChain, rng: np.random.Generator) -> EffectChain | None:
    effects = chain.effects
    audible = set(chain.audible_positions())
    fixed = [(i, j) for i in audible for j in audible if i < j and not _commute(effects[i].type, effects[j].type)]
    for _ in range(100 if fixed else 0):
        order = rng.permutation(len(effects))
        place = np.argsort(order)
        changed = EffectChain(tuple(effects[i] for i in order))
        if changed.audible_count() == len(audible) and any(place[i] > place[j] for i, j in fixed):
            return changed
    return None


def _commute(one: str, other: str) -> bool:
    """Whether two effects may change sides unheard: both linear, or a gain and one that ignores level."""
    if one in LINEAR and other in LINEAR:
        return True
    rest = other if one == "gain" else one
    return "gain" in (one, other) and not processor_named(rest).nonlinear
