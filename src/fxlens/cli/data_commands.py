"""``fxlens data``: make the material of training and evaluation ready."""

from __future__ import annotations

import json
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli import console
from fxlens.errors import UsageError

app = typer.Typer(
    help="Prepare stems, or make them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Done at once.")]
Seed = Annotated[int, typer.Option(min=0, help="Of all that is drawn.")]


class Kind(str, Enum):
    """Layouts of folders."""

    folder = "folder"
    musdb = "musdb"
    medleydb = "medleydb"
    moisesdb = "moisesdb"


@app.command()
def prepare(
    root: Annotated[Path, typer.Argument(help="Folder of multitracks: <song>/<stem>.wav")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Manifest to write (jsonl).")],
    kind: Annotated[Kind, typer.Option(help="Layout of the folder.")] = Kind.folder,
    evaluation: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Song (or pattern) to evaluate on; repeatable.")
    ] = None,
    validation: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Song (or pattern) for validation; repeatable.")
    ] = None,
    evaluation_share: Annotated[float, typer.Option(help="Share 0-1 of the other songs.")] = 0.0,
    validation_share: Annotated[float, typer.Option(help="Share 0-1 of the other songs.")] = 0.0,
    seed: Seed = 0,
    jobs: Jobs = 2,
) -> None:
    """Measure a folder of stems and write its manifest."""
    if kind is not Kind.folder:
        raise UsageError(
            f"--kind {kind.value} comes later; arrange the stems as <song>/<stem>.wav and use --kind folder"
        )
    from fxlens.config import write_text
    from fxlens.data.adapters.folder import prepare as prepare_folder

    with console.Progress("file") as progress:
        scan = prepare_folder(
            root, output, tuple(evaluation or ()), jobs,
            validation_songs=tuple(validation or ()), evaluation_share=evaluation_share,
            validation_share=validation_share, seed=seed, progress=progress,
        )  # fmt: skip
    splits = Counter(song.split for song in scan.multitracks)
    stems = sum(len(song.stems) for song in scan.multitracks)
    counted = ", ".join(f"{count} {split}" for split, count in sorted(splits.items()))
    console.result(f"{output}: {len(scan.multitracks)} songs ({counted}), {stems} stems")
    errors = output.with_name(output.name + ".errors.jsonl")
    if not scan.left_out:
        errors.unlink(missing_ok=True)
        return
    for reason in scan.left_out.values():
        console.say(reason)
    lines = [json.dumps({"path": str(path), "message": reason}) for path, reason in scan.left_out.items()]
    write_text(errors, "\n".join(lines) + "\n")
    console.say(f"{len(lines)} files were left out, see {errors}")
    raise typer.Exit(3)


@app.command()
def synth(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the collection.")],
    songs: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    seconds: Annotated[float, typer.Option(help="Length of a song.")] = 30.0,
    seed: Seed = 0,
    jobs: Jobs = 1,
) -> None:
    """Compose and synthesise multitracks.

    Songs that are there already are kept, so an interrupted call goes on where it stopped.
    """
    from fxlens.data.synthetic import synthesize_collection

    with console.Progress("song") as progress:
        folders = synthesize_collection(
            output, songs, seconds, seed, jobs,
            progress=lambda song, done, total: progress(done, total, song),
        )  # fmt: skip
    console.result(f"{output}: {len(folders)} songs of {seconds:g} s")


@app.command()
def midi(
    source: Annotated[Path, typer.Argument(metavar="MIDI_DIR", help="Folder of General MIDI files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the collection.")],
    soundfont: Annotated[list[Path], typer.Option(help=".sf2 or .sf3; repeatable, each song draws one.")],
    voices: Annotated[
        Path | None, typer.Option(help="Folder of sung notes for a vocal stem.", show_default="no vocals")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="Longest excerpt.")] = 90.0,
    seed: Seed = 0,
    jobs: Jobs = 2,
) -> None:
    """Render MIDI files as dry multitracks.

    They are played with fluidsynth, without effects. Finished songs are kept.
    """
    from fxlens.data.midi import render_collection
    from fxlens.data.midi_song import RenderSettings

    with console.Progress("song") as progress:
        report = render_collection(
            source, output, soundfont, voices,
            settings=RenderSettings(seconds=seconds, seed=seed), jobs=jobs,
            progress=lambda what, done, total: progress(done, total, what),
        )  # fmt: skip
    for reason in report.left_out.values():
        console.say(reason)
    made, before, lost = len(report.rendered), len(report.finished_before), len(report.left_out)
    console.result(f"{output}: {made} songs rendered, {before} were there already, {lost} left out")
    if lost:
        raise typer.Exit(3 if made + before else 1)
