"""A scene from files: the stems of one song, named after their instruments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fxlens.audio import io
from fxlens.audio.checks import check_shape
from fxlens.audio.loudness import integrated_loudness
from fxlens.audio.waveform import resample
from fxlens.demo.scene import Part, Scene
from fxlens.effects.chain import EffectChain
from fxlens.errors import AudioSilentError, UsageError
from fxlens.instruments import resolve

EXCERPT_SECONDS = 30.0
"""How much of longer songs is used."""

_SILENT_DB = -70.0
_BELOW_LOUDEST_DB = 30.0


def instruments_of(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Sort stems by the instrument class that their file names mean.

    Raises:
        UsageError: a name that means no instrument, or fewer than two instruments.
    """
    found: dict[str, list[Path]] = {}
    for path in paths:
        instrument = resolve(path.stem)
        if instrument is None:
            raise UsageError(
                f"{path}: its name says no instrument; rename it like lead_vocals.wav or drums.wav, "
                "and leave out the mixture itself"
            )
        found.setdefault(instrument.name, []).append(path)
    named = [name for name in found if name != "other"]
    if len(named) < 2:
        raise UsageError(
            f"the stems name {len(named)} instrument ({', '.join(named) or 'only other'}); give stems of two "
            "or more, or one file alone, which is taken as a mixture"
        )
    return found


def stem_scene(
    paths: Sequence[Path],
    sample_rate: int,
    seconds: float = EXCERPT_SECONDS,
    say: Callable[[str], None] | None = None,
) -> Scene:
    """Read stems as they are: their effects are those of the recording, their levels too.

    Several stems of one class become one part; stems of the class *other* stay in the mixture and are neither
    changed nor asked for. Of songs longer than ``seconds``, the excerpt is used in which the instrument that
    is heard least is heard most.

    Args:
        paths: stems of one song, starting together.
        sample_rate: Hz of the scene.
        seconds: most to use.
        say: told of stems that are silent in the excerpt.

    Raises:
        AudioError: a file that is missing, damaged, silent, or has more than two channels.
        UsageError: see :func:`instruments_of`; also if fewer than two instruments sound together.
    """
    grouped = instruments_of(paths)
    measured = {path: _sounding_seconds(path) for path in paths}
    sounding = {path: mask for path, (mask, _) in measured.items()}
    start = _busiest_start(
        [_longest_or([sounding[path] for path in files]) for name, files in grouped.items() if name != "other"],
        round(seconds),
    )
    there = min(seconds, max(whole for _, whole in measured.values()) - start)
    length = round(there * sample_rate)
    parts, rest = [], None
    for name, files in grouped.items():
        audio = np.sum([_read(path, measured[path][1], start, there, length, sample_rate) for path in files], axis=0)
        loudness = float(integrated_loudness(audio, sample_rate))
        if name == "other":
            rest = audio
        elif loudness > _SILENT_DB:
            parts.append(Part(name, audio, EffectChain(), loudness, tuple(path.name for path in files)))
        elif say is not None:
            say(f"{name}: silent from {start} s to {start + there:.0f} s, left out")
    if len(parts) < 2:
        raise UsageError(f"fewer than two instruments sound together from {start} s to {start + there:.0f} s")
    return Scene(tuple(parts), rest, sample_rate, float(start), "as recorded")


def _sounding_seconds(path: Path) -> tuple[np.ndarray, float]:
    """Which seconds of a file are at most 30 dB below its loudest one, bool ``[seconds]``; and its length."""
    power, samples = [], 0
    for block in io.blocks(path, 1.0):
        check_shape(block, path)
        samples += block.shape[1]
        power.append(float(np.mean(np.square(block, dtype=np.float64))))
    level_db = 10.0 * np.log10(np.array(power) + 1e-30)
    if level_db.max() < _SILENT_DB:
        raise AudioSilentError(path, "the stem is silent from beginning to end; leave it out")
    rate = io.probe(path, exact=False).sample_rate
    return level_db > level_db.max() - _BELOW_LOUDEST_DB, samples / rate


def _longest_or(masks: Sequence[np.ndarray]) -> np.ndarray:
    either = np.zeros(max(map(len, masks)), dtype=bool)
    for mask in masks:
        either[: len(mask)] |= mask
    return either


def _busiest_start(masks: Sequence[np.ndarray], seconds: int) -> int:
    """The first start at which the least heard instrument is heard most; among those, all of them."""
    total = max(map(len, masks))
    if total <= seconds:
        return 0
    padded = np.array([np.pad(mask, (0, total - len(mask))) for mask in masks], dtype=np.int64)
    sums = np.pad(padded.cumsum(axis=1), ((0, 0), (1, 0)))
    heard = sums[:, seconds:] - sums[:, :-seconds]
    return int(np.argmax(heard.min(axis=0) * (seconds * len(masks) + 1) + heard.sum(axis=0)))


def _read(path: Path, whole: float, start: int, seconds: float, length: int, sample_rate: int) -> np.ndarray:
    """float32 ``[2, length]``; zeros where the file has ended."""
    out = np.zeros((2, length), dtype=np.float32)
    if start < whole:
        audio, rate = io.read(path, float(start), seconds)
        audio = resample(audio, rate, sample_rate)[:, :length]
        out[:, : audio.shape[1]] = audio  # mono is heard from both sides
    return out
