"""``fxlens embed``."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fxlens.cli import console
from fxlens.cli.model_option import Device, DeviceOption, ModelOption, load_model

if TYPE_CHECKING:
    from fxlens.embedding.job import EmbedResult


class Pool(str, Enum):
    """One row for each file, or for each window."""

    mean = "mean"
    none = "none"


class FileFormat(str, Enum):
    """Formats of embeddings."""

    npz = "npz"
    npy = "npy"
    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


class Precision(str, Enum):
    """Of the convolutions."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    auto = "auto"


def embed(
    inputs: Annotated[list[Path], typer.Argument(help="Audio files, and folders to search for them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    model: ModelOption = None,
    query: Annotated[
        str | None, typer.Option("--query", "-q", help='The instrument meant, e.g. "lead vocals".')
    ] = None,
    query_audio: Annotated[
        Path | None, typer.Option(help="A recording of the instrument alone, instead of -q.")
    ] = None,
    pool: Annotated[Pool, typer.Option(help="A row for each file (mean) or window (none).")] = Pool.mean,
    segment: Annotated[
        float | None, typer.Option(help="Seconds in a window.", show_default="as the model was trained")
    ] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds from window to window.", show_default="no overlap")] = None,
    device: DeviceOption = Device.auto,
    batch_size: Annotated[int, typer.Option("--batch-size", "-b", help="Windows at a time.")] = 8,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Files that are decoded at once.")] = 2,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Only part I (from 1) of N equal parts of the files. auto: this process's part under torchrun or "
            "SLURM, to a file of its own; see fxlens merge.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after an interruption.")] = False,
    form: Annotated[
        FileFormat | None, typer.Option("--format", help="Of the output.", show_default="by its suffix")
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")] = False,
    precision: Annotated[
        Precision, typer.Option(help="Of the convolutions; auto takes bfloat16 where the processor has it.")
    ] = Precision.float32,
) -> None:
    """Embed audio files.

    The embedding is of the whole mixture, or with a query of one instrument in it. npz holds embedding (N, D)
    float32, path, start, end (seconds), query and model. Finished files are kept in OUTPUT.partial until the
    output is written; files that fail are listed in OUTPUT.errors.jsonl.
    """
    from fxlens.embedding.collect import Shard, collect
    from fxlens.embedding.formats import choose_format

    chosen = choose_format(output, None if form is None else form.value)
    part = None if shard is None else Shard.of_process() if shard == "auto" else Shard.parse(shard)
    if part is not None and shard == "auto":
        output = part.path(output)
        _take_own_device()
    files = collect(inputs, part)

    from fxlens.embedding.job import EmbedSettings, embed_files

    settings = EmbedSettings(query, query_audio, pool.value, segment, hop, batch_size, jobs)
    encoder = load_model(model, device)
    encoder.precision = precision.value
    try:
        with console.Progress("file") as progress:
            done = embed_files(
                encoder, files, output, settings,
                form=chosen, resume=resume, fail_fast=fail_fast, progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        kept = output.with_name(output.name + ".partial")
        is_kept = f"finished files are kept in {kept}; go on with --resume"
        console.say(f"interrupted: {is_kept if kept.is_dir() else 'no file was finished'}")
        raise typer.Exit(130) from None
    _report(done)


def _take_own_device() -> None:
    """Processes on one machine share its GPUs out among them."""
    import torch

    if torch.cuda.is_available():
        place = int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0)
        torch.cuda.set_device(place % torch.cuda.device_count())


def _report(done: EmbedResult) -> None:
    for failure in done.failures:
        console.say(failure.message)
    before = f", {done.resumed} of them before" if done.resumed else ""
    failed = f"; {len(done.failures)} failed, see {done.errors}" if done.failures else ""
    if done.files or not done.failures:
        console.result(f"{done.output}: {done.rows} x {done.dim} from {done.files} files{before}{failed}")
    else:
        console.say(f"none of {len(done.failures)} files could be embedded, see {done.errors}")
    if done.failures:
        raise typer.Exit(3 if done.files else 1)
