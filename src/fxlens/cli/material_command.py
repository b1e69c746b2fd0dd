"""``fxlens data material``: multitracks for training from many sources."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli import console


class Format(str, Enum):
    """File formats of stems."""

    flac = "flac"
    ogg = "ogg"


def material(
    sources: Annotated[Path, typer.Argument(help="Folder of unpacked packages: tools/material.py fetch.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the collection.")],
    songs: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    seconds: Annotated[float, typer.Option(min=5.0, help="Length of a song.")] = 80.0,
    midi: Annotated[list[Path] | None, typer.Option(help="Another folder of General MIDI files; repeatable.")] = None,
    voices: Annotated[Path | None, typer.Option(help="Folder of sung notes.", show_default="none")] = None,
    stem_format: Annotated[Format, typer.Option("--format", help="Of the stems.")] = Format.flac,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Done at once.")] = 1,
) -> None:
    """Render songs with soundfonts, synthesiser patches, strings, drum kits and singing speech.

    Finished songs are kept; the same seed gives the same songs.
    """
    from fxlens.data.material.rendering import MaterialSettings, render_material

    settings = MaterialSettings(sources, tuple(midi or ()), voices, seconds, seed, f".{stem_format.value}")
    with console.Progress("song") as progress:
        report = render_material(
            output, settings, songs, jobs=jobs,
            progress=lambda what, done, total: progress(done, total, what),
        )  # fmt: skip
    for reason in report.left_out.values():
        console.say(reason)
    made, before, lost = len(report.rendered), len(report.finished_before), len(report.left_out)
    console.result(f"{output}: {made} songs rendered, {before} were there already, {lost} left out")
    if lost:
        raise typer.Exit(3 if made + before else 1)
