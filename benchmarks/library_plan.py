"""What the library benchmark is made of: an excerpt of every recording and of every mix, and the chains."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxlens.audio.loudness import integrated_loudness, normalize_loudness
from fxlens.audio.output import write
from fxlens.data.excerpts import Excerpt, active_share, draw_excerpt, load_excerpt
from fxlens.data.manifest import Multitrack, Stem
from fxlens.data.mixture import draw_track_levels, mix
from fxlens.effects.chain import EffectChain
from fxlens.effects.rendering import render_chains
from fxlens.effects.sampling import draw_chain
from fxlens.errors import AudioSilentError

RATE = 44_100
MIX = "mix"
WORKING_LUFS = -18.0
"""Loudness before and after a chain: thresholds then mean the same for every recording, and levels tell nothing."""

_HIGHEST_PEAK = 0.98
_CHAIN, _PLACE, _LEVELS = 1, 2, 3  # what a seed is for
_LEAST_SHARE = 0.2  # of an excerpt in which something must sound


@dataclass(frozen=True)
class Recording:
    """One recording of the library, without effects: a stem, or the mix of a song.

    Args:
        song: its song.
        name: of the stem, or ``mix``.
        instrument: canonical class, or ``mix``.
        excerpts: one for a stem, one a stem for a mix; all from the same second on.
    """

    song: str
    name: str
    instrument: str
    excerpts: tuple[Excerpt, ...]

    def path(self, folder: Path, chain: int) -> Path:
        """The file of this recording under a chain."""
        return folder / _plain(self.instrument) / f"{_plain(self.song)}--{_plain(self.name)}--chain{chain:02d}.flac"


def draw_chains(count: int, seed: int) -> list[EffectChain]:
    """Chains with one to eight audible effects, numbers balanced; each from a seed of its own."""
    return [draw_chain(np.random.default_rng([seed, _CHAIN, n]), n % 8 + 1) for n in range(count)]


def plan_recordings(songs: Sequence[Multitrack], seconds: float, seed: int) -> list[Recording]:
    """An excerpt of every stem, and of the mix of every song with two stems or more that sound together.

    Args:
        songs: what there is.
        seconds: length of an excerpt.
        seed: of the places.
    """
    found = []
    for number, song in enumerate(songs):
        for place, stem in enumerate(song.stems):
            excerpt = draw_excerpt(stem, seconds, np.random.default_rng([seed, _PLACE, number, place]))
            if float(active_share(stem, excerpt.start_seconds, seconds)) >= min(_LEAST_SHARE, 1.0 / seconds):
                found.append(Recording(song.song, stem.name, stem.instrument, (excerpt,)))
        together = _together(song.stems, seconds, np.random.default_rng([seed, _PLACE, number, len(song.stems)]))
        if len(together) > 1:
            found.append(Recording(song.song, MIX, MIX, together))
    return found


def _together(stems: Sequence[Stem], seconds: float, rng: np.random.Generator) -> tuple[Excerpt, ...]:
    """Excerpts of all stems that sound where the busiest one was cut."""
    busiest = max(stems, key=lambda stem: stem.active_seconds)
    start = draw_excerpt(busiest, seconds, rng).start_seconds
    there = [stem for stem in stems if float(active_share(stem, start, seconds)) >= _LEAST_SHARE]
    return tuple(Excerpt(stem, start, seconds) for stem in there if start < stem.duration_seconds)


@dataclass(frozen=True)
class RenderUnit:
    """The files of one recording; what a process is given.

    Args:
        recording: which.
        chains: all of them.
        folder: of the files.
        seed: of the levels in a mix.
    """

    recording: Recording
    chains: tuple[EffectChain, ...]
    folder: Path
    seed: int

    def missing(self) -> list[int]:
        """Chains whose file is not there."""
        return [n for n in range(len(self.chains)) if not self.recording.path(self.folder, n).is_file()]


def render(unit: RenderUnit) -> None:
    """Write the files that are missing, each whole or not at all.

    Raises:
        AudioSilentError: a chain left nothing to hear.
        AudioError: a recording cannot be read.
        OutputError: the disk is full.
    """
    missing = unit.missing()
    if not missing:
        return
    dry = _dry(unit.recording, unit.seed)
    for number in missing:
        path = unit.recording.path(unit.folder, number)
        wet = render_chains([unit.chains[number]], dry[None], RATE)[0]
        if not np.isfinite(integrated_loudness(wet, RATE)):
            raise AudioSilentError(path, "the chain left nothing to hear; choose another seed")
        wet, _ = normalize_loudness(wet, RATE, WORKING_LUFS)
        peak = float(np.abs(wet).max())
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, wet * np.float32(min(1.0, _HIGHEST_PEAK / peak)), RATE, "PCM_16")


def _dry(recording: Recording, seed: int) -> np.ndarray:
    """``float32 [2, T]`` at the working loudness."""
    tracks = [load_excerpt(excerpt, RATE) for excerpt in recording.excerpts]
    if len(tracks) == 1:
        return np.asarray(normalize_loudness(tracks[0], RATE, WORKING_LUFS)[0], np.float32)
    number = int.from_bytes(hashlib.sha256(recording.song.encode()).digest()[:8], "big")
    levels = draw_track_levels(np.random.default_rng([seed, _LEVELS, number]), len(tracks))
    loudness = [float(integrated_loudness(track, RATE)) for track in tracks]
    return mix(tracks, loudness, levels, RATE, WORKING_LUFS)


def _plain(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w.-]+", "_", name)
