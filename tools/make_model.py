"""Make fxlens-small again: from recordings and MIDI files to weights that can be shipped, and their figures.

    python tools/make_model.py --data DATA                the whole recipe, into model-work/; a day or two on two cores
    python tools/make_model.py --data DATA --dry-run      its commands, and what is done already
    python tools/make_model.py --trial --work trial       every step in small, in minutes; its model is worth nothing

Interrupted or failed, the same call goes on; what is done and whole is not done again. DATA holds ``multitracks/``,
``midi/freedoom/``, ``voice_samples/`` and ``impulse_responses/``. Everything that commands say is kept in ``logs/`` of
the work folder. Codes: 0 done, 1 a command failed, 2 wrong call, 130 interrupted, 143 told to end.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from model_recipe import FULL, TOOLS, TRIAL, Recipe, write_heads_page
from model_steps import Step, Workshop, make

from fxlens.cli import termination
from fxlens.errors import FxLensError, UsageError

DATA = ("multitracks", "midi/freedoom", "voice_samples", "impulse_responses")
ROOM_GB = 80.0
"""What the whole recipe takes: 52 the pool, the rest songs, clips and sessions."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    with termination.as_interrupt() as ended:
        try:
            recipe = recipe_of(chosen)
            steps = upto(recipe.steps(), chosen.until)
            places = {"PYTHON": Path(sys.executable), "TOOLS": TOOLS}
            places |= {"DATA": recipe.data} if recipe.data is not None else {}
            places |= {"SOURCES": recipe.sources} if recipe.sources is not None else {}
            workshop = Workshop(recipe.work, places, say, lambda: ended.came)
            if chosen.dry_run:
                show(steps, workshop)
                return 0
            warn_of_room(recipe, chosen.trial)
            write_heads_page(recipe.heads_page)
            make(steps, workshop)
        except FxLensError as error:
            say(str(error))
            return error.exit_code
        except KeyboardInterrupt:
            say("interrupted; the same call goes on")
            return termination.EXIT_CODE if ended.came else 130
    print(recipe.model if chosen.until in (None, steps[-1].name) else recipe.work)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("model-work"), help="folder for everything that is made")
    parser.add_argument("--data", type=Path, help="recordings, MIDI files, voices, rooms; default: $FXLENS_DATA")
    parser.add_argument("--sources", type=Path, help="folder of unpacked packages; default: WORK/sources")
    parser.add_argument("--trial", action="store_true", help="everything in small, on synthesised songs")
    parser.add_argument("--jobs", "-j", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for all trainings")
    parser.add_argument("--until", metavar="STEP", help="the last step to be done")
    parser.add_argument("--dry-run", action="store_true", help="print the commands")
    return parser


def recipe_of(chosen: argparse.Namespace) -> Recipe:
    """The recipe that was asked for.

    Raises:
        UsageError: there are no recordings, or no such thing as was asked for.
    """
    if chosen.jobs < 1:
        raise UsageError("--jobs must be at least 1")
    work = chosen.work.resolve()
    sources = None if chosen.sources is None else chosen.sources.resolve()
    if chosen.trial:
        return Recipe(work, None, sources, TRIAL, chosen.jobs, tuple(chosen.set))
    named = chosen.data or os.environ.get("FXLENS_DATA")
    if named is None:
        raise UsageError("where are the recordings? --data FOLDER, or FXLENS_DATA; without any there is --trial")
    data = Path(named).resolve()
    missing = [name for name in DATA if not (data / name).is_dir()]
    if missing:
        raise UsageError(f"{data}: {', '.join(missing)} is not there; see 'Make it again' in docs/model.md")
    return Recipe(work, data, sources or work / "sources", FULL, chosen.jobs, tuple(chosen.set))


def upto(steps: list[Step], last: str | None) -> list[Step]:
    """The steps up to the one of that name.

    Raises:
        UsageError: there is none.
    """
    names = [step.name for step in steps]
    if last is None:
        return steps
    if last not in names:
        raise UsageError(f"--until {last}: the steps are {', '.join(names)}")
    return steps[: names.index(last) + 1]


def show(steps: list[Step], workshop: Workshop) -> None:
    """Print the commands, each step under what it does and how far it is."""
    for step in steps:
        print(f"# {step.name}: {step.says} ({workshop.state(step)})")
        for command in step.commands:
            print(shlex.join(command.full()))


def warn_of_room(recipe: Recipe, trial: bool) -> None:
    """Say so if the disk is too small."""
    recipe.work.mkdir(parents=True, exist_ok=True)
    used = sum(path.stat().st_size for path in recipe.work.rglob("*") if path.is_file()) / 1e9
    free = shutil.disk_usage(recipe.work).free / 1e9
    if not trial and free + used < ROOM_GB:
        say(f"{recipe.work}: {free:.0f} GB are free, about {ROOM_GB - used:.0f} are needed; see --work")


def say(message: str) -> None:
    """Print to stderr."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
