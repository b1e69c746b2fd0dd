"""``fxlens apply``."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fxlens.cli import console
from fxlens.cli.rooms_option import RoomsOption
from fxlens.cli.seconds_bar import SecondsBar
from fxlens.errors import AudioDecodeError, AudioError, FxLensError, MissingExtraError, OutputError, UsageError

if TYPE_CHECKING:
    from fxlens.effects.chain import EffectChain

_LEAST_ROOM_BYTES = 64 << 20  # with less room on the disk, no further file is tried after one did not fit


def apply(
    chain: Annotated[Path, typer.Argument(metavar="CHAIN.json", help="The effect chain.")],
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Audio files, and folders of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; a folder for several inputs.")],
    suffix: Annotated[
        str | None, typer.Option(help="Format in a folder, e.g. .flac.", show_default="that of each input")
    ] = None,
    rooms: RoomsOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Pass by outputs that are newer than their input and the chain.")
    ] = False,
) -> None:
    """Process files with an effect chain.

    Sample rate, sample format and tags stay those of the input where the output's format has them; the result
    is stereo. Memory does not grow with the length of a file. An output appears when it is whole: what is
    interrupted leaves nothing behind. Files that fail are named at the end.
    """
    from fxlens.dsp.compilation import compile_kernels
    from fxlens.effects.chain import EffectChain

    effects = EffectChain.load(chain, rooms)
    effects.require_rooms()
    with console.said_if_slow("compiling the effects for this machine, once; this takes up to a minute"):
        compile_kernels("exact", "streaming")
    jobs = _jobs(inputs, output, suffix)
    if resume:
        fresh = [(source, target) for source, target in jobs if not _is_newer(target, (source, chain))]
        if len(fresh) < len(jobs):
            console.say(f"{len(jobs) - len(fresh)} of {len(jobs)} outputs are there already")
        jobs = fresh
    done, failures = 0, []
    try:
        with SecondsBar([source for source, _ in jobs]) as bar:
            for number, (source, target) in enumerate(jobs, start=1):
                bar.begin(source)
                failure = _render(effects, source, target, bar)
                if failure is not None:
                    failures.append(failure)
                    continue
                done += 1
                bar.result(str(target))
                if console.verbose:
                    console.say(f"{number}/{len(jobs)} {source}")
    except KeyboardInterrupt:
        kept = f"{done} of {len(jobs)} outputs are finished" + ("; go on with --resume" if done else "")
        console.say(f"interrupted: {kept}")
        raise typer.Exit(130) from None
    for failure in failures:
        console.say(str(failure))
    if failures:
        if len(jobs) > 1:
            console.say(f"{len(failures)} of {len(jobs)} files failed")
        raise typer.Exit(3 if done else failures[0].exit_code)


def _render(chain: EffectChain, source: Path, target: Path, bar: SecondsBar) -> FxLensError | None:
    """Process one file; return the error if it is that of the file alone, raise all others."""
    from fxlens.effects.streaming_file import render_file

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{target.parent}: cannot be made ({error.strerror or error}); choose another folder"
        ) from None
    try:
        render_file(chain, source, target, advance=bar.advance)
    except (AudioError, MissingExtraError) as error:
        return error
    except OutputError as error:  # what the encoder of this file refused may do for the next one
        if os.access(target.parent, os.W_OK) and shutil.disk_usage(target.parent).free > _LEAST_ROOM_BYTES:
            return error
        raise
    except OSError as error:  # the file's disk or network share failed while it was read
        return AudioDecodeError(source, f"it cannot be read ({error.strerror or error}); try it again")
    return None


def _jobs(inputs: list[Path], output: Path, suffix: str | None) -> list[tuple[Path, Path]]:
    """Pair every input with its output.

    Raises:
        UsageError: two inputs with one output, an output that is its input, or a suffix that cannot be written.
        AudioMissingError: no audio file in the folders.
        OutputError: several inputs, but the output is a file.
    """
    from fxlens.audio.io import can_write
    from fxlens.effects.streaming_file import require_another_file
    from fxlens.embedding.collect import collect

    into_folder = len(inputs) > 1 or inputs[0].is_dir() or output.is_dir()
    if not into_folder:
        if suffix is not None:
            raise UsageError("--suffix is for a folder of outputs; give OUT the suffix that it shall have")
        if not output.parent.is_dir():
            raise OutputError(
                f"{output}: cannot be written, the folder {output.parent} does not exist; create it first"
            )
        require_another_file(inputs[0], output)
        return [(inputs[0], output)]
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: for several inputs the output must be a folder, and it is a file")
    if suffix is not None and not can_write(Path(f"x{suffix}")):
        raise UsageError(
            f"--suffix {suffix}: that cannot be written; use .wav, .flac, .ogg, .opus, .mp3, .aiff or .w64"
        )
    folders = [place for place in inputs if place.is_dir()]
    place_of_output = output.resolve()
    jobs: list[tuple[Path, Path]] = []
    sources: dict[Path, Path] = {}
    for source in collect(inputs):
        folder = next((place for place in folders if source.is_relative_to(place)), None)
        if folder is not None and place_of_output in source.resolve().parents and place_of_output != folder.resolve():
            continue  # an output of an earlier call: OUT lies in the folder that is searched
        target = output / (source.name if folder is None else source.relative_to(folder))
        if suffix is not None or not can_write(target):
            target = target.with_suffix(suffix or ".wav")
        if target in sources:
            raise UsageError(f"{sources[target]} and {source} would both become {target}; use two folders")
        require_another_file(source, target)
        sources[target] = source
        jobs.append((source, target))
    return jobs


def _is_newer(target: Path, than: tuple[Path, ...]) -> bool:
    try:
        return target.stat().st_mtime_ns >= max(path.stat().st_mtime_ns for path in than)
    except OSError:
        return False
