"""How much more than a baseline does a system find, in all and for every number of effects?

    python benchmarks/against.py --manifest real.jsonl --manifest midi.jsonl --cache cache \\
        -s hand-made-wccn -s fxlens:paper-small-0/model -s fxlens

The first system is the baseline. Writes docs/benchmarks/against.md, its figures as JSON, and the tables' place in
docs/model.md; other pages in that folder have places of their own there. Styles and clips are those of ``fxlens
evaluate retrieval`` and ``extraction``; one cache serves all.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ablation_scores import MEASURES, measure
from bench_options import add_options, command_line, conditions_of, material_of, settings_of
from bench_pages import MODEL_PAGE, origin, put_into, table, write_page
from bench_scores import difference, mean_figure, open_ready, relative_change

from fxlens.cli import console
from fxlens.cli.evaluate_options import Stages
from fxlens.evaluation.benchmark.pools import effect_count
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, make_recipe
from fxlens.evaluation.results import SystemFacts

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks" / "against.md"

INTRODUCTION = """# Against a baseline

R@10 in percent among {styles} candidates, chance {chance:.1f}: *stems*, mean over instruments; *mixture*; *asked*: one
instrument by its name inside mixtures that share only its chain, mean over instruments. Cells: the figure with a 95 %
bootstrap interval over styles, and, in the columns Δ, by how many percent it is more than the first system's, paired
over styles. Below, the same queries by their number of effects, all searched together; Δ is in points there.
"""

Earned = Mapping[str, np.ndarray]


def labels_of(systems: Sequence[SystemFacts]) -> list[str]:
    """Names of systems; those that share one are told apart by where they are."""
    count = Counter(facts.name for facts in systems)
    return [facts.name if count[facts.name] == 1 else f"{facts.name} ({_place(facts.spec)})" for facts in systems]


def _place(spec: str) -> str:
    """Where a system comes from, without the folders above it: the run of a model that is a run's."""
    if ":" not in spec:
        return "shipped"
    folder = Path(spec.rpartition(":")[2])
    return folder.parent.name if folder.name == "model" else folder.name


def totals(labels: Sequence[str], found: Sequence[Earned]) -> tuple[str, dict[str, Any]]:
    """Every measure of every system, and how much more it is than that of the first."""
    base = found[0]
    shown = [kind for kind in MEASURES if any(kind in own for own in found)]
    rows, facts = [], {}
    for label, own in zip(labels, found, strict=True):
        cells, facts[label] = [label], {}
        for kind in shown:
            if kind not in own:
                cells += ["–", "–"]
                continue
            figure = mean_figure(own[kind])
            facts[label][kind] = {"R@10": figure.told()}
            if own is base or kind not in base:
                cells += [str(figure), "–"]
                continue
            change = relative_change(base[kind], own[kind])
            facts[label][kind]["change"] = change.told()
            cells += [str(figure), f"{change.value:+.0f} % [{change.low:+.0f}, {change.high:+.0f}]"]
        rows.append(cells)
    return table(["", *(cell for kind in shown for cell in (kind, "Δ"))], rows), facts


def by_number(
    labels: Sequence[str], found: Sequence[Earned], settings: BenchmarkSettings
) -> tuple[str, dict[str, Any]]:
    """The same by number of effects, of stems and mixtures; differences in points."""
    pool = settings.pools[0]
    counts = np.array([effect_count(pool, style) for style in range(settings.styles)])
    numbers = [n for n in sorted(set(pool.counts)) if (counts == n).any()]
    rows, facts = [], {}
    for kind in ("stems", "mixture"):
        for label, own in zip(labels, found, strict=True):
            if kind not in own:
                continue
            # One instrument's styles stand after the other's.
            places = np.tile(counts, len(own[kind]) // len(counts))
            cells = [f"{kind}: {label}"]
            for n in numbers:
                values = own[kind][places == n]
                figure, key = mean_figure(values), f"{kind}, {n}"
                facts.setdefault(label, {})[key] = {"R@10": figure.told()}
                told = f"{figure.value:.1f}"
                if own is not found[0] and kind in found[0]:
                    change = difference(found[0][kind][places == n], values)
                    facts[label][key]["difference"] = change.told()
                    told += f" ({change.value:+.1f} [{change.low:+.1f}, {change.high:+.1f}])"
                cells.append(told)
            rows.append(cells)
    return table(["effects", *(str(n) for n in numbers)], rows), facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, PAGE)
    parser.add_argument("--single-styles", type=int, default=0, help="candidates of single effects; 0 leaves them out")
    arguments = parser.parse_args()
    if len(arguments.system or ()) < 2:
        parser.error("give two systems or more, the baseline first: -s hand-made-wccn -s fxlens")
    material = material_of(arguments)
    settings = settings_of(arguments, material)
    with Stages() as stages:
        on = conditions_of(arguments, stages)
        ready = open_ready(arguments.system, material, settings, on)
        found = [measure(system, material, settings, arguments.single_styles, on) for system in ready]
    labels = labels_of([system.facts for system in ready])
    whole, facts = totals(labels, found)
    numbers, more = by_number(labels, found, settings)
    text = f"{whole}\n\n{numbers}"
    head = INTRODUCTION.format(styles=settings.styles, chance=100.0 * min(10, settings.styles) / settings.styles)
    recipe = make_recipe(material.evaluation, settings)
    source = origin(recipe, material.manifest_sha256, [system.facts for system in ready], command_line())
    write_page(
        arguments.output,
        "\n".join([head, text, "", source]),
        {label: {"in all": facts[label], "by number of effects": more.get(label, {})} for label in labels},
    )
    if arguments.output.resolve().parent == PAGE.parent:
        put_into(MODEL_PAGE, arguments.output.stem, text)
    console.result(text)
    console.result(f"written: {arguments.output}")


if __name__ == "__main__":
    main()
