"""``fxlens serve``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli import console
from fxlens.cli.model_option import Device, DeviceOption, ModelOption, load_model


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen at; beyond this machine anybody who reaches it can use it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 7860,
    index: Annotated[Path | None, typer.Option(help="Folder of the index that can be searched.")] = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    max_upload_mb: Annotated[float, typer.Option(help="Largest file that is taken.")] = 200.0,
    max_minutes: Annotated[float, typer.Option(help="Longest recording that is taken.")] = 15.0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Requests that are worked on at once.")] = 2,
    waiting: Annotated[int, typer.Option(help="Requests that may wait; more are refused.")] = 8,
    keep_minutes: Annotated[float, typer.Option(help="How long the results of matches are kept.")] = 30.0,
    page: Annotated[bool, typer.Option(help="Serve the page; without it the interface alone.")] = True,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A further name under which it may be addressed, e.g. behind a proxy; may be repeated."),
    ] = None,
) -> None:
    """Serve a page to describe, compare, search and match by, and the same as an interface over HTTP (/docs).

    Nothing leaves this machine, and uploads are deleted. Ctrl-C stops it.
    """
    from fxlens.web.extra import require_extra

    require_extra(page)
    if model is None and index is not None:
        from fxlens.index.fx_index import FxIndex

        with FxIndex.open(index) as opened:
            model = opened.model
    from fxlens.web.settings import ServeSettings

    settings = ServeSettings(
        model=model, index=index, host=host, port=port, max_upload_mb=max_upload_mb, max_minutes=max_minutes, jobs=jobs,
        waiting=waiting, keep_minutes=keep_minutes, page=page, allow_hosts=tuple(allow_host or ()),
    )  # fmt: skip
    if not settings.on_this_machine_only:
        console.say(
            f"WARNING: at {host} everybody who reaches this machine can use the server and hear the index; there is "
            "no password and no encryption"
        )
    from fxlens.audio.waveform import MonoWarning
    from fxlens.web.server import serve as serve_forever

    warnings.simplefilter("ignore", MonoWarning)  # whoever sent a mono file is told so in the answer
    console.say("loading the model")
    serve_forever(
        settings,
        lambda address: console.say(f"ready at {address} (Ctrl-C stops it)"),
        lambda: load_model(model, device),
    )
    console.say("stopped; uploads are deleted")
