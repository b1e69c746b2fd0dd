"""What a codec, a level, a rate or a short excerpt cost: the retrieval benchmark with altered queries.

    python benchmarks/robustness.py --manifest real.jsonl --manifest midi.jsonl --cache cache -s fxlens:MODEL

writes docs/benchmarks/robustness.md and its figures as JSON, and puts the table into docs/model.md. Clips come from the
cache of ``fxlens evaluate retrieval`` where they are there.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from alterations import ALTERATIONS, altered, open_altered
from bench_options import add_options, command_line, conditions_of, material_of, settings_of, systems_of
from bench_pages import MODEL_PAGE, origin, put_into, table, write_page
from bench_scores import earned, mean_figure, open_ready, over_stems, relative_change, searched, whole_arrays

from fxlens.cli import console
from fxlens.cli.evaluate_options import Stages
from fxlens.evaluation.benchmark.recipe import make_recipe

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "robustness.md"
CLEAN = "unaltered"

INTRODUCTION = """# Altered recordings

The [retrieval benchmark](../evaluation.md), the query altered after its effects, the candidates not; beside it,
candidates altered likewise. Cells: R@10 in percent with 95 % bootstrap intervals over styles; *change*:
relative to unaltered queries, percent, paired over styles. Chance: {chance:.1f}. Mono takes the effect of a stereo
imager away, and clipping adds one that the candidates have not: there some loss is right.
"""


def earned_by(query: dict[str, np.ndarray], target: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What styles earn: over all stems, and as mixtures."""
    found = {task: earned(searched(x, target[task])) for task, x in query.items()}
    return {"stems": over_stems(found)} | ({"mixture": found["mixture"]} if "mixture" in found else {})


def section(name: str, arrays: dict[str, dict[str, np.ndarray]]) -> tuple[str, dict[str, Any]]:
    """One system: its table, and its figures as plain values.

    Args:
        name: of the system.
        arrays: by alteration, and ``CLEAN``: embeddings ``[S, 2, D]`` by task.
    """
    clean = earned_by(arrays[CLEAN], arrays[CLEAN])
    kinds = list(clean)
    rows = [[CLEAN, *(cell for kind in kinds for cell in (str(mean_figure(clean[kind])), "", ""))]]
    facts: dict[str, Any] = {CLEAN: {kind: {"R@10": mean_figure(clean[kind]).told()} for kind in kinds}}
    for key, own in arrays.items():
        if key == CLEAN:
            continue
        query_only, both = earned_by(own, arrays[CLEAN]), earned_by(own, own)
        row, facts[key] = [ALTERATIONS[key].told], {}
        for kind in kinds:
            figure, change = mean_figure(query_only[kind]), relative_change(clean[kind], query_only[kind])
            on_both = mean_figure(both[kind])
            row += [str(figure), str(change), str(on_both)]
            facts[key][kind] = {"R@10": figure.told(), "change": change.told(), "both altered": on_both.told()}
        rows.append(row)
    head = ["query", *(cell for kind in kinds for cell in (kind, "change", f"{kind}, both altered"))]
    return f"### {name}\n\n{table(head, rows)}", facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, PAGE)
    parser.add_argument("--only", action="append", choices=list(ALTERATIONS), help="alterations to try; default: all")
    arguments = parser.parse_args()
    material = material_of(arguments)
    settings = settings_of(arguments, material)
    recipe = make_recipe(material.evaluation, settings)
    sections, facts, systems = [], {}, []
    with Stages() as stages:
        on = replace(conditions_of(arguments, stages), opener=open_altered)
        for spec in systems_of(arguments):
            specs = [spec, *(altered(spec, name) for name in arguments.only or ALTERATIONS)]
            ready = open_ready(specs, material, settings, on)
            names = [CLEAN, *(arguments.only or ALTERATIONS)]
            arrays = dict(zip(names, whole_arrays(recipe, ready, on), strict=True))
            text, found = section(ready[0].facts.name, arrays)
            systems.append(ready[0].facts)
            sections.append(text)
            facts[ready[0].facts.identity] = found
            console.result(text)
    head = INTRODUCTION.format(chance=100.0 * min(10, settings.styles) / settings.styles)
    tables = "\n\n".join(sections)
    source = origin(recipe, material.manifest_sha256, systems, command_line())
    write_page(arguments.output, "\n".join([head, tables, "", source]), facts)
    if arguments.output.resolve() == PAGE.resolve():
        put_into(MODEL_PAGE, "robustness", tables)
    console.result(f"written: {arguments.output}")


if __name__ == "__main__":
    main()
