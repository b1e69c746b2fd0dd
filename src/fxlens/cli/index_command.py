"""``fxlens index``: a library that can be searched by sound."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fxlens.cli import console
from fxlens.cli.model_option import Device, DeviceOption, ModelOption, load_model
from fxlens.index.conditions import pairs

if TYPE_CHECKING:
    from fxlens.index.adding import Added

app = typer.Typer(
    name="index", help="Keep the embeddings of a music library, to search it by sound.", no_args_is_help=True
)

IndexArgument = Annotated[Path, typer.Argument(help="Folder of the index.", metavar="INDEX")]


class Backend(str, Enum):
    """Where the vectors are kept."""

    file = "file"
    lance = "lance"


class TableFormat(str, Enum):
    """What an index can be exported to."""

    parquet = "parquet"
    npz = "npz"
    csv = "csv"
    jsonl = "jsonl"


@app.command()
def add(
    index: IndexArgument,
    inputs: Annotated[list[Path], typer.Argument(help="Audio files, and folders to search for them.")],
    query: Annotated[
        list[str] | None, typer.Option("--query", "-q", help="Embed this instrument too; may be repeated.")
    ] = None,
    mixture: Annotated[bool, typer.Option(help="Embed the whole mixture.")] = True,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Tag the files, to filter by; may be repeated.")
    ] = None,
    hop: Annotated[
        float | None, typer.Option(help="Seconds from window to window, of a new index.", show_default="no overlap")
    ] = None,
    backend: Annotated[
        Backend, typer.Option(help="Of a new index: vectors in a file, or in LanceDB for many millions of windows.")
    ] = Backend.file,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    batch_size: Annotated[int, typer.Option("--batch-size", "-b", help="Windows at a time.")] = 8,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Files that are decoded at once.")] = 2,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")] = False,
) -> None:
    """Add audio files to an index, which is made where there is none.

    Files that are in it already are passed over, also under another name, so a call that was interrupted is simply
    repeated. Tags that files carry (title, artist, album, genre, date) are kept to filter by.
    """
    from fxlens.index.fx_index import FxIndex

    tags = pairs(tag, "--tag")
    there = (index / "index.json").is_file()
    if there and model is None:
        with FxIndex.open(index) as opened:
            model = opened.model
    encoder = load_model(model, device)
    try:
        with FxIndex.create(index, encoder, model=model, hop_seconds=hop, backend=backend.value) as opened:
            with console.Progress("file") as progress:
                done = opened.add(
                    list(inputs), encoder, query, mixture=mixture, tags=tags,
                    jobs=jobs, batch_size=batch_size, fail_fast=fail_fast, progress=progress,
                )  # fmt: skip
            files = opened.info()["files"]
    except KeyboardInterrupt:  # also between opening and adding
        console.say(f"interrupted: {_files_in(index)} files are in {index}; repeat the call to go on")
        raise typer.Exit(130) from None
    _report(index, done, files)


def _files_in(index: Path) -> int:
    from fxlens.index.fx_index import FxIndex

    if not (index / "index.json").is_file():
        return 0
    with FxIndex.open(index) as opened:
        return int(opened.info()["files"])


def _report(index: Path, done: Added, files: int) -> None:
    for failure in done.failures:
        console.say(failure.message)
    known = f", {done.known} known before" if done.known else ""
    failed = f", {len(done.failures)} failed" if done.failures else ""
    if done.embedded or done.known:
        console.result(f"{index}: {done.embedded} files added{known}{failed}; {files} in all")
    else:
        console.say(f"none of {len(done.failures)} files could be added")
    if done.failures:
        raise typer.Exit(3 if done.embedded or done.known else 1)


@app.command()
def remove(
    index: IndexArgument, files: Annotated[list[Path], typer.Argument(help="Files to forget, by path.")]
) -> None:
    """Forget files; the files themselves stay."""
    from fxlens.index.fx_index import FxIndex

    with FxIndex.open(index) as opened:
        count = opened.remove(list(files))
    console.result(f"{index}: {count} of {len(files)} files removed")
    if count < len(files):
        raise typer.Exit(3 if count else 1)


@app.command()
def info(index: IndexArgument, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what is in an index."""
    from fxlens.index.fx_index import FxIndex

    with FxIndex.open(index) as opened:
        facts = opened.info()
    if not as_json:
        facts["windows"] = ", ".join(f"{name}: {count}" for name, count in facts["windows"].items()) or "none"
    console.result_of(facts, as_json)


@app.command()
def export(
    index: IndexArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    query: Annotated[str, typer.Option("--query", "-q", help="The instrument.", show_default="whole mixtures")] = "",
    form: Annotated[
        TableFormat | None, typer.Option("--format", help="Of the output.", show_default="by its suffix")
    ] = None,
) -> None:
    """Write the embeddings of an index to one file: a row for each window, with path, start and end."""
    from fxlens.embedding.formats import choose_format, write_table
    from fxlens.index.export import as_table
    from fxlens.index.fx_index import FxIndex

    chosen = choose_format(output, None if form is None else form.value)
    with FxIndex.open(index) as opened:
        table = as_table(opened, query)
    write_table(output, table, chosen)
    console.result(f"{output}: {table.embedding.shape[0]} x {table.embedding.shape[1]}")
