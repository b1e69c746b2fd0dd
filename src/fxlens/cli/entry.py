"""The program: its commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from fxlens import __version__
from fxlens.cli import console, data_commands, evaluate_command, index_command, termination
from fxlens.cli.allocation import keep_freed_memory
from fxlens.cli.apply_command import apply
from fxlens.cli.demo_command import demo
from fxlens.cli.describe_command import describe, train_describe
from fxlens.cli.embed_command import embed
from fxlens.cli.export_command import export
from fxlens.cli.info_commands import info, models
from fxlens.cli.match_command import match
from fxlens.cli.material_command import material
from fxlens.cli.merge_command import merge
from fxlens.cli.normalize_command import normalize
from fxlens.cli.onnx_command import export_onnx
from fxlens.cli.report_command import report
from fxlens.cli.search_command import search
from fxlens.cli.serve_command import serve
from fxlens.cli.train_command import import_official, train
from fxlens.errors import FxLensError

app = typer.Typer(
    name="fxlens",
    help="Hear what was done to a mix: embeddings of audio effects, whole or one instrument at a time.",
    epilog="Exit codes: 0 done; 1 nothing could be done; 2 usage or configuration; 3 some files failed; "
    "4 model unavailable; 130 interrupted; 143 told to end (SIGTERM).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        console.result(f"fxlens {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more on stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    console.set_verbose(verbose)


app.command()(demo)
app.command()(embed)
app.command()(merge)
app.add_typer(index_command.app, name="index")
app.command()(search)
app.command()(describe)
app.command()(match)
app.command()(serve)
app.command()(apply)
app.command()(export)
app.command()(train)
app.command("train-describe")(train_describe)
data_commands.app.command()(material)
app.add_typer(data_commands.app, name="data")
app.command()(normalize)
app.add_typer(evaluate_command.app, name="evaluate")
app.command()(report)
app.command()(models)
app.command()(info)
app.command("import-official")(import_official)
app.command("export-onnx")(export_onnx)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; those of the process if not given.

    Returns:
        The exit code: 0 done; 1 nothing could be done; 2 usage or configuration; 3 some files failed; 4 a
        model or an optional dependency is not available; 130 interrupted, 143 by SIGTERM.
    """
    if arguments is None:  # the process is ours
        keep_freed_memory()
    with termination.as_interrupt() as ended:
        code = _run(arguments)
    return termination.EXIT_CODE if ended.came and code != 0 else code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        with console.plain_warnings():
            app(None if arguments is None else list(arguments), prog_name="fxlens")
        sys.stdout.flush()
    except SystemExit as leaving:
        code = leaving.code
        return _flushed(code if isinstance(code, int) else 0 if code is None else 1)
    except FxLensError as error:
        console.say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        console.say("interrupted")
        return 130
    except BrokenPipeError:
        return _broken_pipe()
    return 0


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _broken_pipe()
    return code


def _broken_pipe() -> int:
    """Whoever read the output has gone: say nothing, also not when Python closes stdout."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
