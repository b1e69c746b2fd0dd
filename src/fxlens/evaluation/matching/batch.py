"""A batch of triplets, matched: by a system, by the distance itself (the oracle), or not at all (the baselines)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fxlens.audio.loudness import normalize_loudness
from fxlens.effects.chain import EffectChain
from fxlens.errors import DataError
from fxlens.evaluation.matching.distance import (
    COMPARED_LUFS,
    distances,
    distances_at_equal_loudness,
)
from fxlens.evaluation.matching.triplets import SEVEN, Content, Triplet, draw_seven
from fxlens.evaluation.systems.system import DifferentiableSystem, System
from fxlens.matching.chain_parts import chain_of
from fxlens.matching.optimise import Optimised, optimise, solve
from fxlens.matching.problem import Problem
from fxlens.matching.settings import MatchSettings

RANDOM_CHAINS = 5
"""Random chains whose mean distance is a triplet's random line."""

Row = dict[str, Any]
"""Figures of one triplet, plain JSON values."""


def baseline_rows(triplets: Sequence[Triplet], settings: MatchSettings, rate: int, seed: int) -> list[Row]:
    """What can be had without hearing the reference.

    Returns:
        For each triplet ``floor`` (the clean clip), ``middle`` (all settings in the middle of their ranges) and
        ``random`` (the mean of ``RANDOM_CHAINS`` other chains of the same draw), each with both distances.
    """
    blank = chain_of(SEVEN)
    middle = blank.with_unit(torch.full((len(blank.parameter_names(settings.ranges)),), 0.5), settings.ranges)
    rows = []
    for triplet in triplets:
        rng = np.random.default_rng(np.random.SeedSequence([seed, 0xF100, triplet.plan.key]))
        drawn = [_distances(draw_seven(rng, settings.ranges), triplet, rate) for _ in range(RANDOM_CHAINS)]
        rows.append(
            {
                **_identity(triplet),
                "floor": distances(triplet.clean, triplet.target, rate),
                "middle": _distances(middle, triplet, rate),
                "random": {name: float(np.mean([one[name] for one in drawn])) for name in drawn[0]},
            }
        )
    return rows


def oracle_rows(triplets: Sequence[Triplet], settings: MatchSettings, rate: int) -> list[Row]:
    """The distance to the target minimised directly, by the optimiser that matches embeddings.

    There is no pull to the middle: nothing needs to be guessed.
    """
    targets = torch.from_numpy(np.stack([t.target for t in triplets]))

    def objective(wet: Tensor, items: Tensor) -> Tensor:
        return distances_at_equal_loudness(wet[:, 0], targets[items], rate)

    dry = torch.from_numpy(np.stack([t.clean for t in triplets])).unsqueeze(1)
    began = time.monotonic()
    found = solve(
        Problem(chain_of(SEVEN), dry, rate, objective, ranges=settings.ranges), settings,
        [t.plan.key for t in triplets],
    )  # fmt: skip
    rows = _result_rows(triplets, found, rate, (time.monotonic() - began) / len(triplets))
    losses = ("loss", "dry_loss")  # here they are L_d: no embedding is heard
    return [{key: value for key, value in row.items() if key not in losses} for row in rows]


def system_rows(
    system: System, triplets: Sequence[Triplet], content: Content, settings: MatchSettings, rate: int
) -> list[Row]:
    """The embedding of the reference met, by a system.

    Args:
        system: one that gradients pass, or any one where ``settings.method`` is ``"cma"``.
        triplets: a batch.
        content: which reference.
        settings: of the search; its pull is to the middle of the ranges, from which the chains are drawn.
        rate: Hz.

    Returns:
        For each triplet the distances of the result, and the embedding loss of the result (``loss``), of the clean
        clip (``dry_loss``) and of the true chain (``truth_loss``): a result below the last has met what the
        reference's music did to the embedding, too.

    Raises:
        DataError: an embedding of a reference is not finite.
    """
    embed = _embedder(system, rate)
    device = system.device if isinstance(system, DifferentiableSystem) else torch.device("cpu")

    def batch(clips: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(clips)).to(device)

    with torch.no_grad():
        target, truth = (
            embed(batch([_levelled(c, rate) for c in clips]))
            for clips in ([t.references[content] for t in triplets], [t.target for t in triplets])
        )
    if not bool(torch.isfinite(target).all()):
        raise DataError(f"{system.name}: the embedding of a reference is not finite; it cannot be matched")
    began = time.monotonic()
    found = optimise(
        chain_of(SEVEN), batch([t.clean for t in triplets]), rate, embed, target, settings,
        centre="middle", level_lufs=COMPARED_LUFS, keys=[t.plan.key for t in triplets],
    )  # fmt: skip
    rows = _result_rows(triplets, found, rate, (time.monotonic() - began) / len(triplets))
    for row, loss in zip(rows, (1.0 - F.cosine_similarity(truth, target)).tolist(), strict=True):
        row["truth_loss"] = loss
    return rows


def _embedder(system: System, rate: int) -> Callable[[Tensor], Tensor]:
    if isinstance(system, DifferentiableSystem):
        return lambda clips: system.embed_tensor(clips, rate)
    return lambda clips: torch.from_numpy(system.embed(clips.detach().numpy(), rate))


def _levelled(clip: np.ndarray, rate: int) -> np.ndarray:
    return np.asarray(normalize_loudness(clip, rate, COMPARED_LUFS)[0], dtype=np.float32)


def _identity(triplet: Triplet) -> Row:
    plan = triplet.plan
    return {"index": plan.index, "songs": [plan.clean.stem.song, plan.other.stem.song]}


def _distances(chain: EffectChain, triplet: Triplet, rate: int) -> dict[str, float]:
    return distances(chain.apply(triplet.clean, rate), triplet.target, rate)


def _result_rows(triplets: Sequence[Triplet], found: Sequence[Optimised], rate: int, seconds: float) -> list[Row]:
    return [
        {
            **_identity(triplet),
            **_distances(one.chain, triplet, rate),
            "loss": one.loss if not one.failed else None,
            "dry_loss": one.dry_loss,
            "restart": one.restart,
            "failed": one.failed,
            "preset": one.chain.to_json(),
            "seconds": seconds,
        }
        for triplet, one in zip(triplets, found, strict=True)
    ]
