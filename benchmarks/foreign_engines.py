"""Does a system hear effects, or only fxlens' code? The retrieval benchmark, rendered by pedalboard, SciPy and SoX.

    python benchmarks/foreign_engines.py --manifest real.jsonl --manifest midi.jsonl --cache cache -s fxlens:MODEL

writes docs/benchmarks/foreign-engines.md and its figures as JSON, and puts the table into docs/model.md. With the cache
of ``fxlens evaluate retrieval`` the clips that fxlens rendered are not rendered again. SoX and pedalboard (GPL) are
used here, as a program and as a library, and nowhere in the package; an engine that is not there is left out and named.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench_options import add_options, command_line, conditions_of, material_of, settings_of, systems_of
from bench_pages import MODEL_PAGE, origin, put_into, table, write_page
from bench_scores import Figure, earned, mean_figure, open_ready, over_stems, relative_change, searched, whole_arrays
from engines.foreign_renderer import ForeignRenderer, draw_engines, present_engines

from fxlens.cli import console
from fxlens.cli.evaluate_options import Stages
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, Recipe, generator, make_recipe
from fxlens.evaluation.benchmark.system_opening import ReadySystem

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "foreign-engines.md"
OWN, SAME, DIFFERENT, ACROSS = (
    "rendered by fxlens",
    "one foreign engine",
    "two foreign engines",
    "foreign query, fxlens candidates",
)
LIMIT_PERCENT = -100.0 / 3.0

INTRODUCTION = """# Rendered by others

The [retrieval benchmark](../evaluation.md) once more: same songs, same excerpts, same chains; but the chains are
applied by other people's effects. For each style, and in mixtures for each of its tracks, an engine is drawn:
{engines}. *one foreign engine*: query and target have the same. *two foreign engines*: they have different ones.
*foreign query, fxlens candidates*: the queries of the first case search what fxlens rendered. Cells: R@10 in percent
with 95 % bootstrap intervals over styles; *change*: relative to fxlens on both sides, percent, paired over styles.
Chance: {chance:.1f}.
"""

TRANSLATED = (
    ("equaliser", "its shelves and peaks", "`iirpeak`; first-order shelves, no Q", "`bass`, `equalizer`, `treble`"),
    ("distortion", "`Distortion` (tanh), `Clipping`", "arc tangent at four times the rate", "`overdrive`"),
    (
        "multiband compressor",
        "second-order Linkwitz-Riley bands, `NoiseGate`, `Compressor`",
        "zero-phase bands, RMS detector, gain on a grid of 32 samples",
        "`mcompand`",
    ),
    ("limiter", "`Limiter`, the gain it adds taken back", "looks 3 ms ahead", "`compand`, 1000:1"),
    ("gain", "a factor", "a factor", "`gain`"),
    ("stereo width", "mid and side", "mid and side", "`remix`"),
    ("delay", "`Delay`", "echoes between samples by straight lines", "`echo`, seven at most"),
    ("reverb", "`Reverb` (Freeverb)", "Schroeder's combs and all-passes", "`reverb` (Freeverb)"),
)

TRANSLATION = """## How a chain is translated

The nearest setting of what the engine has. Thresholds, ratios, times, frequencies and gains are stated as they are;
what an engine makes of them, its detector, its ballistics, its crossovers, is its own.

{table}

Distortion meets its clip at fxlens' calibration level in all engines, and the room is as loud as the clip before `wet`
mixes them: units that engines do not share. A reverb's `seed` has no meaning elsewhere: a style keeps its decay,
damping and pre-delay, not its room.
"""


@dataclass(frozen=True)
class Case:
    """Ranks ``[2, S]`` of every task when others render."""

    name: str
    ranks: Mapping[str, np.ndarray]

    def earned(self) -> dict[str, np.ndarray]:
        return {task: earned(both) for task, both in self.ranks.items()}


def cases_of(
    material: Material,
    settings: BenchmarkSettings,
    systems: Sequence[ReadySystem],
    engines: Mapping[str, str],
    on: Conditions,
) -> list[list[Case]]:
    """Render and embed all three benchmarks, and search; for each system its cases."""
    told = tuple(engines.items())
    renderers = {OWN: None, SAME: ForeignRenderer(told)}
    if len(told) > 1:
        renderers[DIFFERENT] = ForeignRenderer(told, differ=True)
    arrays = {
        name: whole_arrays(make_recipe(material.evaluation, settings, renderer), systems, on)
        for name, renderer in renderers.items()
    }
    found = []
    for number in range(len(systems)):
        own = {name: every[number] for name, every in arrays.items()}
        cases = [Case(name, {task: searched(x, x) for task, x in tasks.items()}) for name, tasks in own.items()]
        across = {task: searched(x, own[OWN][task]) for task, x in own[SAME].items()}
        found.append([*cases, Case(ACROSS, across)])
    return found


def rows_of(cases: list[Case]) -> list[tuple[str, dict[str, tuple[Figure, Figure]]]]:
    """For every instrument, their mean and the mixture: by case, the figure and its change."""
    by_case = {case.name: case.earned() for case in cases}
    tasks = list(by_case[OWN])
    stems = [task for task in tasks if task.startswith("stem/")]
    lines: list[tuple[str, dict[str, np.ndarray]]] = [
        (task.removeprefix("stem/"), {name: own[task] for name, own in by_case.items()}) for task in stems
    ]
    lines.append(("mean of stems", {name: over_stems(own) for name, own in by_case.items()}))
    if "mixture" in tasks:
        lines.append(("mixture", {name: own["mixture"] for name, own in by_case.items()}))
    return [
        (label, {name: (mean_figure(values), relative_change(own[OWN], values)) for name, values in own.items()})
        for label, own in lines
    ]


def engines_drawn(recipe: Recipe, instrument: str, engines: Sequence[str]) -> np.ndarray:
    """The engine of every style of an instrument, where both sides have one."""
    settings = recipe.settings
    rngs = (generator(recipe, "renderer", instrument, settings.pools[0].label, i) for i in range(settings.styles))
    return np.array([draw_engines(rng, engines, False)[0] for rng in rngs])


def by_engine(recipe: Recipe, cases: list[Case], engines: Mapping[str, str]) -> list[tuple[str, Figure, Figure, int]]:
    """For each engine the stems that it rendered on both sides, by fxlens and by it, among all candidates."""
    own, same = (next(case for case in cases if case.name == name).earned() for name in (OWN, SAME))
    drawn = {name: engines_drawn(recipe, name, list(engines)) for name in recipe.settings.instruments}
    found = []
    for engine in engines:
        parts = [(own[f"stem/{n}"][drawn[n] == engine], same[f"stem/{n}"][drawn[n] == engine]) for n in drawn]
        before, after = (np.concatenate(side) for side in zip(*parts, strict=True))
        if len(before):
            found.append((engine, mean_figure(before), mean_figure(after), len(before)))
    return found


def section(ready: ReadySystem, cases: list[Case], recipe: Recipe, engines: Mapping[str, str]) -> tuple[str, Any]:
    """Tables of one system, and its figures as plain values."""
    others = [case.name for case in cases if case.name != OWN]
    head = ["", OWN, *(cell for name in others for cell in (name, "change"))]
    rows, facts = [], {}
    for label, figures in rows_of(cases):
        cells = [label, str(figures[OWN][0])]
        for name in others:
            cells += [str(figures[name][0]), str(figures[name][1])]
        rows.append(cells)
        facts[label] = {name: {"R@10": f.told(), "change": c.told()} for name, (f, c) in figures.items()}
    parts = [f"### {ready.facts.name}\n", table(head, rows)]
    worst = {label: facts[label][SAME]["change"][0] for label in ("mean of stems", "mixture") if label in facts}
    within = ", ".join(f"{label} {change:+.0f} %" for label, change in worst.items())
    verdict = "less than" if all(change > LIMIT_PERCENT for change in worst.values()) else "more than"
    parts.append(f"\nWith one foreign engine R@10 changes by {within}: {verdict} a third is lost.")
    engine_rows = [
        [name, str(before), str(after), str(n)] for name, before, after, n in by_engine(recipe, cases, engines)
    ]
    parts.append("\nStems by the engine that was drawn, among all candidates:\n")
    parts.append(table(["engine", "same styles by fxlens", "by the engine", "styles"], engine_rows))
    return "\n".join(parts), facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, PAGE)
    parser.add_argument("--without", action="append", default=[], metavar="ENGINE", help="leave an engine out")
    arguments = parser.parse_args()
    engines, lacking = present_engines()
    engines = {name: version for name, version in engines.items() if name not in arguments.without}
    for name, how in lacking.items():
        console.say(f"{name} is left out: {how}")
    material = material_of(arguments)
    settings = settings_of(arguments, material)
    recipe = make_recipe(material.evaluation, settings)
    sections, facts = [], {}
    with Stages() as stages:
        on = conditions_of(arguments, stages)
        ready = open_ready(systems_of(arguments), material, settings, on)
        for system, cases in zip(ready, cases_of(material, settings, ready, engines, on), strict=True):
            text, found = section(system, cases, recipe, engines)
            sections.append(text)
            facts[system.facts.identity] = found
            console.result(text)
    told = ", ".join(f"{name} {version}" for name, version in engines.items())
    if lacking:
        told += f" ({', '.join(lacking)} not installed)"
    head = INTRODUCTION.format(engines=told, chance=100.0 * min(10, settings.styles) / settings.styles)
    source = origin(recipe, material.manifest_sha256, [system.facts for system in ready], command_line())
    tables = "\n\n".join(sections)
    translation = TRANSLATION.format(table=table(("effect", "pedalboard", "SciPy", "SoX"), TRANSLATED))
    write_page(arguments.output, "\n".join([head, tables, "", source, "", translation]), facts)
    if arguments.output.resolve() == PAGE.resolve():
        put_into(MODEL_PAGE, "foreign-engines", tables)
    console.result(f"written: {arguments.output}")


if __name__ == "__main__":
    main()
