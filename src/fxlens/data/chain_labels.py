"""What a chain can be said to be, as numbers: which effects, which settings, in which order.

Labels of the eight effects of training (:data:`fxlens.effects.sampling.TRAINING_TYPES`). What cannot be said of a
chain, the settings of an effect it has not, or the order of two of which one is missing, is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from fxlens.effects.chain import EffectChain
from fxlens.effects.registry import PROCESSORS
from fxlens.effects.sampling import TRAINING_TYPES

EFFECTS: tuple[str, ...] = TRAINING_TYPES
"""Names of the effect labels."""

PARAMETERS: tuple[tuple[str, str], ...] = tuple(
    (type, p.name)
    for type in EFFECTS
    for p in PROCESSORS[type].parameters
    if p.name not in getattr(PROCESSORS[type], "discrete", frozenset())
)
"""Names of the parameter labels: effect and parameter. A room's seed is a name and no quantity."""

ORDERED: tuple[tuple[str, str], ...] = tuple(combinations(EFFECTS, 2))
"""Names of the order labels: 1 if the first of the two comes first."""


@dataclass(frozen=True)
class ChainLabels:
    """Labels of a chain, or of several that are heard together.

    Attributes:
        effects: ``float32 [E]``: 1 for an audible effect, 0 for one that is not there; of several chains, the share
            that has it.
        parameters: ``float32 [P]``: 0-1 over the default range; NaN where nothing can be said.
        order: ``float32 [O]``: 1 or 0; NaN where nothing can be said.
    """

    effects: np.ndarray
    parameters: np.ndarray
    order: np.ndarray


def label_chain(chain: EffectChain) -> ChainLabels:
    """Label one chain. Of several effects of one type the last counts: it is what is heard last."""
    effects = np.zeros(len(EFFECTS), np.float32)
    parameters = np.full(len(PARAMETERS), np.nan, np.float32)
    order = np.full(len(ORDERED), np.nan, np.float32)
    place: dict[str, int] = {}
    for position in chain.audible_positions():
        effect = chain.effects[position]
        if effect.type not in EFFECTS:
            continue
        place[effect.type] = position
        effects[EFFECTS.index(effect.type)] = 1.0
        for parameter in effect.processor.parameters:
            name = (effect.type, parameter.name)
            if name in _PLACES:
                low, high = parameter.bounds()
                value = effect.parameters[parameter.name]
                unit = np.log(value / low) / np.log(high / low) if parameter.log else (value - low) / (high - low)
                parameters[_PLACES[name]] = min(max(unit, 0.0), 1.0)
    for number, (one, other) in enumerate(ORDERED):
        if one in place and other in place:
            order[number] = float(place[one] < place[other])
    return ChainLabels(effects, parameters, order)


@lru_cache(maxsize=65536)
def label_preset(text: str) -> ChainLabels:
    """Label a chain that is written as a preset, as blocks of a pool hold theirs.

    Raises:
        PresetError: it is not a preset.
    """
    return label_chain(EffectChain.from_json(text))


def joined_labels(labels: Sequence[ChainLabels]) -> ChainLabels:
    """Labels of chains that are heard together: shares of effects; settings and order only of one chain alone."""
    if len(labels) == 1:
        return labels[0]
    shares = np.mean([one.effects for one in labels], axis=0).astype(np.float32)
    unknown = np.full_like(labels[0].parameters, np.nan), np.full_like(labels[0].order, np.nan)
    return ChainLabels(shares, *unknown)


_PLACES = {name: place for place, name in enumerate(PARAMETERS)}
