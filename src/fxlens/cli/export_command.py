"""``fxlens export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli import console
from fxlens.cli.rooms_option import RoomsOption


def export(
    chain: Annotated[Path, typer.Argument(metavar="CHAIN.json", help="The effect chain.")],
    format: Annotated[
        str, typer.Option("--format", "-f", help="sheet (to dial in by hand), pedalboard, ffmpeg or json.")
    ] = "sheet",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write.", show_default="stdout")
    ] = None,
    amount: Annotated[float, typer.Option(help="How much of the chain, 0 (bypass) to 1.")] = 1.0,
    tempo: Annotated[
        float | None, typer.Option(metavar="BPM", help="Give times as note values too (sheet).", show_default="none")
    ] = None,
    sample_rate: Annotated[
        int, typer.Option(metavar="HZ", help="Of the audio it is for (pedalboard, ffmpeg).")
    ] = 44_100,
    rooms: RoomsOption = None,
    write_rooms: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write the rooms of reverbs there and use them (pedalboard, ffmpeg).",
            show_default="approximate or leave out",
        ),
    ] = None,
) -> None:
    """Write an effect chain for people or other programs.

    What a format cannot say is printed to stderr, or stands in its comments:
    ffmpeg -i in.wav -af "$(fxlens export chain.json -f ffmpeg)" out.wav
    """
    from fxlens.effects.amount import at_amount
    from fxlens.effects.chain import EffectChain
    from fxlens.effects.export import formats
    from fxlens.errors import OutputError

    effects = at_amount(EffectChain.load(chain, rooms), amount)
    exported = formats.export(effects, format, sample_rate, tempo, write_rooms)
    for note in exported.notes:
        console.say(note)
    if output is None:
        console.result(exported.text.removesuffix("\n"))
        return
    try:
        output.write_text(exported.text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{output}: it cannot be written: {error.strerror or error}") from error
    console.result(str(output))
