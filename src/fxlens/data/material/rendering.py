"""Multitracks for training from many sources: songs of files and of fxlens' own, played by very different bands.

Songs are numbered; odd ones are General MIDI files as long as there are any, the others compositions. Each is
drawn from the collection's seed and its own name, so it comes out the same whichever others are rendered and
by however many workers. A song's folder appears when it is complete, and finished ones are kept.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from fxlens.data.material.band import BandStem, choose_band
from fxlens.data.material.players import Player, Soundfont, SpeakerShelf, perform
from fxlens.data.material.songs import SongPlan, composed_song, midi_song
from fxlens.data.material.sources import Material, find_material, slug
from fxlens.data.midi.collection import RenderReport, write_stem
from fxlens.data.midi.fluidsynth import fluidsynth_binary
from fxlens.data.midi.song import song_rng
from fxlens.data.singing.notes import SungNote, read_voice_folder
from fxlens.data.singing.speech_bank import load_world
from fxlens.errors import AudioSilentError, DataError, OutputError, UsageError

RECIPE = 1
"""Version of the rendering; part of what makes a finished song valid."""


@dataclass(frozen=True)
class MaterialSettings:
    """What decides how the collection sounds.

    Args:
        sources: folder of the unpacked packages.
        midi_folders: more folders of General MIDI files.
        voices: folder of sung notes, or None.
        seconds: length of a song.
        seed: of the collection.
        suffix: ``.flac`` or ``.ogg``.
    """

    sources: Path
    midi_folders: tuple[Path, ...] = ()
    voices: Path | None = None
    seconds: float = 80.0
    seed: int = 0
    suffix: str = ".flac"
    speakers: Path = field(default=Path("speakers"))


def song_names(material: Material, count: int) -> list[str]:
    """Name the first ``count`` songs: a MIDI file and a composition in turn, then compositions alone.

    The files are taken in an order that mixes the collections.
    """
    files = sorted(material.songs, key=lambda name: zlib.crc32(name.encode()))

    def endless() -> Iterator[str]:
        number = 0
        for name in files:
            yield name
            yield f"composed-{number:04d}"
            number += 1
        while True:
            yield f"composed-{number:04d}"
            number += 1

    source = endless()
    return [next(source) for _ in range(count)]


def validation_songs(names: Iterable[str], share: float = 0.08, held_out: Mapping[str, str] | None = None) -> list[str]:
    """Choose the songs for validation: each by its own name, so that it stays where it is as the collection grows.

    Args:
        names: songs that are rendered.
        share: of them, about.
        held_out: name of a MIDI file's song in another manifest -> its split there. Those files' songs here follow
            it, so that no melody is trained on that the other collection validates with.
    """
    chosen = []
    for name in names:
        split = next((s for song, s in (held_out or {}).items() if name.endswith(f"-{slug(song)}")), None)
        if split is not None:
            chosen += [name] if split != "train" else []
        elif zlib.crc32(f"validation/{name}".encode()) < share * 2**32:
            chosen.append(name)
    return chosen


@lru_cache(maxsize=2)
def _found(settings: MaterialSettings) -> tuple[Material, dict[str, tuple[SungNote, ...]], SpeakerShelf]:
    material = find_material(settings.sources, settings.midi_folders)
    voices = read_voice_folder(settings.voices) if settings.voices is not None else {}
    return material, voices, SpeakerShelf(material, settings.sources / settings.speakers)


def plan_of(name: str, settings: MaterialSettings) -> tuple[SongPlan, list[BandStem]]:
    """Decide everything about a song by its name.

    Raises:
        DataError: the MIDI file is damaged, or too little of it can be used.
        UsageError: no song of that name.
    """
    material, voices, _ = _found(settings)
    rng = song_rng(name, settings.seed)
    if name.startswith("composed-"):
        seed = int(np.random.SeedSequence([settings.seed, int(name[9:]), 77]).generate_state(1)[0])
        song = composed_song(name, seed, settings.seconds, rng)
    elif name in material.songs:
        song = midi_song(name, material.songs[name], settings.seconds, rng)
    else:
        raise UsageError(
            f"{name!r}: there is no such song; songs are composed-0000 and on, or {', '.join(material.songs)}"
        )
    return song, choose_band(song, material, sorted(voices), rng)


def render_song(name: str, out_dir: Path, settings: MaterialSettings) -> int:
    """Render one song into ``<out_dir>/<name>``, whole or not at all; returns the number of stems.

    Raises:
        DataError, UsageError: see :func:`plan_of`; also when every stem is silent.
        OutputError: the folder cannot be written.
    """
    song, band = plan_of(name, settings)
    _, voices, shelf = _found(settings)
    partial_folder = out_dir / f".{name}.partial-{secrets.token_hex(4)}"
    entries: list[dict[str, Any]] = []
    try:
        partial_folder.mkdir(parents=True)
        for number, stem in enumerate(band):
            rng = song_rng(f"{name}/{number}", settings.seed)
            file = partial_folder / f"{stem.name}{settings.suffix}"
            try:
                write_stem(file, perform(stem.planned, stem.player, shelf, voices, rng, song.seconds))
            except AudioSilentError:
                continue  # a program the soundfont lacks, or a part whose volume is down throughout
            entry = {"file": file.name, "instrument": stem.instrument, "dry": True}
            entries.append(entry | describe_player(stem.player) | {"program": stem.planned.casting.program})
        if len(entries) < 2:
            raise DataError(f"{name}: fewer than two stems sound; leave it out")
        whole = {"song": name, "origin": song.origin, "stems": entries, "recipe": RECIPE, "settings": _valid(settings)}
        (partial_folder / "song.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        os.replace(partial_folder, out_dir / name)
    except OSError as problem:
        raise OutputError(f"{out_dir / name}: cannot be written ({problem}); is the disk full?") from problem
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
    return len(entries)


def describe_player(player: Player) -> dict[str, Any]:
    """Describe a player for ``song.json``: its kind, and what names it."""
    kind = {"player": type(player).__name__}
    if isinstance(player, Soundfont):
        return kind | {"sound": player.path.name}
    if hasattr(player, "singers"):
        return kind | {"sound": [speaker for speaker, _ in player.singers]}
    if hasattr(player, "name"):
        return kind | {"sound": player.name}
    return kind | {"sound": getattr(player, "role", getattr(player, "kind", ""))} if is_dataclass(player) else kind


def _valid(settings: MaterialSettings) -> dict[str, Any]:
    """What must agree for a finished song to be kept; not the places, which may move."""
    held = asdict(settings)
    return {key: held[key] for key in ("seconds", "seed", "suffix")}


def _finished(folder: Path, settings: MaterialSettings) -> bool:
    try:
        song = json.loads((folder / "song.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if (song.get("recipe"), song.get("settings")) != (RECIPE, _valid(settings)):
        raise UsageError(f"{folder}: it was rendered with other settings; choose another folder, or remove this one")
    return True


def render_material(
    out_dir: str | Path,
    settings: MaterialSettings,
    songs: int,
    *,
    jobs: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> RenderReport:
    """Render the first songs of the collection, ``<out_dir>/<song>/<stem>`` and ``song.json`` each.

    Finished songs are kept, so an interrupted call goes on where it stopped. A file that is no usable song is
    left out and named in the report.

    Args:
        out_dir: folder of the collection.
        settings: see :class:`MaterialSettings`.
        songs: how many.
        jobs: songs rendered at once, in processes of their own.
        progress: called with (what happened, songs done, songs in all).

    Raises:
        UsageError: an argument is out of range, or songs there with other settings.
        DataError: the sources are missing.
        FxLensError: fluidsynth or pyworld is missing.
    """
    if songs < 1 or jobs < 1:
        raise UsageError(f"{songs} songs with {jobs} jobs: both must be at least 1")
    fluidsynth_binary()
    load_world()
    out_dir, report = Path(out_dir), RenderReport()
    material, _, _ = _found(settings)
    todo: list[str] = []
    for name in song_names(material, songs):
        (report.finished_before if _finished(out_dir / name, settings) else todo).append(name)

    def note(name: str, outcome: Callable[[], int]) -> None:
        try:
            message = f"{name}: {outcome()} stems"
            report.rendered.append(name)
        except DataError as problem:
            report.left_out[name] = str(problem)
            message = f"{name}: left out ({problem})"
        if progress is not None:
            progress(message, len(report.rendered) + len(report.left_out), len(todo))

    if jobs == 1:
        for name in todo:
            note(name, partial(render_song, name, out_dir, settings))
        return report
    # Spawned, not forked: the caller may hold threads.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = {pool.submit(render_song, name, out_dir, settings): name for name in todo}
        try:
            for task in as_completed(tasks):
                note(tasks[task], task.result)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return report
