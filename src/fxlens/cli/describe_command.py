"""``fxlens describe`` and ``fxlens train-describe``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fxlens.cli import console
from fxlens.cli.model_option import Device, DeviceOption, ModelOption, load_model
from fxlens.errors import FxLensError, UsageError

if TYPE_CHECKING:
    from fxlens.describing.description import Description
    from fxlens.describing.head_files import DescribingHeads
    from fxlens.describing.measuring import Figures


def describe(
    files: Annotated[list[Path], typer.Argument(help="Audio files, whole mixes or single tracks.")],
    query: Annotated[
        list[str] | None,
        typer.Option("--query", "-q", help='The instrument meant, e.g. "lead vocals"; may be repeated.'),
    ] = None,
    query_audio: Annotated[
        Path | None, typer.Option(help="A recording of the instrument alone, instead of -q.")
    ] = None,
    timeline: Annotated[Path | None, typer.Option(help="Draw one file's effects over time: svg, png or pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, windows included.")] = False,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
) -> None:
    """Say in words which effects are on a recording, or on one instrument in it.

    A line for each type of effect, the most probable first: how sure, how strong, and the settings of which something
    is known, as intervals that hold four times in five. "not sure" means just that.
    """
    if timeline is not None and len(files) > 1:
        raise UsageError("--timeline draws one file; give one, or call it for each")
    if query and query_audio is not None:
        raise UsageError("give either --query or --query-audio, not both")

    from fxlens.describing.head_files import load_heads
    from fxlens.describing.reading import describe_each
    from fxlens.describing.timeline import draw
    from fxlens.models.checkpoint import locate

    encoder = load_model(model, device)
    heads = load_heads(locate(model), encoder.model_id)
    queries: list[str | None] = list(query) if query else [None]
    found: list[Description] = []
    failed: list[str] = []
    with console.Progress("file") as progress:
        for number, file in enumerate(files, start=1):
            try:
                own = describe_each(file, encoder, queries, query_audio=query_audio, heads=heads)
            except FxLensError as error:
                if isinstance(error, UsageError) or error.exit_code == 4:
                    raise  # wrong for every file alike
                failed.append(str(error))
                console.say(str(error))
                continue
            found += own
            if timeline is not None:
                draw(own, timeline)
            if not as_json:
                _print(own, named=len(files) > 1)
            progress(number, len(files), file)
    if as_json:
        facts = {"model": encoder.model_id, "descriptions": [one.as_dict() for one in found], "failed": failed}
        console.result_of(facts, True)
    if failed:
        raise typer.Exit(3 if found else 1)


def _print(descriptions: list[Description], named: bool) -> None:
    for one in descriptions:
        heading = ", ".join(([one.source] if named else []) + ([one.query] if one.query else []))
        if heading:
            console.result(f"{heading}:")
        for line in one.sentences():
            console.result(f"  {line}" if heading else line)


def train_describe(
    model: Annotated[
        str | None, typer.Argument(help="Model folder; heads are written into it.", show_default="the shipped model")
    ] = None,
    manifests: Annotated[
        list[Path] | None,
        typer.Option("--manifest", help="Songs, from fxlens data prepare; may be repeated."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder for sessions and vectors, 4 MB a session; kept, so that nothing is done twice."),
    ] = None,
    sessions: Annotated[int, typer.Option(help="Sessions to render, a few clips each.")] = 700,
    trial: Annotated[
        int, typer.Option(help="Then try the heads on so many sessions of split evaluation; 0 tries nothing.")
    ] = 0,
    report: Annotated[
        Path | None, typer.Option(help="Markdown file whose marked part is rewritten with the figures.")
    ] = None,
    rooms: Annotated[Path | None, typer.Option(help="Folder of recorded impulse responses.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes that render.")] = 1,
    device: DeviceOption = Device.auto,
) -> None:
    """Teach a model to describe: train and calibrate the heads that fxlens describe needs.

    The model itself stays as it is. Songs of splits train and validation are rendered under drawn chains, heard once,
    and dealt into folds: what is said of the heads is measured on songs they have not learnt from. Writes
    describe.safetensors and describe.json into the model folder. Interrupted, the same call goes on.
    """
    if not manifests:
        raise UsageError("which songs? --manifest manifest.jsonl, written by 'fxlens data prepare'")
    if sessions < 1 or trial < 0 or jobs < 1:
        raise UsageError("--sessions and --jobs must be at least 1, --trial at least 0")
    if work is None:
        raise UsageError("--work FOLDER is needed: it keeps what was rendered and heard, for the next call")
    if report is not None and not trial:
        raise UsageError("--report writes the trial's figures too: give --trial SESSIONS")

    from fxlens.data.manifest import load_manifest
    from fxlens.describing.head_files import save_heads
    from fxlens.describing.making import MakingSettings, make_heads, try_heads
    from fxlens.models.checkpoint import locate

    songs = [song for path in manifests for song in load_manifest(path)]
    encoder = load_model(model, device)
    settings = MakingSettings(sessions, seed, rooms=rooms, jobs=jobs)
    with _Stages() as stages:
        heads = make_heads(encoder, songs, work, settings, stages)
        save_heads(locate(model), heads)
        tried: dict[str, Figures] = {}
        if trial:
            tried = try_heads(encoder, heads, songs, work, MakingSettings(trial, seed, rooms=rooms, jobs=jobs), stages)
    if report is not None:
        from fxlens.describing.figures_page import write_figures

        write_figures(report, heads, tried)
    console.result(str(locate(model)))
    for line in _summary(heads, tried):
        console.result(line)


class _Stages:
    """A bar for each stage of the work."""

    def __init__(self) -> None:
        self._stage, self._bar = "", console.Progress("")

    def __enter__(self) -> _Stages:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.__exit__()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self._bar.__exit__()
            self._stage, self._bar = stage, console.Progress(" session")
            console.say(stage)
        if done:
            self._bar(done, total)


def _summary(heads: DescribingHeads, tried: dict[str, Figures]) -> list[str]:
    """A line for each effect and reading: AUC on calibration songs, and on those of the trial."""
    lines = []
    for reading, figures in heads.metadata["figures"].items():
        for effect, one in figures["effects"].items():
            other = tried[reading]["effects"][effect] if tried else None
            after = f"  evaluation AUC {other['auc']}, ECE {other['ece']}" if other else ""
            lines.append(f"{reading:10} {effect:20}  AUC {one['auc']}, ECE {one['ece']}{after}")
    return lines
