"""Sampled drum kits in the format of the Hydrogen drum machine: read, mapped to General MIDI, and played.

A kit is a folder with ``drumkit.xml`` and its samples; every instrument has layers for ranges of velocity.
Instruments are recognised by their names, because the kits number them each in its own way.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr

from fxlens.audio import io
from fxlens.data.midi.parts import Note
from fxlens.errors import AudioError, DataError

SAMPLE_RATE = 44100

_PIECES: tuple[tuple[str, str], ...] = (  # the first pattern that fits a name decides
    ("clap", r"clap"), ("stick", r"side ?stick|\bstick|rim ?click|rimshot|\brim\b|click"),
    ("open", r"(hat|hh|hi-hat).*(open|opened|\bop\b|semi)|open.*(hat|hh)|ohh"),
    ("pedal", r"(hat|hh|hi-hat).*(pedal|\bpd\b|foot)|pedal.*(hat|hh)"),
    ("closed", r"(hat|hh|hi-hat).*(clos|\bcl\b)|clos.*(hat|hh)|hat ring|hat low"),
    ("kick", r"kick|bass ?drum|cajon thump"), ("snare", r"snare|cajon slap"),
    ("low_tom", r"(tom.*(low|floor|lo\b))|((low|floor).*tom)"), ("mid_tom", r"(tom.*(mid|2))|((mid|middle).*tom)"),
    ("high_tom", r"tom"), ("cowbell", r"cowbell"), ("ride", r"ride|bell"), ("crash", r"crash|splash|china|cymbal"),
    ("tambourine", r"tambourine"), ("shaker", r"shaker|maraca"), ("conga", r"conga|bongo"),
    ("clave", r"clave|wood ?block"),
)  # fmt: skip
_KEYS: dict[int, tuple[str, ...]] = {  # General MIDI key -> pieces that may play it, best first
    35: ("kick",), 36: ("kick",), 37: ("stick", "snare"), 38: ("snare",), 39: ("clap", "snare"), 40: ("snare",),
    41: ("low_tom", "mid_tom"), 43: ("low_tom", "mid_tom"), 45: ("mid_tom", "low_tom"), 47: ("mid_tom", "high_tom"),
    48: ("high_tom", "mid_tom"), 50: ("high_tom", "mid_tom"), 42: ("closed", "pedal"), 44: ("pedal", "closed"),
    46: ("open", "closed"), 49: ("crash", "open"), 57: ("crash", "open"), 52: ("crash",), 55: ("crash",),
    51: ("ride", "closed"), 53: ("ride",), 59: ("ride", "closed"), 56: ("cowbell",), 54: ("tambourine", "shaker"),
    70: ("shaker",), 82: ("shaker",), 60: ("conga",), 61: ("conga",), 62: ("conga",), 63: ("conga",), 64: ("conga",),
    65: ("conga",), 66: ("conga",), 69: ("shaker",), 75: ("clave",), 76: ("clave",), 77: ("clave",), 67: ("cowbell",),
}  # fmt: skip
_CHOKED = frozenset({"open"})
_CHOKES = frozenset({"open", "closed", "pedal"})
_LONGEST_SECONDS = 4.0


@dataclass(frozen=True)
class Layer:
    """A sample and the velocities 0-1 it is for."""

    file: Path
    low: float
    high: float
    gain: float


@dataclass(frozen=True)
class DrumKit:
    """A kit: its name, the licence that its file states, and the instruments of every piece."""

    name: str
    licence: str
    pieces: dict[str, tuple[tuple[Layer, ...], ...]]


def piece_of_name(name: str) -> str | None:
    """Return the piece of the kit a name means, or None.

    >>> piece_of_name("Closed HH"), piece_of_name("Floor Tom"), piece_of_name("Zap 1")
    ('closed', 'low_tom', None)
    """
    lowered = name.lower()
    return next((piece for piece, pattern in _PIECES if re.search(pattern, lowered)), None)


def read_drum_kit(folder: str | Path) -> DrumKit:
    """Read a kit's ``drumkit.xml``.

    Raises:
        DataError: the file is missing or damaged, or has neither a kick nor a snare.
    """
    path = Path(folder) / "drumkit.xml"
    try:
        root = ET.fromstring(re.sub(rb' xmlns="[^"]*"', b"", path.read_bytes()))
    except (OSError, ET.ParseError) as problem:
        raise DataError(f"{path}: no readable drum kit ({problem}); leave it out") from problem
    pieces: dict[str, list[tuple[Layer, ...]]] = {}
    for instrument in root.iter("instrument"):
        piece = piece_of_name(instrument.findtext("name") or "")
        layers = tuple(layer for layer in map(lambda e: _layer(path.parent, e), instrument.iter("layer")) if layer)
        if not layers and instrument.findtext("filename"):
            layers = (Layer(path.parent / (instrument.findtext("filename") or ""), 0.0, 1.0, 1.0),)
        layers = tuple(layer for layer in layers if layer.file.is_file())
        if piece and layers:
            pieces.setdefault(piece, []).append(layers)
    if not {"kick", "snare"} <= pieces.keys():
        raise DataError(f"{path}: it has no kick and snare drum; leave it out")
    licence = " ".join((root.findtext("license") or "see the package").split())
    return DrumKit(path.parent.name, licence, {piece: tuple(found) for piece, found in pieces.items()})


def _layer(folder: Path, element: ET.Element) -> Layer | None:
    name = element.findtext("filename")
    if not name:
        return None
    low, high, gain = (
        float(element.findtext(tag) or default) for tag, default in (("min", 0), ("max", 1), ("gain", 1))
    )
    return Layer(folder / name, low, high, gain)


@lru_cache(maxsize=256)
def _sample(path: Path, ratio: float) -> np.ndarray:
    audio, rate = io.read(path)
    if audio.shape[0] == 1:
        audio = np.repeat(audio, 2, axis=0)
    audio = audio[:2, : round(_LONGEST_SECONDS * rate)]
    tuned = soxr.resample(audio.T, rate * ratio, SAMPLE_RATE).T if rate * ratio != SAMPLE_RATE else audio.copy()
    fade = min(2000, tuned.shape[1])
    tuned[:, tuned.shape[1] - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return np.ascontiguousarray(tuned, dtype=np.float32)


def play_drums(kit: DrumKit, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Play the drum channel's notes on a kit; keys that no piece of it can take are left out.

    Args:
        kit: the kit.
        notes: in order of their start.
        seconds: length of the result.
        rng: draws the instrument of every piece, its tuning and level, once for the song.

    Returns:
        ``float32 [2, T]`` at 44 100 Hz, not yet at its final level.
    """
    chosen: dict[str, tuple[tuple[Layer, ...], float, float]] = {}
    for piece, instruments in sorted(kit.pieces.items()):
        tune, level = round(2.0 ** float(rng.normal(0.0, 0.8 / 12.0)), 2), 10.0 ** float(rng.normal(0.0, 2.0 / 20.0))
        chosen[piece] = (instruments[int(rng.integers(len(instruments)))], tune, level)
    out = np.zeros((2, round(seconds * SAMPLE_RATE)), dtype=np.float32)
    struck = [(n, p) for n in notes if (p := next((p for p in _KEYS.get(n.pitch, ()) if p in chosen), None))]
    for number, (note, piece) in enumerate(struck):
        layers, tune, level = chosen[piece]
        clip = _struck(layers, note.velocity / 127.0, tune)
        if clip is None:
            continue
        if piece in _CHOKED:
            clip = _choked(clip, note, struck[number + 1 :])
        first = max(round(note.start * SAMPLE_RATE), 0)
        kept = min(clip.shape[1], out.shape[1] - first)
        if kept > 0:
            out[:, first : first + kept] += np.float32(level * (note.velocity / 127.0)) * clip[:, :kept]
    return out


def _struck(layers: Sequence[Layer], velocity: float, tune: float) -> np.ndarray | None:
    layer = min(
        layers, key=lambda one: abs((one.low + one.high) / 2 - velocity) + (velocity > one.high) + (velocity < one.low)
    )
    try:
        return np.float32(layer.gain) * _sample(layer.file, tune)
    except AudioError:
        return None


def _choked(clip: np.ndarray, note: Note, following: Sequence[tuple[Note, str]]) -> np.ndarray:
    """An open hi-hat ends where the next hi-hat is struck."""
    stop = next((n.start for n, p in following[:24] if p in _CHOKES and n.start > note.start + 0.02), None)
    length = clip.shape[1] if stop is None else round((stop - note.start) * SAMPLE_RATE)
    if length >= clip.shape[1]:
        return clip
    cut = clip[:, :length].copy()
    fade = min(round(0.02 * SAMPLE_RATE), length)
    cut[:, length - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return cut
