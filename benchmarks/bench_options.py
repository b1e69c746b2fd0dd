"""Options that scripts on rendered benchmarks share, and what they open by them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fxlens.cli import console, evaluate_options
from fxlens.cli.evaluate_options import Stages, choose_device
from fxlens.cli.model_option import Device
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.instrument_stems import instruments_with_songs
from fxlens.evaluation.benchmark.material import Material, load_material
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings


def add_options(parser: argparse.ArgumentParser, page: Path) -> None:
    """Add the options of ``fxlens evaluate retrieval`` that make sense for a script that writes ``page``."""
    parser.add_argument("--manifest", action="append", type=Path, required=True, help="repeatable")
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder for clips and embeddings; makes runs resumable"
    )
    parser.add_argument("-s", "--system", action="append", metavar="SPEC", help="as of fxlens evaluate; repeatable")
    parser.add_argument(
        "-i", "--instrument", action="append", metavar="NAME", help="repeatable; default: all of two songs"
    )
    parser.add_argument("--styles", type=int, default=500, help="candidates of every query")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a clip")
    parser.add_argument("--split", choices=("evaluation", "validation"), default="evaluation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forget-audio", action="store_true", help="keep no clips; further systems render them again")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="processes")
    parser.add_argument("-d", "--device", choices=[d.value for d in Device], default=Device.auto.value)
    parser.add_argument(
        "-o", "--output", type=Path, default=page, help="page to write; figures go into a .json beside it"
    )


def material_of(arguments: argparse.Namespace) -> Material:
    return load_material(arguments.manifest, arguments.split)


def settings_of(arguments: argparse.Namespace, material: Material) -> BenchmarkSettings:
    """The recipe of ``fxlens evaluate retrieval`` with the same options: a common cache serves both."""
    names = tuple(arguments.instrument or instruments_with_songs(material.evaluation, arguments.seconds))
    return BenchmarkSettings(names, styles=arguments.styles, seconds=arguments.seconds, seed=arguments.seed)


def conditions_of(arguments: argparse.Namespace, stages: Stages) -> Conditions:
    device = choose_device(Device(arguments.device))
    keep = False if arguments.forget_audio else None  # None: where the disk has room
    return Conditions(arguments.cache, arguments.jobs, device, keep, stage=stages, say=console.say)


def systems_of(arguments: argparse.Namespace) -> list[str]:
    return arguments.system or ["fxlens"]


def command_line() -> str:
    """The command as typed, without folders."""
    return evaluate_options.command_line(f"python benchmarks/{Path(sys.argv[0]).name}")
