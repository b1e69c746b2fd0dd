"""The options of ``fxlens match``, and what is typed for them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fxlens.errors import UsageError

if TYPE_CHECKING:
    from fxlens.effects.chain import EffectChain
    from fxlens.matching.match_result import Level


class SearchMethod(str, Enum):
    """How settings are searched."""

    gradient = "gradient"
    cma = "cma"
    auto = "auto"


DryArgument = Annotated[
    list[Path], typer.Argument(metavar="DRY...", help="A dry track; several, or a folder of stems, are a batch.")
]
ReferenceOption = Annotated[
    list[Path], typer.Option("--reference", "-r", help="What it shall sound like; may be repeated.")
]
WeightOption = Annotated[
    list[float] | None, typer.Option("--weight", "-w", help="Of each reference.", show_default="1")
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="File to write; a folder for a batch.")]
QueryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--query", "-q", metavar="[FILE=]INSTRUMENT",
        help="The instrument of the reference that is meant; in a batch FILE=INSTRUMENT for one stem (FILE= means the "
        "whole reference).",
        show_default="the whole reference; in a batch what the names of the stems say",
    ),
]  # fmt: skip
QueryAudioOption = Annotated[
    Path | None, typer.Option(help="That instrument alone, instead of its name.", show_default="none")
]
ChainOption = Annotated[
    str | None,
    typer.Option(
        metavar="EFFECTS|FILE", help="Effects in order, e.g. eq,comp,delay; or a preset: a first guess.",
        show_default="a mix chain",
    ),
]  # fmt: skip
LockOption = Annotated[
    list[str] | None,
    typer.Option("--lock", metavar="SETTING", help="What keeps its settings: delay, delay.time_ms; may be repeated."),
]
AmountOption = Annotated[float, typer.Option(help="Share of the effects that is applied, 0 to 1.")]
LevelOption = Annotated[str, typer.Option(metavar="dry|reference|LUFS", help="Loudness of the result.")]
MethodOption = Annotated[
    SearchMethod, typer.Option(help="cma needs no gradient; auto takes it where the gradient fails.")
]
StepsOption = Annotated[int, typer.Option(min=1, help="Steps of each restart.")]
RestartsOption = Annotated[int, typer.Option(min=1, help="Start points; the best result counts.")]
SecondsOption = Annotated[float, typer.Option(min=0.5, help="Length of the excerpts it is searched on.")]
ExcerptsOption = Annotated[int, typer.Option(min=1, help="How many; the most typical places of the track.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the start points.")]
PresetOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Where the preset goes.", show_default="beside the output, .preset.json"),
]
ExportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--export", metavar="FORMAT",
        help="Also write the preset as sheet, pedalboard, ffmpeg or json, beside the output; may be repeated.",
    ),
]  # fmt: skip
CurveOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the loss at every step: .csv, .svg or .png.")
]
SuffixOption = Annotated[
    str | None, typer.Option(help="Format in a folder, e.g. .flac.", show_default="that of each stem")
]
SumOption = Annotated[
    Path | None, typer.Option("--sum", metavar="FILE", help="In a batch: also write the sum of all results.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="In a batch: pass by stems that were matched like that before.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def chain_named(text: str | None, rooms: Path | None) -> EffectChain | None:
    """Read ``--chain``: names of effects, or a preset file.

    Raises:
        UsageError: an effect that there is not, or no such file.
        PresetError: the file is no preset.
    """
    from fxlens.effects.chain import EffectChain
    from fxlens.matching.chain_parts import chain_of

    if text is None:
        return None
    if text.lower().endswith(".json") or Path(text).is_file():
        chain = EffectChain.load(Path(text), rooms)
        chain.require_rooms()
        return chain
    return chain_of([name for name in text.split(",") if name.strip()])


def level_named(text: str) -> Level:
    """Read ``--level``.

    Raises:
        UsageError: neither dry nor reference nor a number.
    """
    from fxlens.matching.match import require_level

    level: Level
    try:
        level = float(text)
    except ValueError:
        level = text  # type: ignore[assignment]
    require_level(level)
    return level


def queries_of(texts: list[str] | None, batch: bool) -> tuple[str | None, dict[str, str]]:
    """Read ``--query``: the instrument of all, and those of single stems.

    Raises:
        UsageError: several for one track, or several for all stems.
    """
    every: list[str] = []
    named: dict[str, str] = {}
    for text in texts or ():
        name, equals, instrument = text.partition("=")
        if equals and batch:
            named[name.strip()] = instrument.strip()
        else:
            every.append(text)
    if len(every) > 1:
        hint = "; write FILE=INSTRUMENT for single stems" if batch else ""
        raise UsageError(f"--query says two instruments, {every[0]!r} and {every[1]!r}{hint}")
    return (every[0] if every else None), named
