"""Where sound for training comes from: a table of packages with their licences, and finding what they hold.

Every package is unpacked into a folder of its own below one folder, as ``tools/material.py fetch`` does. The
licences are those that the packages themselves state; all of them allow copies and changed works.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from fxlens.data.material.drum_samples import DrumKit, read_drum_kit
from fxlens.errors import DataError


@dataclass(frozen=True)
class Source:
    """One package.

    Args:
        package: name of the Debian package, and of its folder.
        gives: songs, soundfont, drum kits or speakers.
        licence: of what is used of it.
        holds: a few words.
    """

    package: str
    gives: str
    licence: str
    holds: str


SOURCES: tuple[Source, ...] = (
    Source("openttd-openmsx", "songs", "GPL-2", "31 General MIDI songs of a game, pop and jazz"),
    Source("simutrans-data", "songs", "Artistic-1.0", "53 General MIDI songs of a game, many styles"),
    Source("planetblupi-music-midi", "songs", "GPL-3+", "10 General MIDI songs of a game"),
    Source("fluid-soundfont-gm", "soundfont", "MIT", "FluidR3 GM, 148 MB"),
    Source("fluidr3mono-gm-soundfont", "soundfont", "MIT", "FluidR3 in mono, reworked"),
    Source("musescore-general-soundfont", "soundfont", "MIT", "MuseScore General, much replaced"),
    Source("timgm6mb-soundfont", "soundfont", "GPL-2", "TimGM6mb, another sample set"),
    Source("csound-soundfont", "soundfont", "public domain", "sf_GMbank, another sample set"),
    Source("opl3-soundfont", "soundfont", "CC-BY-SA-4.0", "sounds of an FM chip; used for synthesisers alone"),
    Source("hydrogen-data", "drum kits", "GPL-2+", "a rock kit, an analogue drum machine"),
    Source("hydrogen-drumkits", "drum kits", "GPL-2, CC0, CC-BY-3.0, CC-BY-SA-3.0", "acoustic and electronic kits"),
    Source("klettres-data", "speakers", "GPL-2+", "letters and syllables in 20 languages, a speaker each"),
    Source("ktuberling-data", "speakers", "GPL-2+", "words in 12 languages"),
    Source("tuxpaint-stamps-default", "speakers", "GPL-2", "short descriptions in ten languages"),
)
SYNTH_ONLY_FONT = "OPL-3_FM_128M"
_LEAST_RECORDINGS = 20
_LANGUAGE = re.compile(r"_desc(?:_(?P<language>[a-z]{2}(?:_[A-Z]{2})?))?$")


@dataclass(frozen=True)
class Material:
    """What was found, in an order that does not depend on the folder's.

    Args:
        songs: name -> MIDI file; the name begins with that of the collection.
        soundfonts: General MIDI soundfonts.
        synth_font: a soundfont for synthesisers alone, or None.
        kits: drum kits with hats.
        speakers: name -> recordings, in a fixed random order.
    """

    songs: dict[str, Path] = field(default_factory=dict)
    soundfonts: tuple[Path, ...] = ()
    synth_font: Path | None = None
    kits: tuple[DrumKit, ...] = ()
    speakers: dict[str, tuple[Path, ...]] = field(default_factory=dict)


def find_material(folder: str | Path, midi_folders: tuple[Path, ...] = ()) -> Material:
    """Find what the unpacked packages hold.

    Args:
        folder: with one folder a package.
        midi_folders: more folders of General MIDI files; each is a collection named after itself.

    Raises:
        DataError: there is no such folder, or no soundfont or no speaker in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; make it with: python tools/material.py fetch {folder}")
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    fonts = {p.stem: p for p in files if p.suffix in (".sf2", ".sf3")}
    synth_font = fonts.pop(SYNTH_ONLY_FONT, None)
    speakers = _speakers(files)
    for what, found in (("soundfont", fonts), ("recordings of speech", speakers)):
        if not found:
            raise DataError(f"{folder}: no {what} in it; run: python tools/material.py fetch {folder}")
    return Material(
        _songs(folder, files, midi_folders),
        tuple(fonts[name] for name in sorted(fonts)),
        synth_font,
        _kits(files),
        speakers,
    )


def slug(name: str) -> str:
    """Return a name in small letters, digits and hyphens.

    >>> slug("49-Last Sunday!")
    '49-last-sunday'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _songs(folder: Path, files: list[Path], midi_folders: tuple[Path, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    seen: set[str] = set()
    listed = [(p.relative_to(folder).parts[0].split("-")[0], p) for p in files]
    listed += [(extra.name, p) for extra in midi_folders for p in sorted(extra.rglob("*")) if p.is_file()]
    for collection, path in listed:
        if path.suffix.lower() not in (".mid", ".midi"):
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest not in seen:
            seen.add(digest)
            found[f"{collection}-{slug(path.stem)}"] = path
    return dict(sorted(found.items()))


def _kits(files: list[Path]) -> tuple[DrumKit, ...]:
    kits = []
    for path in files:
        if path.name != "drumkit.xml":
            continue
        try:
            kit = read_drum_kit(path.parent)
        except DataError:
            continue  # hand percussion, or effects
        if "closed" in kit.pieces:
            kits.append(kit)
    return tuple(sorted(kits, key=lambda kit: kit.name))


def speaker_of(path: Path) -> str | None:
    """Return the speaker of a recording, as far as its package tells them apart: one a language."""
    parts = path.parts
    if "klettres" in parts:
        return f"klettres-{parts[parts.index('klettres') + 1]}"
    if "ktuberling" in parts and "@" not in path.parent.name:
        return f"ktuberling-{path.parent.name}"
    described = _LANGUAGE.search(path.stem)
    if "tuxpaint" in parts and described:
        return f"tuxpaint-{described['language'] or 'en'}"
    return None


def _speakers(files: list[Path]) -> dict[str, tuple[Path, ...]]:
    speakers: dict[str, list[Path]] = {}
    for path in files:
        name = speaker_of(path) if path.suffix in (".ogg", ".wav") else None
        if name:
            speakers.setdefault(name, []).append(path)
    # A package lists its words by subject or alphabet: mixed, a few dozen of them hold all sounds.
    return {
        name: tuple(sorted(found, key=lambda p: hashlib.sha256(p.name.encode()).hexdigest()))
        for name, found in sorted(speakers.items())
        if len(found) >= _LEAST_RECORDINGS
    }
