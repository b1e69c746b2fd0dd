"""``fxlens train`` and ``fxlens import-official``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli import console
from fxlens.errors import ConfigError, UsageError

_CONFIGS = Path(__file__).parents[1] / "configs"


def train(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="Folder of the run.")],
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            "-c",
            help="YAML file, or a shipped one: small, small-joint, small-listening, paper-small, paper.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Overrule a value, e.g. loss.temperature=0.2."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from RUN's newest checkpoint.")] = False,
) -> None:
    """Train a model on the stems of manifests."""
    if config is not None:
        file = shipped_config(config)
    elif resume and (output / "config.yaml").is_file():
        file = output / "config.yaml"
    else:
        raise UsageError("which configuration? --config small, --config paper, or a YAML file")
    if not resume and (output / "checkpoints" / "last.ckpt").exists():
        raise UsageError(f"{output} holds a training run: add --resume, or choose another folder")

    from fxlens.config import load
    from fxlens.training.settings import TrainSettings

    chosen = load(TrainSettings, file, settings or ())
    if not chosen.material.manifests and chosen.material.render_jobs:
        raise ConfigError(
            f"{file}: material.manifests is empty; 'fxlens data prepare' writes manifests, "
            "name them with --set material.manifests='[manifest.jsonl]'"
        )

    from fxlens.training.trainer import train as run_training

    try:
        model = run_training(chosen, output, resume)
    except (KeyboardInterrupt, SystemExit) as stop:
        # Lightning puts its checkpoint away, then leaves with code 1 where Ctrl-C had been pressed.
        if isinstance(stop, SystemExit) and not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        console.say(f"interrupted: the checkpoints in {output} are kept; go on with --resume")
        raise typer.Exit(130) from None
    console.result(str(model))


def shipped_config(name: str) -> Path:
    """Find a configuration: a file, or the name of a shipped one.

    Raises:
        ConfigError: neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = sorted(file.relative_to(_CONFIGS).with_suffix("").as_posix() for file in _CONFIGS.rglob("*.yaml"))
    if name.removesuffix(".yaml") in shipped:
        return _CONFIGS / f"{name.removesuffix('.yaml')}.yaml"
    raise ConfigError(f"{name}: no such configuration file, and the shipped ones are {', '.join(shipped)}")


def import_official(
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help="fxenc_plusplus_default.pt")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.")],
) -> None:
    """Convert the public Fx-Encoder++.

    Bring its checkpoint; the result is a model folder. The weights are CC BY-NC 4.0: not for commercial use.
    """
    from fxlens.models.official import import_official as convert

    console.result(f"{output}: {convert(checkpoint, output).model_id}")
