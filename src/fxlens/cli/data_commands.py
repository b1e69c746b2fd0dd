"""``fxlens data``: make the material of training and evaluation ready."""

from __future__ import annotations

import json
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli import console

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

    auto = "auto"
    folder = "folder"
    musdb = "musdb"
    medleydb = "medleydb"
    medleydb_raw = "medleydb-raw"
    moisesdb = "moisesdb"


@app.command()
def prepare(
    output: Annotated[Path, typer.Option("--output", "-o", help="Manifest to write (jsonl).")],
    root: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of the data set, or of songs: <song>/<stem>.wav",
            show_default="$MUSDB_PATH, $MEDLEYDB_PATH or $MOISESDB_PATH",
        ),
    ] = None,
    kind: Annotated[Kind, typer.Option(help="Layout of the folder.")] = Kind.auto,
    evaluation: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Song (or pattern) to evaluate on; repeatable.")
    ] = None,
    validation: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Song (or pattern) for validation; repeatable.")
    ] = None,
    evaluation_share: Annotated[
        float | None, typer.Option(help="Share 0-1 of the other songs.", show_default="by kind")
    ] = None,
    validation_share: Annotated[
        float | None, typer.Option(help="Share 0-1 of the other songs.", show_default="by kind")
    ] = None,
    keep_bleed: Annotated[
        bool, typer.Option("--keep-bleed", help="Keep stems in which other instruments are heard.")
    ] = False,
    metadata: Annotated[Path | None, typer.Option(help="Folder of <song>_METADATA.yaml, for MedleyDB.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of all that is drawn.", show_default="0")] = None,
    jobs: Jobs = 2,
) -> None:
    """Measure the stems of a folder and write its manifest.

    MUSDB18 (stems and HQ), MedleyDB and MoisesDB are recognised by their layout; any other folder is one of songs.
    What was measured before is not measured again, so an interrupted call goes on where it stopped.
    """
    from fxlens.data.adapters import preparation
    from fxlens.data.adapters.scan import SplitWish

    folder, layout = preparation.locate(root, None if kind is Kind.auto else kind.value)
    split = None
    if evaluation or validation or evaluation_share is not None or validation_share is not None or seed is not None:
        split = SplitWish(
            tuple(evaluation or ()), tuple(validation or ()),
            layout.shares[0] if evaluation_share is None else evaluation_share,
            layout.shares[1] if validation_share is None else validation_share, seed or 0,
        )  # fmt: skip
    with console.Progress("stem") as progress:
        scan = preparation.prepare(
            folder, output, layout, split=split, metadata=metadata, keep_bleed=keep_bleed, jobs=jobs,
            progress=progress,
        )  # fmt: skip
    splits = Counter(song.split for song in scan.multitracks)
    stems = sum(len(song.stems) for song in scan.multitracks)
    counted = ", ".join(f"{count} {name}" for name, count in sorted(splits.items()))
    called = "" if layout.name == "folder" else f"{layout.name}, "
    console.result(f"{output}: {called}{len(scan.multitracks)} songs ({counted}), {stems} stems")
    for reason, count in sorted(Counter(scan.passed_over.values()).items()):
        console.say(f"{count} stems were passed over: {reason}")
    if _report(output, scan.left_out):
        raise typer.Exit(3)


def _report(output: Path, left_out: dict[Path, str]) -> bool:
    """Say what was left out and list it in ``<output>.errors.jsonl``; tell whether there was any."""
    from fxlens.whole_files import write_text

    errors = output.with_name(output.name + ".errors.jsonl")
    if not left_out:
        errors.unlink(missing_ok=True)
        return False
    for reason in left_out.values():
        console.say(reason)
    lines = [json.dumps({"path": str(path), "message": reason}) for path, reason in left_out.items()]
    write_text(errors, "\n".join(lines) + "\n")
    console.say(f"{len(lines)} files were left out, see {errors}")
    return True


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
    from fxlens.data.synthesis.synthetic import synthesize_collection

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
    from fxlens.data.midi.collection import render_collection
    from fxlens.data.midi.song import RenderSettings

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
