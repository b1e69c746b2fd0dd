"""Pools: which styles are searched together, by how many effects they have and which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fxlens.effects.sampling import TRAINING_TYPES


@dataclass(frozen=True)
class Pool:
    """Styles that are searched together.

    Args:
        label: its name in results.
        counts: numbers of audible effects, balanced over the styles.
        types: which effects there may be.
    """

    label: str
    counts: tuple[int, ...]
    types: tuple[str, ...] = TRAINING_TYPES


def _effects(counts: Sequence[int]) -> str:
    """``3 effects``, ``1-8 effects``, ``1,2,5 effects``."""
    first, last = min(counts), max(counts)
    together = sorted(counts) == list(range(first, last + 1)) and len(counts) > 1
    told = f"{first}-{last}" if together else ",".join(map(str, counts))
    return f"{told} effect" + ("" if told == "1" else "s")


def balanced_pool(counts: Sequence[int]) -> tuple[Pool, ...]:
    """One pool in which the numbers of effects are balanced."""
    return (Pool(_effects(counts), tuple(counts)),)


def pool_for_each(counts: Sequence[int]) -> tuple[Pool, ...]:
    """A pool for each number of effects, as in the paper's figure 2."""
    return tuple(Pool(_effects([n]), (n,)) for n in counts)


def single_effect_pools() -> tuple[Pool, ...]:
    """A pool for each type of effect alone; not for a gain, which loudness normalisation takes back."""
    return tuple(Pool(f"{type} only", (1,), (type,)) for type in TRAINING_TYPES if type != "gain")


def effect_count(pool: Pool, style: int) -> int:
    """Number of audible effects of a style."""
    return pool.counts[style % len(pool.counts)]
