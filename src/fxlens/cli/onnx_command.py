"""``fxlens export-onnx``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli import console
from fxlens.cli.model_option import Device, ModelOption, load_model


def export_onnx(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FX.onnx", help="File to write.")],
    model: ModelOption = None,
    query: Annotated[
        str | None, typer.Option("--query", "-q", help='Always embed this instrument, e.g. "lead vocals".')
    ] = None,
    query_audio: Annotated[
        Path | None, typer.Option(help="A recording of the instrument alone, instead of -q.")
    ] = None,
    instrument: Annotated[
        bool, typer.Option("--instrument", help="Embed the instrument that a second input, a query vector, names.")
    ] = False,
) -> None:
    """Write a model for ONNX runtimes.

    The graph takes audio (batch, 2, samples) float32 at the model's sample rate, and gives embeddings of the mixture,
    or with -q or --instrument of one instrument. It is compared with torch before it is written. Length of a window
    and loudness to bring it to stand in the metadata, with the model's id and licence.
    """
    encoder = load_model(model, Device.cpu)
    path = encoder.export_onnx(output, instrument=instrument, query=query, query_audio=query_audio)
    console.result(f"{path}: {encoder.model_id}")
