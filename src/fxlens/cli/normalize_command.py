"""``fxlens normalize``."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fxlens.cli import console

if TYPE_CHECKING:
    from fxlens.data.normalization.normalize import NormalizeResult


class Bits(str, Enum):
    """Sizes of a sample."""

    sixteen = "16"
    twenty_four = "24"


def normalize(
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="Manifests of stems.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    statistics: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Apply these.", show_default="fitted to the songs of split train"),
    ] = None,
    fit_only: Annotated[bool, typer.Option("--fit-only", help="Write statistics.json, and no audio.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Stems at a time.")] = 2,
    bits: Annotated[Bits, typer.Option(help="Of a sample of the flac files.")] = Bits.twenty_four,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after an interruption or a change.")] = False,
) -> None:
    """Make the stems of each instrument alike in tone, dynamics, image and loudness.

    Fx-normalisation: averages are fitted to the training songs and applied to all. DIR then holds
    SONG/STEM.flac (44.1 kHz, stereo), manifest.jsonl, statistics.json, report.csv (what changed, a row a stem) and
    summary.md. Stems that cannot be read are listed in normalize.errors.jsonl.
    """
    from fxlens.data.normalization.normalize import NormalizeSettings, normalize_stems

    settings = NormalizeSettings(statistics, fit_only, jobs, resume, int(bits.value))
    try:
        with console.Progress("stem") as progress:
            done = normalize_stems(manifests, output, settings, progress=progress)
    except KeyboardInterrupt:
        console.say(f"interrupted: what is finished is kept in {output}; go on with --resume")
        raise typer.Exit(130) from None
    _report(done, output, fit_only)


def _report(done: NormalizeResult, output: Path, fit_only: bool) -> None:
    from fxlens.data.normalization.normalize import MANIFEST, STATISTICS
    from fxlens.whole_files import write_text

    fitted = done.statistics
    if fit_only:
        console.result(f"{output / STATISTICS}: {len(fitted.classes)} classes, {fitted.songs} songs")
    else:
        console.result(done.summary)
        before = f", {done.finished_before} of them before" if done.finished_before else ""
        console.result(f"{output / MANIFEST}: {len(done.multitracks)} songs, {len(done.reports)} stems{before}")
    errors = output / "normalize.errors.jsonl"
    if not done.left_out:
        errors.unlink(missing_ok=True)
        return
    for reason in done.left_out.values():
        console.say(reason)
    lines = [json.dumps({"stem": name, "message": reason}) for name, reason in done.left_out.items()]
    write_text(errors, "\n".join(lines) + "\n")
    console.say(f"{len(lines)} stems were left out, see {errors}")
    raise typer.Exit(3)
