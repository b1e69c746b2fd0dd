"""Multitracks out of nothing: songs composed and synthesised from a seed, to demonstrate, test and train.

A song has a key, a form, a groove and up to seven dry stems. The plan of the song, and the part and sound of
every stem, come from their own children of the seed: asking for fewer stems changes none of the others, and
the same seed, length and sample rate give the same samples.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import butter, sosfilt

from fxlens.audio.output import write
from fxlens.data.synthesis.drumming import Hit, drum_part
from fxlens.data.synthesis.kit import render_drums
from fxlens.data.synthesis.parts import bass_part, keys_part, lead_part, pad_part, plucked_part, vocal_part
from fxlens.data.synthesis.song import STEM_NAMES, Note, Song, compose_song
from fxlens.data.synthesis.vocals import render_vocals
from fxlens.data.synthesis.voices import render_bass, render_keys, render_lead, render_pad, render_plucked
from fxlens.errors import OutputError, UsageError

RECIPE = 1
"""Goes up whenever the same seed gives other samples than before."""

STEM_INSTRUMENTS: dict[str, str] = {
    "drums": "drums",
    "bass": "bass",
    "plucked": "plucked",
    "keys": "electric piano",
    "pad": "synth",
    "lead": "synth",
    "vocals": "vocals",
}
"""Stem name to instrument class."""

PEAK_DBFS = -6.0
MIX_GAINS_DB: dict[str, float] = {
    "drums": 0.0, "bass": -5.0, "plucked": -7.0, "keys": -9.0, "pad": -14.0, "lead": -10.0, "vocals": -3.0,
}  # fmt: skip
"""Faders of a plausible mixture of the stems, before any loudness normalisation."""

_PARTS: dict[str, Callable[[Song, np.random.Generator], list[Note]]] = {
    "bass": bass_part, "plucked": plucked_part, "keys": keys_part, "pad": pad_part, "lead": lead_part,
    "vocals": vocal_part,
}  # fmt: skip
_RENDERERS: dict[str, Callable[[Sequence[Note], int, int, np.random.Generator], np.ndarray]] = {
    "bass": render_bass, "plucked": render_plucked, "keys": render_keys, "pad": render_pad,
    "lead": render_lead, "vocals": render_vocals,
}  # fmt: skip


def _generator(seed: int, *path: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))


def _check(seed: int, seconds: float, sample_rate: int) -> None:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise UsageError(f"seed {seed!r}: it must be a whole number of at least 0")
    if not 2.0 <= seconds <= 1800.0:
        raise UsageError(f"a synthetic song of {seconds} s: choose a length between 2 and 1800 seconds")
    if sample_rate != int(sample_rate) or not 16000 <= sample_rate <= 192000:
        raise UsageError(f"sample rate {sample_rate}: choose a whole number between 16000 and 192000 Hz")


def _chosen(instruments: Sequence[str] | None) -> list[str]:
    if instruments is None:
        return list(STEM_NAMES)
    wanted = [instruments] if isinstance(instruments, str) else list(instruments)
    unknown = [name for name in wanted if name not in STEM_NAMES]
    if unknown or not wanted:
        named = ", ".join(map(repr, unknown)) or "an empty list"
        raise UsageError(f"{named}: no such stem; a synthetic song has {', '.join(STEM_NAMES)}")
    return [name for name in STEM_NAMES if name in wanted]


def compose(seed: int, seconds: float = 30.0) -> Song:
    """The plan of the song that :func:`synthesize_song` plays: key, tempo, form, chords.

    Args:
        seed: at least 0.
        seconds: length, 2 to 1800 s.

    Raises:
        UsageError: an argument is out of range.
    """
    _check(seed, seconds, 44100)
    return compose_song(_generator(seed, 0), float(seconds))


def compose_notes(seed: int, stem: str, seconds: float = 30.0) -> list[Note]:
    """The notes that the pitched ``stem`` plays in the song of this seed (the drums have strokes instead).

    Raises:
        UsageError: an argument is out of range, or ``stem`` has no notes.
    """
    if stem not in _PARTS:
        raise UsageError(f"{stem!r} has no notes; choose one of {', '.join(_PARTS)}")
    return _PARTS[stem](compose(seed, seconds), _generator(seed, 1 + STEM_NAMES.index(stem), 0))


def compose_strokes(seed: int, seconds: float = 30.0) -> list[Hit]:
    """The strokes that the drummer plays in the song of this seed."""
    return drum_part(compose(seed, seconds), _generator(seed, 1 + STEM_NAMES.index("drums"), 0))


def synthesize_song(
    seed: int,
    seconds: float = 30.0,
    sample_rate: int = 44100,
    instruments: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Compose a song and play it: stems without any effect.

    Args:
        seed: which song, at least 0. Everything else about it is drawn from the seed.
        seconds: length, 2 to 1800 s. Another length has another form, over the same chords.
        sample_rate: in Hz, 16000 to 192000.
        instruments: stems wanted, out of drums, bass, plucked, keys, pad, lead, vocals; None for all.

    Returns:
        Stem name to float32 ``[2, T]`` with T = round(seconds * sample_rate), each peaking at -6 dBFS.
        :data:`STEM_INSTRUMENTS` names their instrument classes.

    Raises:
        UsageError: an argument is out of range.

    >>> stems = synthesize_song(7, seconds=2.0, sample_rate=22050, instruments=["bass", "drums"])
    >>> {name: stem.shape for name, stem in stems.items()}
    {'drums': (2, 44100), 'bass': (2, 44100)}
    """
    _check(seed, seconds, sample_rate)
    return {name: _stem(name, seed, seconds, int(sample_rate)) for name in _chosen(instruments)}


def _stem(name: str, seed: int, seconds: float, sample_rate: int) -> np.ndarray:
    samples = round(seconds * sample_rate)
    sound = _generator(seed, 1 + STEM_NAMES.index(name), 1)
    if name == "drums":
        audio = render_drums(compose_strokes(seed, seconds), samples, sample_rate, sound)
    else:
        audio = _RENDERERS[name](compose_notes(seed, name, seconds), samples, sample_rate, sound)
    audio = sosfilt(butter(2, 20.0, "highpass", fs=sample_rate, output="sos"), audio)
    fade = round(0.05 * sample_rate)
    audio[:, -fade:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / fade)
    peak = max(float(np.abs(audio).max()), 1e-9)
    return (audio * (10.0 ** (PEAK_DBFS / 20.0) / peak)).astype(np.float32)


def write_song(
    out_dir: str | Path,
    seed: int,
    seconds: float = 30.0,
    sample_rate: int = 44100,
    instruments: Sequence[str] | None = None,
) -> Path:
    """Synthesise a song into its own folder: 16-bit FLAC stems and ``song.json``.

    The folder appears complete or not at all. One that already holds the same song is left as it is.

    Args:
        out_dir: folder of the song; its name is the name of the song.
        seed: as for :func:`synthesize_song`, like the others.
        seconds: length.
        sample_rate: in Hz.
        instruments: stems wanted; None for all.

    Returns:
        The folder.

    Raises:
        UsageError: an argument is out of range, or the folder holds something else.
        OutputError: the folder cannot be written.
    """
    folder = Path(out_dir)
    _check(seed, seconds, sample_rate)
    names = _chosen(instruments)
    settings = {"seed": int(seed), "seconds": float(seconds), "sample_rate": int(sample_rate), "stems": names}
    if _finished(folder, settings):
        return folder
    song = {
        "song": folder.name,
        "stems": [{"file": f"{name}.flac", "instrument": STEM_INSTRUMENTS[name], "dry": True} for name in names],
        "recipe": RECIPE,
        "settings": settings,
    }
    partial_folder = folder.with_name(f".{folder.name}.partial-{secrets.token_hex(4)}")
    try:
        partial_folder.mkdir(parents=True)
        for name in names:
            audio = _stem(name, seed, seconds, int(sample_rate))
            write(partial_folder / f"{name}.flac", audio, int(sample_rate), subtype="PCM_16")
        (partial_folder / "song.json").write_text(json.dumps(song, indent=1) + "\n", encoding="utf-8")
        os.replace(partial_folder, folder)
    except OSError as problem:
        raise OutputError(
            f"{folder}: cannot be written ({problem.strerror or problem}); check permissions and free space"
        ) from problem
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
    return folder


def _finished(folder: Path, settings: dict[str, Any]) -> bool:
    """Whether ``folder`` holds this very song already; an empty or missing folder is free."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        found = json.loads((folder / "song.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    if not isinstance(found, dict) or (found.get("recipe"), found.get("settings")) != (RECIPE, settings):
        raise UsageError(f"{folder}: it holds something else; choose another folder, or remove this one")
    return True


def synthesize_collection(
    out_dir: str | Path,
    songs: int,
    seconds: float = 30.0,
    seed: int = 0,
    jobs: int = 1,
    *,
    sample_rate: int = 44100,
    instruments: Sequence[str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Path]:
    """Write a collection of songs, ``<out_dir>/<song>/<stem>.flac`` with a ``song.json`` each.

    Songs that are there already are kept, so an interrupted call goes on where it stopped. Collections of
    different seeds share no song.

    Args:
        out_dir: folder of the collection.
        songs: how many, at least 1.
        seconds: length of each song.
        seed: of the collection, at least 0.
        jobs: songs made at once, in processes of their own.
        sample_rate: in Hz.
        instruments: stems wanted; None for all.
        progress: called with (song, songs done, songs in all).

    Returns:
        The songs' folders, in order.

    Raises:
        UsageError: an argument is out of range, or a song's folder holds something else.
        OutputError: a folder cannot be written.
    """
    if songs < 1 or jobs < 1:
        raise UsageError(f"{songs} songs with {jobs} jobs: both must be at least 1")
    _check(seed, seconds, sample_rate)
    wanted = _chosen(instruments)
    folders = [Path(out_dir) / f"synthetic-{seed}-{number:04d}" for number in range(songs)]
    seeds = [int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) for number in range(songs)]
    make = partial(write_song, seconds=seconds, sample_rate=sample_rate, instruments=wanted)

    def report(folder: Path, done: int) -> Path:
        if progress is not None:
            progress(folder.name, done, songs)
        return folder

    pairs = enumerate(zip(folders, seeds, strict=True), start=1)
    if jobs == 1:
        return [report(make(folder, song_seed), done) for done, (folder, song_seed) in pairs]
    # Spawned, not forked: the caller may hold threads.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(make, folder, song_seed) for _, (folder, song_seed) in pairs]
        try:
            return [report(task.result(), done) for done, task in enumerate(tasks, start=1)]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
