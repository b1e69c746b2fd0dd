"""``fxlens match`` for a folder of stems."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fxlens.cli import console
from fxlens.cli.match_request import MatchRequest, effect_words, without_curves
from fxlens.cli.match_search_bar import SearchBar
from fxlens.cli.model_option import load_model
from fxlens.errors import AudioError, OutputError, UsageError

if TYPE_CHECKING:
    from fxlens.embedding.in_order import Failure
    from fxlens.matching.stem_batch import StemOutcome
    from fxlens.matching.stem_plan import StemPlan

TABLE = "matches.csv"
"""Name of the table in the folder of the results."""


def match_batch(request: MatchRequest) -> None:
    """Match every stem to its instrument; exit 3 where some failed, 1 where all did, 130 after an interruption.

    Raises:
        FxLensError: of what concerns all stems.
    """
    from fxlens.dsp.compilation import compile_kernels
    from fxlens.matching.stem_batch import BatchSettings, match_stems

    request.check()
    plans, unknown = _plans(request)
    failures = [_unknown(path) for path in unknown]
    for failure in failures:
        console.say(failure.message)
    done: list[StemOutcome] = []
    if plans:
        settings = BatchSettings(
            request.references, request.weights, request.chain, request.locks, request.amount, request.level,
            request.seconds, request.excerpts, request.settings, request.exports,
        )  # fmt: skip
        encoder = load_model(request.model, request.device)
        with console.said_if_slow("compiling the effects for this machine, once; this takes up to a minute"):
            compile_kernels("exact", "gradient", "fast", "streaming")
        try:
            with SearchBar() as bar:
                outcomes = match_stems(
                    plans, encoder, settings, resume=request.resume, begin=lambda plan: bar.begin(plan.source.name),
                    report=bar.report, advance=bar.advance,
                )  # fmt: skip
                for outcome in outcomes:
                    bar.end()
                    _take(outcome, done, failures, request.as_json)
        except KeyboardInterrupt:
            console.say(f"interrupted: {len(done)} of {len(plans)} stems are matched; go on with --resume")
            raise typer.Exit(130) from None
    _finish(request, done, failures)


def _plans(request: MatchRequest) -> tuple[list[StemPlan], list[Path]]:
    from fxlens.audio.io import can_write
    from fxlens.embedding.collect import collect
    from fxlens.matching.stem_plan import plan_stems

    output = request.output
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: for a batch the output must be a folder, and it is a file")
    if request.suffix is not None and not can_write(Path(f"x{request.suffix}")):
        raise UsageError(f"--suffix {request.suffix}: that cannot be written; use .wav, .flac, .ogg, .mp3 or .aiff")
    folders = [place for place in request.dry if place.is_dir()]
    files = []
    for source in collect(request.dry):
        if output.resolve() in source.resolve().parents and output.resolve() not in {f.resolve() for f in folders}:
            continue  # a result of an earlier call: the output lies in the folder of the stems
        folder = next((place for place in folders if source.is_relative_to(place)), None)
        files.append((source, Path(source.name) if folder is None else source.relative_to(folder)))
    references = {path.resolve() for path in request.references}
    files = [pair for pair in files if pair[0].resolve() not in references or pair[0] in request.dry]
    return plan_stems(files, output, request.suffix, request.query, request.named)


def _unknown(path: Path) -> Failure:
    from fxlens.embedding.in_order import Failure

    return Failure(
        str(path), "UsageError",
        f"{path}: its name says no instrument; say it with -q '{path.stem}=INSTRUMENT', or -q '{path.stem}=' for "
        "the whole reference",
    )  # fmt: skip


def _take(outcome: StemOutcome, done: list[StemOutcome], failures: list[Failure], quiet: bool) -> None:
    from fxlens.embedding.in_order import Failure

    if outcome.error is not None:
        failures.append(Failure(str(outcome.plan.source), type(outcome.error).__name__, str(outcome.error)))
        console.say(str(outcome.error))
        return
    done.append(outcome)
    if not quiet:
        row = _row(outcome)
        again = " (done before)" if outcome.resumed else ""
        console.result(
            f"{row['output']}: {row['query'] or 'the whole reference'}, distance {row['before']} -> {row['after']}; "
            f"{row['effects']}{again}"
        )


def _row(outcome: StemOutcome) -> dict[str, object]:
    assert outcome.figures is not None and outcome.chain is not None
    figures = outcome.figures
    return {
        "stem": str(outcome.plan.source),
        "query": outcome.plan.query or "",
        "output": str(outcome.plan.output),
        "before": f"{figures['distance_before']:.3f}",
        "after": f"{figures['distance_after']:.3f}",
        "lufs": f"{figures['result_lufs']:.1f}",
        "lowered_db": f"{figures['lowered_db']:.1f}",
        "effects": ", ".join(effect_words(outcome.chain)) or "no effect that could be heard",
    }


def _finish(request: MatchRequest, done: list[StemOutcome], failures: list[Failure]) -> None:
    """Write the table, the sum and the list of failures; say how it went."""
    from fxlens.whole_files import write_text

    rows = [_row(outcome) for outcome in done]
    lowered_db = None
    if rows:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(request.output / TABLE, text.getvalue())
        if request.total is not None:
            lowered_db = _sum(request.total, done)
    errors = request.output.with_name(request.output.name + ".errors.jsonl")
    if failures:
        write_text(errors, "".join(json.dumps(asdict(failure)) + "\n" for failure in failures))
    else:
        errors.unlink(missing_ok=True)
    if request.as_json:
        _print_json(request, done, failures, lowered_db)
    else:
        if rows:
            console.result(f"{request.output / TABLE}: {len(rows)} stems")
        if lowered_db is not None:
            lowered = f", lowered by {lowered_db:.1f} dB: peaks" if lowered_db > 0.05 else ""
            console.result(f"{request.total}: the sum of {len(rows)} stems{lowered}")
    if failures:
        console.say(f"{len(failures)} of {len(rows) + len(failures)} stems failed, see {errors}")
        raise typer.Exit(3 if rows else 1)


def _sum(total: Path, done: list[StemOutcome]) -> float:
    """Sum the results; what was taken off a single one for its peaks is given back: the sum has a level of its own."""
    from fxlens.matching.stem_sum import sum_stems

    stems = [(one.plan.output, float(one.figures["lowered_db"])) for one in done if one.figures is not None]
    try:
        return sum_stems(stems, total)
    except AudioError as error:
        raise AudioError(error.source, f"{error.problem}; the stems are matched, but not summed") from None


def _print_json(
    request: MatchRequest, done: list[StemOutcome], failures: list[Failure], lowered_db: float | None
) -> None:
    console.result_of(
        {
            "stems": [
                {
                    "stem": str(one.plan.source),
                    "output": str(one.plan.output),
                    "effects": effect_words(one.chain) if one.chain is not None else [],
                    "resumed": one.resumed,
                    **without_curves(one.figures or {}),
                }
                for one in done
            ],
            "failures": [asdict(failure) for failure in failures],
            "table": str(request.output / TABLE) if done else None,
            "sum": None if lowered_db is None else {"output": str(request.total), "lowered_db": round(lowered_db, 2)},
        },
        True,
    )
