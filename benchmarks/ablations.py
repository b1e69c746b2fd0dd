"""Train configurations under one budget, on the same songs, with several seeds, and compare them.

    python benchmarks/ablations.py paper-small dialects heads --seeds 2 --budget-minutes 60 \\
        --manifest real.jsonl --manifest midi.jsonl --work ablations --cache cache

Configurations are files, shipped ones or those of configs/ablations; ``all`` stands for all of the latter. Runs,
timings, pools and embeddings are kept in the work folder and the cache: interrupt it and call it again. After each run
the table is written anew: docs/benchmarks/ablations.md, its figures as JSON, and its place in docs/model.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ablation_runs import (
    CONFIGS,
    Budget,
    Run,
    description,
    extended,
    find_config,
    pool_of,
    render_pool,
    steps_in,
    under_budget,
)
from ablation_scores import MEASURES, measure
from bench_options import add_options, command_line, conditions_of, material_of, settings_of
from bench_pages import MODEL_PAGE, origin, put_into, table, write_page
from bench_scores import difference, mean_figure, open_ready

from fxlens.cli import console
from fxlens.cli.evaluate_options import Stages
from fxlens.config import load
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, make_recipe
from fxlens.evaluation.results import SystemFacts
from fxlens.training.settings import TrainSettings

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "ablations.md"
Earned = dict[str, np.ndarray]
Found = dict[str, list[tuple[Run, Earned]]]
"""By configuration: its runs, one a seed, and what the styles earn by measure."""

INTRODUCTION = """# Ablations

Every row is the configuration in the column *against* with one thing changed, trained on the same songs with {budget},
from a pool of {blocks} blocks rendered beforehand, effects drawn alike throughout; what a configuration states in steps
is scaled with them. R@10 in percent: *stems*, mean over instruments; *mixture*; *asked*: one instrument by its name
inside mixtures that share only its chain, mean over instruments{single}. Cells: mean over seeds with a 95 % bootstrap
interval over styles, and, in the columns Δ, the difference in points to the configuration that it stands against,
paired over styles. The last column has the stems' figure of each seed: what differs less than seeds do is no
difference.
"""


def planned(
    name: str, arguments: argparse.Namespace, material: Material, budget: Budget, seed: int
) -> tuple[Run, Path]:
    """The run of a configuration and a seed, with its pool."""
    path = find_config(name)
    given = [f"material.manifests=[{', '.join(str(m.resolve()) for m in arguments.manifest)}]", *arguments.set]
    settings = load(TrainSettings, path, given)
    pool = pool_of(settings, material.manifest_sha256, arguments.work)
    settings = replace(settings, material=replace(settings.material, pool=pool, render_jobs=0))
    timings = arguments.work / "timings" / path.stem
    render_pool(settings, pool, budget.blocks, arguments.jobs)
    first = under_budget(settings, budget.steps or settings.steps, budget.blocks, 0)
    steps = budget.steps or steps_in(budget.minutes, first, timings)
    final = under_budget(settings, steps, budget.blocks, seed)
    return Run(path.stem, final, arguments.work / "runs" / f"{path.stem}-{steps}-{seed}"), path


def row(name: str, path: Path, found: Found, against: str | None, shown: Sequence[str]) -> tuple[list[str], Any]:
    """Cells of one configuration, and its figures as plain values.

    Args:
        name: of the configuration.
        path: its file.
        found: runs of all, with what their styles earn.
        against: the configuration to compare with; None compares with none.
        shown: the measures that have columns.
    """
    runs = found[name]
    steps = runs[0][0].settings.steps
    cells = [name, description(path), against or "–", str(steps)]
    facts: dict[str, Any] = {"what": cells[1], "against": against, "steps": steps, "seeds": len(runs)}
    for kind in shown:
        own = [earned[kind] for _, earned in runs if kind in earned]
        other = [earned[kind] for _, earned in found.get(against or "", []) if kind in earned]
        if not own:
            cells += ["–", "–"]
            continue
        mean = np.mean(own, axis=0)
        facts[kind] = {"R@10": mean_figure(mean).told(), "seeds": [round(float(x.mean()), 4) for x in own]}
        cells.append(str(mean_figure(mean)))
        if other:
            change = difference(np.mean(other, axis=0), mean)
            facts[kind]["difference"] = change.told()
            cells.append(f"{change.value:+.1f} [{change.low:+.1f}, {change.high:+.1f}]")
        else:
            cells.append("–")
    cells.append(" / ".join(f"{earned['stems'].mean():.1f}" for _, earned in runs))
    return cells, facts


def write_table(
    found: Found,
    paths: dict[str, Path],
    material: Material,
    settings: BenchmarkSettings,
    arguments: argparse.Namespace,
    systems: Sequence[SystemFacts] = (),
) -> None:
    """Write what there is by now. What extends none of those that were run is compared with the first."""
    shown = [kind for kind in MEASURES if any(kind in earned for runs in found.values() for _, earned in runs)]
    head = [
        "configuration",
        "what",
        "against",
        "steps",
        *(cell for kind in shown for cell in (kind, "Δ")),
        "stems by seed",
    ]
    lines, facts = [], {}
    first = next(iter(found))
    for name in found:
        below = extended(paths[name])
        against = None if name == first else below if below in found else first
        cells, facts[name] = row(name, paths[name], found, against, shown)
        lines.append(cells)
    budget = f"{arguments.budget_steps} steps" if arguments.budget_steps else f"{arguments.budget_minutes:g} minutes"
    text = INTRODUCTION.format(
        budget=f"{budget} each",
        blocks=arguments.blocks,
        single=f"; *single*: chains of one effect, {arguments.single_styles} candidates" if "single" in shown else "",
    )
    made = table(head, lines)
    source = origin(make_recipe(material.evaluation, settings), material.manifest_sha256, systems, command_line())
    write_page(arguments.output, "\n".join([text, made, "", source]), facts)
    if arguments.output.resolve() == PAGE.resolve():
        put_into(MODEL_PAGE, "ablations", made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="+", help="the first is the base")
    add_options(parser, PAGE)
    parser.add_argument("--work", type=Path, required=True, help="folder for runs and pools")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--budget-steps", type=int, default=0)
    parser.add_argument("--budget-minutes", type=float, default=0.0)
    parser.add_argument("--blocks", type=int, default=2000, help="style blocks of a pool")
    parser.add_argument("--single-styles", type=int, default=0, help="candidates of single effects; 0 leaves them out")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for all configurations")
    arguments = parser.parse_args()
    if bool(arguments.budget_steps) == bool(arguments.budget_minutes):
        parser.error("give --budget-steps or --budget-minutes")
    names = [name for given in arguments.config for name in (_all() if given == "all" else [given])]
    material = material_of(arguments)
    settings = settings_of(arguments, material)
    budget = Budget(arguments.budget_steps, arguments.budget_minutes, arguments.blocks)
    found: Found = {}
    paths: dict[str, Path] = {}
    systems: list[SystemFacts] = []
    for seed in range(arguments.seeds):
        for name in dict.fromkeys(names):
            run, path = planned(name, arguments, material, budget, seed)
            paths[run.name] = path
            console.say(f"{run.folder.name}: {'is there' if run.finished() else 'training'}")
            run.train()
            with Stages() as stages:
                on = conditions_of(arguments, stages)
                ready = open_ready([f"fxlens:{run.model}"], material, settings, on)[0]
                earned = measure(ready, material, settings, arguments.single_styles, on)
            systems.append(replace(ready.facts, name=run.folder.name))
            found.setdefault(run.name, []).append((run, earned))
            told = ", ".join(f"{kind} {values.mean():.1f}" for kind, values in earned.items())
            console.result(f"{run.folder.name}: {told}")
            write_table(found, paths, material, settings, arguments, systems)
    console.result(f"written: {arguments.output}")


def _all() -> list[str]:
    return sorted(path.stem for path in (CONFIGS / "ablations").glob("*.yaml"))


if __name__ == "__main__":
    main()
