"""``fxlens match`` for one track."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fxlens.cli import console
from fxlens.cli.match_request import MatchRequest, effect_words, without_curves
from fxlens.cli.match_search_bar import SearchBar, best_so_far
from fxlens.cli.model_option import load_model
from fxlens.errors import OutputError, UsageError

if TYPE_CHECKING:
    from fxlens.matching.match_result import Match


def match_one(request: MatchRequest) -> None:
    """Match, write, and say what was done; exit 130 where the search was interrupted.

    Raises:
        FxLensError: of whatever cannot be used, or written.
    """
    from fxlens.dsp.compilation import compile_kernels
    from fxlens.matching.loss_curve import write_curve
    from fxlens.matching.match import match
    from fxlens.matching.stem_batch import write_beside
    from fxlens.matching.stem_plan import StemPlan

    dry = request.dry[0]
    request.check()
    _require_output(request, dry)
    encoder = load_model(request.model, request.device)
    with console.said_if_slow("compiling the effects for this machine, once; this takes up to a minute"):
        compile_kernels("exact", "gradient", "fast", "streaming")
    with SearchBar() as bar, best_so_far(bar) as told:
        bar.begin(dry.name)
        found = match(
            dry, list(request.references), encoder, request.query, query_audio=request.query_audio,
            weights=request.weights, chain=request.chain, locks=request.locks, amount=request.amount,
            level=request.level, seconds=request.seconds, excerpts=request.excerpts, settings=request.settings,
            output=request.output, report=bar.report, advance=bar.advance, stop=told.is_set,
        )  # fmt: skip
    files = write_beside(StemPlan(dry, request.query, request.output), found, request.exports, request.preset)
    if request.curve is not None:
        write_curve(request.curve, found.search)
        files.append(request.curve)
    _say(request, found, files)
    if found.search.interrupted:
        raise typer.Exit(130)


def _require_output(request: MatchRequest, dry: Path) -> None:
    """Refuse an output that cannot be, before the work."""
    from fxlens.audio.io import can_write, probe
    from fxlens.effects.streaming_file import require_another_file

    probe(dry, exact=False)
    output = request.output
    if output.is_dir():
        raise OutputError(f"{output}: is a folder; for one track give the file that shall be written")
    if not output.parent.is_dir():
        raise OutputError(f"{output}: cannot be written, the folder {output.parent} does not exist; create it first")
    # Better said now than after minutes of searching.
    if not os.access(output.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise OutputError(f"{output}: cannot be written, the folder {output.parent} is read-only; choose another")
    if not can_write(output):
        raise UsageError(
            f"{output}: cannot be written in that format; use .wav, .flac, .ogg, .opus, .mp3, .aiff or .w64"
        )
    for read in (dry, *request.references, *([request.query_audio] if request.query_audio else [])):
        if read.exists():
            require_another_file(read, output)


def _say(request: MatchRequest, found: Match, files: list[Path]) -> None:
    words = effect_words(found.matched)
    if request.as_json:
        console.result_of(
            {
                "output": str(request.output),
                "preset": str(files[0]),
                "files": [str(path) for path in files[1:]],
                "effects": words,
                **without_curves(found.figures()),
            },
            True,
        )
        return
    console.result(str(request.output))
    for number, line in enumerate(words or ["no effect that could be heard"], start=1):
        console.result(f"  {number}  {line}")
    console.result(f"distance to the reference: {found.distance_before:.3f} before, {found.distance_after:.3f} after")
    lowered = f", {found.lowered_db:.1f} dB below what was asked for: peaks" if found.lowered_db > 0.05 else ""
    console.result(f"loudness: {found.result_lufs:.1f} LUFS{lowered}")
    if len(found.target.agreement) > 1:
        agreement = ", ".join(f"{cosine:.2f}" for cosine in found.target.agreement)
        console.result(f"cosines of the references with their mean: {agreement}")
    for path in files:
        console.result(str(path))
