"""Where a system fails, to listen to: queries that were not found, what should have been, and what was preferred.

    python benchmarks/failures.py --manifest real.jsonl --manifest midi.jsonl --cache cache -s fxlens:MODEL --to DIR

writes, for each instrument, the ``-n`` queries whose target is ranked worst as ``query.wav``, ``target.wav`` and
``preferred.wav`` (all at -18 LUFS) with their chains, and docs/benchmarks/failures.md with its place in docs/model.md:
what failures have in common. Clips are those of ``fxlens evaluate retrieval`` with the same options.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench_options import add_options, command_line, conditions_of, material_of, settings_of, systems_of
from bench_pages import MODEL_PAGE, origin, put_into, table, write_page
from bench_scores import Figure, mean_figure, open_ready, searched, whole_arrays

from fxlens.audio.output import write
from fxlens.cli import console
from fxlens.cli.evaluate_options import Stages
from fxlens.evaluation.benchmark.recipe import Recipe, draw_style, make_recipe
from fxlens.evaluation.benchmark.retrieval import unit_rows
from fxlens.evaluation.benchmark.run import BenchmarkRun, shard_clips
from fxlens.whole_files import write_text

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "failures.md"
FOUND_WITHIN = 10

INTRODUCTION = """# Where it fails

Queries of the [retrieval benchmark](../evaluation.md) on single stems. *missed*: share of queries whose target is not
among the ten nearest, percent, of chains that have the effect and of those that have not, at equal numbers of effects
(chains of many effects are found more easily, and have any effect more often). Chance misses {chance:.0f}.
"""


@dataclass(frozen=True)
class Failure:
    """A query whose target was not found.

    Attributes:
        instrument, style: which.
        rank: of the target.
        preferred: style of the candidate that came first.
    """

    instrument: str
    style: int
    rank: int
    preferred: int


def worst(instrument: str, embeddings: np.ndarray, count: int) -> list[Failure]:
    """The queries of side 0 whose targets are ranked last, of ``[S, 2, D]``."""
    ranks = searched(embeddings, embeddings)[0]
    nearest = (unit_rows(embeddings[:, 0]) @ unit_rows(embeddings[:, 1]).T).argmax(axis=1)
    order = np.argsort(-ranks, kind="stable")[:count]
    return [Failure(instrument, int(i), int(ranks[i]), int(nearest[i])) for i in order]


def missed_by_effect(recipe: Recipe, arrays: dict[str, np.ndarray]) -> dict[str, tuple[Figure, Figure]]:
    """Effect -> percent of queries missed with it and without it, each number of effects counting equally.

    Chains of many effects are found more easily, and have any effect more often; that is taken out.
    """
    pool = recipe.settings.pools[0]
    lost, counts, present = [], [], []
    for name in recipe.settings.instruments:
        x = arrays[f"stem/{name}"]
        lost.append((searched(x, x) > FOUND_WITHIN).mean(axis=0) * 100.0)
        for style in range(recipe.settings.styles):
            types = {effect.type for effect in draw_style(recipe, name, pool, style).chain.effects}
            counts.append(len(types))
            present.append([type in types for type in pool.types])
    missed, number, has = np.concatenate(lost), np.array(counts), np.array(present)
    found = {}
    for column, type in enumerate(pool.types):
        groups = has[:, column], ~has[:, column]
        shared = set(number[groups[0]]) & set(number[groups[1]])
        if shared:
            found[type] = tuple(evenly(missed[own], number[own], shared) for own in groups)
    return found


def evenly(values: np.ndarray, numbers: np.ndarray, shared: set[int]) -> Figure:
    """Mean over those whose number is shared, each number weighing alike."""
    kept = np.isin(numbers, list(shared))
    values, numbers = values[kept], numbers[kept]
    size = {n: int((numbers == n).sum()) for n in shared}
    weights = np.array([len(values) / (len(shared) * size[n]) for n in numbers.tolist()])
    return mean_figure(values * weights)


def write_examples(run: BenchmarkRun, failures: list[Failure], folder: Path) -> list[list[str]]:
    """Write the clips; returns a row for each failure."""
    rows = []
    pool = run.recipe.settings.pools[0]
    for number, failure in enumerate(failures, start=1):
        place = folder / f"{failure.instrument.replace(' ', '-')}-{number:02d}"
        clips = {"query": (failure.style, 0), "target": (failure.style, 1), "preferred": (failure.preferred, 1)}
        place.mkdir(parents=True, exist_ok=True)
        text = []
        for name, (style, side) in clips.items():
            write(place / f"{name}.wav", _clip(run, failure.instrument, style, side), run.recipe.settings.sample_rate)
            plan = draw_style(run.recipe, failure.instrument, pool, style)
            text.append(f"{name}: {plan.excerpts[side].stem.song}\n{plan.chain.to_json()}\n")
        write_text(place / "chains.txt", "\n".join(text))
        own, other = (
            " > ".join(e.type for e in draw_style(run.recipe, failure.instrument, pool, style).chain.effects)
            for style in (failure.style, failure.preferred)
        )
        rows.append([place.name, str(failure.rank), own, other])
    return rows


def _clip(run: BenchmarkRun, instrument: str, style: int, side: int) -> np.ndarray:
    pool = run.recipe.settings.pools[0]
    number = next(k for k, styles in enumerate(run.recipe.shards()) if style in styles)
    shard = shard_clips(run, pool, number)
    return next(clip for k, clip in zip(shard.styles, shard.stem(instrument, side), strict=True) if k == style)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, PAGE)
    parser.add_argument("-n", "--examples", type=int, default=3, help="of each instrument")
    parser.add_argument("--to", type=Path, required=True, help="folder for what can be listened to")
    arguments = parser.parse_args()
    material = material_of(arguments)
    settings = settings_of(arguments, material)
    recipe = make_recipe(material.evaluation, settings)
    with Stages() as stages:
        on = conditions_of(arguments, stages)
        ready = open_ready(systems_of(arguments)[:1], material, settings, on)[0]
        arrays = whole_arrays(recipe, [ready], on)[0]
    run = BenchmarkRun(recipe, on.cache, None, 1, True)
    rows: list[list[str]] = []
    for name in settings.instruments:
        rows += write_examples(run, worst(name, arrays[f"stem/{name}"], arguments.examples), arguments.to)
    missed = missed_by_effect(recipe, arrays)
    effects = [[type.replace("_", " "), str(with_it), str(without)] for type, (with_it, without) in missed.items()]
    made = "\n\n".join(
        [
            table(["effect", "missed with it", "missed without it"], effects),
            "The worst of each instrument; the command below writes them to listen to:",
            table(["example", "rank of the target", "its chain", "chain of the first"], rows),
        ]
    )
    source = origin(recipe, material.manifest_sha256, [ready.facts], command_line())
    head = INTRODUCTION.format(chance=100.0 * (1.0 - min(FOUND_WITHIN, settings.styles) / settings.styles))
    facts: dict[str, Any] = {type: {"with": a.told(), "without": b.told()} for type, (a, b) in missed.items()}
    write_page(arguments.output, "\n".join([head, made, "", source]), {ready.facts.identity: facts})
    if arguments.output.resolve() == PAGE.resolve():
        put_into(MODEL_PAGE, "failures", made)
    console.result(f"written: {arguments.output}, {arguments.to}")


if __name__ == "__main__":
    main()
