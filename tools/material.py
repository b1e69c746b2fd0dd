"""Fetch and render the training material: ``fetch`` unpacks Debian packages, ``all`` does everything.

    python tools/material.py list                      the sources and their licences
    python tools/material.py fetch sources/            download and unpack them (apt-get and dpkg, no root needed)
    python tools/material.py prepare stems/            the manifest of what is rendered so far: stems.jsonl
    python tools/material.py all sources/ stems/ --songs 400 --midi freedoom/ --voices sung_notes/

Rendering needs fluidsynth (Debian) and `pip install 'fxlens[midi,voices]'`. Everything goes on where it stopped.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fxlens.data.material.sources import SOURCES, Source
from fxlens.errors import FxLensError


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
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "list":
            for source in SOURCES:
                print(f"{source.package:30} {source.gives:10} {source.licence:28} {source.holds}")
            return 0
        if chosen.command == "prepare":
            write_manifest(chosen)
            return 0
        fetch(chosen.sources)
        return render(chosen) if chosen.command == "all" else 0
    except FxLensError as error:
        print(error, file=sys.stderr)
        return error.exit_code


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
    song_hours = sum(max(s.duration_seconds for s in t.stems) for t in scan.multitracks) / 3600.0
    print(f"{manifest}: {len(scan.multitracks)} songs, {song_hours:.2f} h, {len(chosen_names)} songs for validation")


if __name__ == "__main__":
    raise SystemExit(main())
