"""A library of real recordings under known chains: is the same chain found on another song, and how fast?

    python benchmarks/library.py --work FOLDER --manifest real.jsonl -m MODEL

Takes every stem and every mix below FXLENS_DATA (or ``--data``), renders an excerpt of each under 20 drawn chains into
FOLDER, adds the files with ``fxlens index add`` and searches by every one of them. Writes docs/benchmarks/library.md
and its figures as JSON. What is finished is kept in FOLDER, so an interrupted run goes on; rendered files serve every
model.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_pages import write_page
from library_page import page, rows_of, speed, tables, told_scores
from library_plan import RenderUnit, draw_chains, plan_recordings, render
from library_search import LibraryFile, search_all

from fxlens.cli import console
from fxlens.data.adapters.folder import scan_folder
from fxlens.data.manifest import Multitrack, load_manifest, manifest_hash, save_manifest
from fxlens.errors import DataError, FxLensError
from fxlens.evaluation.benchmark.work_pool import run_units
from fxlens.index.fx_index import FxIndex
from fxlens.models.fx_encoder import FxEncoder
from fxlens.whole_files import write_text

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "library.md"
DATA = Path(os.environ.get("FXLENS_DATA", Path(__file__).parents[2] / "shared" / "data"))


def songs_of(data: Path, work: Path, jobs: int) -> list[Multitrack]:
    """The recordings, measured once and then read from the work folder.

    Raises:
        DataError: there are none.
    """
    manifest = work / "manifest.jsonl"
    if not manifest.is_file():
        root = data / "multitracks" if (data / "multitracks").is_dir() else data
        found = scan_folder(root, cache=work / "manifest.cache", jobs=jobs)
        for what, reason in [*found.left_out.items(), *found.passed_over.items()]:
            console.say(f"left out: {what}: {reason}")
        save_manifest(manifest, found.multitracks)
    return load_manifest(manifest)


def bind(work: Path, told: dict[str, Any]) -> None:
    """Refuse a work folder of other files.

    Raises:
        DataError: it was begun with another seed, length or data.
    """
    path = work / "library.json"
    if path.is_file() and (before := json.loads(path.read_text(encoding="utf-8"))) != told:
        raise DataError(f"{work}: begun with {before}, now it is {told}; choose another --work")
    write_text(path, json.dumps(told) + "\n")


def add(files: Sequence[LibraryFile], work: Path, index: Path, model: str | None, jobs: int) -> list[dict[str, float]]:
    """Add all files with the command, in a process of its own; return what every call has added, and in what time.

    Raises:
        FxLensError: the command failed.
    """
    notes = index.with_name(index.name + ".adding.jsonl")
    before = _counted(index)
    if before < len(files):
        command = [sys.executable, "-m", "fxlens.cli", "index", "add", str(index), str(work / "files"), "-j", str(jobs)]
        began = time.perf_counter()
        done = subprocess.run([*command, *(["-m", model] if model else [])], stdout=subprocess.DEVNULL, check=False)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise FxLensError(f"fxlens index add ended with {done.returncode}; run again to go on")
        with notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"files": _counted(index) - before, "seconds": seconds}) + "\n")
    return [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()] if notes.is_file() else []


def _counted(index: Path) -> int:
    if not (index / "index.json").is_file():
        return 0
    with FxIndex.open(index) as opened:
        return int(opened.info()["files"])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--work", type=Path, required=True, help="folder for files, index and notes; 2 MB a file")
    made.add_argument("--data", type=Path, default=DATA, help="recordings; default: FXLENS_DATA")
    made.add_argument("-m", "--model", help="folder or name; the shipped model if not given")
    made.add_argument(
        "--manifest",
        action="append",
        type=Path,
        default=[],
        help="whose songs of split evaluation get rows; repeatable",
    )
    made.add_argument("--chains", type=int, default=20)
    made.add_argument("--seconds", type=float, default=20.0, help="of every recording")
    made.add_argument("--songs", type=int, help="only the first so many, for a trial")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("-j", "--jobs", type=int, default=2, help="processes that render, and files decoded at once")
    made.add_argument(
        "-o", "--output", type=Path, default=PAGE, help="page to write; figures go into a .json beside it"
    )
    return made


def main(words: list[str] | None = None) -> None:
    """Render, add, search, and write the page."""
    arguments = parser().parse_args(words)
    work: Path = arguments.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    songs = songs_of(arguments.data, work, arguments.jobs)[: arguments.songs]
    told = {name: getattr(arguments, name) for name in ("chains", "seconds", "seed")}
    bind(work, {**told, "manifest": manifest_hash(songs)})
    recordings = plan_recordings(songs, arguments.seconds, arguments.seed)
    chains = tuple(draw_chains(arguments.chains, arguments.seed))
    units = [RenderUnit(one, chains, work / "files", arguments.seed) for one in recordings]
    with console.Progress(" recording") as progress:
        run_units(render, [unit for unit in units if unit.missing()], arguments.jobs, progress)
    files = [
        LibraryFile(str(one.path(work / "files", n)), one.song, one.instrument, n)
        for one in recordings
        for n in range(arguments.chains)
    ]
    encoder = FxEncoder.from_pretrained(arguments.model)
    index = work / f"index-{encoder.model_id}"
    adding = add(files, work, index, arguments.model, arguments.jobs)
    with FxIndex.open(index) as opened, console.Progress(" search") as progress:
        searches = search_all(opened, encoder, files, index.with_name(index.name + ".searches.jsonl"), progress)
    unheard = {song.song for one in arguments.manifest for song in load_manifest(one) if song.split == "evaluation"}
    scores = rows_of(searches, files, arguments.seed, unheard)
    times, facts = speed(adding, searches, arguments.seconds)
    text = page(recordings, files, scores, times, encoder, manifest_hash(songs), arguments)
    write_page(
        arguments.output, text, {"model": encoder.model_id, **told, "scores": told_scores(scores), "speed": facts}
    )
    console.result(tables(scores))
    console.result(times)
    console.result(f"written: {arguments.output}")


if __name__ == "__main__":
    main()
