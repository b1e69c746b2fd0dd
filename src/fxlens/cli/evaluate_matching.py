"""``fxlens evaluate matching``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from fxlens.cli import console
from fxlens.cli.evaluate_options import (
    CacheOption,
    InstrumentOption,
    JobsOption,
    KeepAudio,
    ManifestOption,
    OutputOption,
    Ranges,
    RangesOption,
    SecondsOption,
    SeedOption,
    Split,
    SplitOption,
    Stages,
    SystemOption,
    TrainOption,
    command_line,
    make_conditions,
    open_material,
)
from fxlens.cli.model_option import Device, DeviceOption


class Method(str, Enum):
    """How settings are searched."""

    gradient = "gradient"
    cma = "cma"
    auto = "auto"


class Reference(str, Enum):
    """Which music the reference is."""

    other = "other"
    same = "same"
    both = "both"


def matching(
    manifest: ManifestOption,
    output: OutputOption,
    cache: CacheOption,
    system: SystemOption = None,
    instrument: InstrumentOption = None,
    triplets: Annotated[int, typer.Option(min=2, help="Of each instrument.")] = 100,
    steps: Annotated[int, typer.Option(min=1, help="Of each restart.")] = 200,
    restarts: Annotated[int, typer.Option(min=1, help="The best is chosen by the embedding, never by L_d.")] = 3,
    reference: Annotated[Reference, typer.Option(help="Other music under the chain, or the target itself.")] = (
        Reference.both
    ),
    method: Annotated[Method, typer.Option(help="cma needs no gradient; auto: where the gradient fails.")] = (
        Method.gradient
    ),
    oracle: Annotated[bool, typer.Option("--oracle/--no-oracle", help="Also minimise L_d directly.")] = True,
    ranges: RangesOption = Ranges.default,
    seconds: SecondsOption = 5.0,
    split: SplitOption = Split.evaluation,
    not_an_evaluation: TrainOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    jobs: JobsOption = 2,
) -> None:
    """Set seven effects so that clean audio meets a reference's embedding; how near is the target (L_d)?"""
    from dataclasses import replace

    from fxlens.evaluation.matching.evaluate import SEARCH, evaluate_matching
    from fxlens.evaluation.matching.triplets import CONTENTS, Content, TripletSettings
    from fxlens.evaluation.results import save_results

    material, chosen = open_material(manifest, split, not_an_evaluation, instrument, seconds)
    settings = TripletSettings(chosen, triplets, seconds, ranges.value, seed)
    search = replace(SEARCH, steps=steps, restarts=restarts, method=method.value, seed=seed)
    contents: tuple[Content, ...] = CONTENTS if reference is Reference.both else (reference.value,)
    missing = False
    with Stages() as stages:
        conditions = make_conditions(cache, jobs, device, KeepAudio.auto, stages)
        found = evaluate_matching(
            material, settings, system or ["fxlens"], conditions, search, contents, oracle, command_line()
        )
        for results in found:
            save_results(output, results)
            missing = missing or any(result.missing is not None for result in results)
            for result in results:
                if result.missing is not None:
                    console.say(f"{result.system.name}, {result.task} {result.column}: no figure: {result.missing}")
                    continue
                low, high = result.intervals["L_d"]
                what = " ".join(part for part in (result.task, result.column) if part)
                console.result(
                    f"{result.system.name:24} {what:44} L_d {result.metrics['L_d']:.3f} [{low:.3f}, {high:.3f}]"
                )
    console.result(f"{output}: fxlens report makes tables of it")
    if missing:
        raise typer.Exit(3)
