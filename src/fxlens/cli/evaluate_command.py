"""``fxlens evaluate``: figures of systems on songs of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fxlens.cli import console
from fxlens.cli.evaluate_matching import matching
from fxlens.cli.evaluate_options import (
    CacheOption,
    CountsOption,
    EachOption,
    InstrumentOption,
    JobsOption,
    KeepAudio,
    KeepOption,
    ManifestOption,
    OutputOption,
    Ranges,
    RangesOption,
    SecondsOption,
    SeedOption,
    Split,
    SplitOption,
    Stages,
    StylesOption,
    SystemOption,
    TrainOption,
    command_line,
    make_conditions,
    open_material,
)
from fxlens.cli.model_option import Device, DeviceOption
from fxlens.errors import UsageError

if TYPE_CHECKING:
    from fxlens.evaluation.benchmark.conditions import Conditions
    from fxlens.evaluation.benchmark.material import Material
    from fxlens.evaluation.benchmark.pools import Pool
    from fxlens.evaluation.results import Result

app = typer.Typer(
    help="Evaluate systems on songs with stems; fxlens report makes tables of it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def retrieval(
    manifest: ManifestOption,
    output: OutputOption,
    cache: CacheOption,
    system: SystemOption = None,
    instrument: InstrumentOption = None,
    styles: StylesOption = 500,
    counts: CountsOption = "1-8",
    each_count: EachOption = False,
    single_effects: Annotated[
        bool, typer.Option("--single-effects", help="Also with each type of effect alone.")
    ] = False,
    ranges: RangesOption = Ranges.default,
    seconds: SecondsOption = 10.0,
    split: SplitOption = Split.evaluation,
    not_an_evaluation: TrainOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    jobs: JobsOption = 2,
    keep_audio: KeepOption = KeepAudio.auto,
) -> None:
    """Search clips of other songs for the same effects: stems and mixtures."""
    material, chosen = open_material(manifest, split, not_an_evaluation, instrument, seconds)
    pools = _pools(counts, each_count, single_effects)
    _run(
        "retrieval", material, chosen, pools, styles, ranges, seconds, seed,
        system, make_conditions(cache, jobs, device, keep_audio), output,
    )  # fmt: skip


@app.command()
def extraction(
    manifest: ManifestOption,
    output: OutputOption,
    cache: CacheOption,
    system: SystemOption = None,
    instrument: InstrumentOption = None,
    styles: StylesOption = 500,
    counts: CountsOption = "1-8",
    each_count: EachOption = False,
    ranges: RangesOption = Ranges.default,
    seconds: SecondsOption = 10.0,
    split: SplitOption = Split.evaluation,
    not_an_evaluation: TrainOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    jobs: JobsOption = 2,
    keep_audio: KeepOption = KeepAudio.auto,
) -> None:
    """Search mixtures for the effects on one instrument, as the paper has it and controlled."""
    material, chosen = open_material(manifest, split, not_an_evaluation, instrument, seconds)
    pools = _pools(counts, each_count, False)
    _run(
        "extraction", material, chosen, pools, styles, ranges, seconds, seed,
        system, make_conditions(cache, jobs, device, keep_audio), output,
    )  # fmt: skip


@app.command()
def sensitivity(
    manifest: ManifestOption,
    output: OutputOption,
    cache: CacheOption,
    system: SystemOption = None,
    instrument: InstrumentOption = None,
    bases: Annotated[int, typer.Option(min=2, help="Excerpts with settings, for every effect.")] = 24,
    ranges: RangesOption = Ranges.default,
    seconds: SecondsOption = 5.0,
    split: SplitOption = Split.evaluation,
    not_an_evaluation: TrainOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    jobs: JobsOption = 2,
) -> None:
    """Move one parameter in steps: does the embedding move along?"""
    from fxlens.evaluation.sensitivity.evaluate import evaluate_sensitivity
    from fxlens.evaluation.sensitivity.settings import SensitivitySettings

    material, chosen = open_material(manifest, split, not_an_evaluation, instrument, seconds, songs=1)
    settings = SensitivitySettings(chosen, bases, seconds, ranges.value, seed=seed)
    with Stages() as stages:
        conditions = make_conditions(cache, jobs, device, KeepAudio.auto, stages)
        _save(evaluate_sensitivity(material, settings, system or ["fxlens"], conditions, command_line()), output)


app.command()(matching)


@app.command()
def systems() -> None:
    """List the systems that can be evaluated."""
    from fxlens.evaluation.systems.registry import known_systems

    known = known_systems()
    width = max(map(len, known))
    for form, text in known.items():
        console.result(f"{form:{width}}  {text}")


def _run(
    protocol: Literal["retrieval", "extraction"],
    material: Material,
    instruments: tuple[str, ...],
    pools: tuple[Pool, ...],
    styles: int,
    ranges: Ranges,
    seconds: float,
    seed: int,
    specs: list[str] | None,
    conditions: Conditions,
    output: Path,
) -> None:
    from fxlens.evaluation.benchmark.evaluate import evaluate_benchmark
    from fxlens.evaluation.benchmark.recipe import BenchmarkSettings

    settings = BenchmarkSettings(instruments, pools, styles, seconds, ranges.value, seed=seed)
    _save(evaluate_benchmark(protocol, material, settings, specs or ["fxlens"], conditions, command_line()), output)


def _pools(counts: str, each_count: bool, single_effects: bool) -> tuple[Pool, ...]:
    from fxlens.evaluation.benchmark.pools import balanced_pool, pool_for_each, single_effect_pools

    numbers: list[int] = []
    for part in counts.split(","):
        found = re.fullmatch(r"\s*([1-8])\s*(?:-\s*([1-8]))?\s*", part)
        if found is None:
            raise UsageError(f"--counts {counts!r}: write numbers from 1 to 8, e.g. 1-8 or 1,2,4")
        numbers += range(int(found[1]), int(found[2] or found[1]) + 1)
    if not numbers or len(set(numbers)) < len(numbers):
        raise UsageError(f"--counts {counts!r}: write each number once, the smaller end of a range first")
    pools = pool_for_each(numbers) if each_count else balanced_pool(numbers)
    return pools + (single_effect_pools() if single_effects else ())


def _save(found: Iterable[list[Result]], output: Path) -> None:
    """Write the results of each system as soon as it is done."""
    from fxlens.evaluation.results import save_results

    missing = 0
    for results in found:
        save_results(output, results)
        missing += any(not result.system.is_there for result in results)
        _tell(results)
    console.result(f"{output}: fxlens report makes tables of it")
    if missing:
        raise typer.Exit(3)


def _tell(results: list[Result]) -> None:
    """One line a task, of the whole pool or the mean; one line a reason."""
    reasons = {result.missing: result for result in results if result.missing is not None and result.system.is_there}
    for reason, first in reasons.items():
        console.say(f"{first.system.name}: no figure for {first.task} {first.column} and its like: {reason}")
    for result in results:
        name = "rho" if "rho" in result.metrics else "R@10"
        part = " of " in result.pool or (name == "rho" and result.pool != "all parameters")
        if part or name not in result.metrics:
            continue
        low, high = result.intervals[name]
        what = " ".join(text for text in (result.task, result.column, f"({result.pool})") if text)
        console.result(f"{result.system.name:24} {what:66} {name} {result.metrics[name]:.2f} [{low:.2f}, {high:.2f}]")
