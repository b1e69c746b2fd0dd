"""The formats a chain can be written in, by name."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fxlens.effects.chain import EffectChain
from fxlens.effects.export.ffmpeg_filter import write_ffmpeg
from fxlens.effects.export.pedalboard_code import write_pedalboard
from fxlens.effects.export.sheet import write_sheet
from fxlens.errors import UsageError

FORMATS = ("sheet", "pedalboard", "ffmpeg", "json")
"""A Markdown sheet to dial in by hand, Python code for pedalboard, a filter line for ffmpeg, the preset itself."""


class Exported(NamedTuple):
    """A chain in another format.

    Args:
        text: what was asked for.
        notes: what the format cannot say, one sentence each, where the text has no room for comments.
    """

    text: str
    notes: tuple[str, ...] = ()


def export(
    chain: EffectChain,
    format: str,
    sample_rate: int = 44_100,
    tempo_bpm: float | None = None,
    write_rooms: Path | None = None,
) -> Exported:
    """Write a chain for people or for other programs.

    Args:
        chain: disabled effects are struck through on the sheet, commented in code, left out of the filter line.
        format: one of :data:`FORMATS`.
        sample_rate: Hz, of the audio the text will be used on (pedalboard, ffmpeg).
        tempo_bpm: beats a minute; the sheet then gives times as note values too.
        write_rooms: folder for the impulse responses of reverbs, which are then written there and used by the
            text (pedalboard, ffmpeg). Without it these programs can only come near a reverb, or not even that.

    Returns:
        The text, and notes on what it leaves out.

    Raises:
        UsageError: an unknown format, or a tempo or sample rate that is not one.
        OutputError: an impulse response cannot be written.
        PresetError: one of them is a recorded room that the chain cannot find, see
            :meth:`fxlens.effects.chain.EffectChain.with_rooms`.

    >>> from fxlens.effects.effect import Effect
    >>> export(EffectChain((Effect("gain", parameters={"gain_db": -3.0}),)), "ffmpeg").text
    'volume=-3dB:precision=double\\n'
    """
    if format not in FORMATS:
        raise UsageError(f"there is no format {format!r}; there are: {', '.join(FORMATS)}")
    if not 8_000 <= sample_rate <= 768_000:
        raise UsageError(f"a sample rate of {sample_rate} Hz cannot be exported for; give 8000 to 768000")
    if tempo_bpm is not None and not 10.0 <= tempo_bpm <= 1000.0:
        raise UsageError(f"the tempo must lie between 10 and 1000 beats a minute, not {tempo_bpm:g}")
    if format == "sheet":
        return Exported(write_sheet(chain, tempo_bpm))
    if format == "pedalboard":
        return Exported(write_pedalboard(chain, sample_rate, write_rooms))
    if format == "ffmpeg":
        line, notes = write_ffmpeg(chain, sample_rate, write_rooms)
        return Exported(line + "\n", tuple(notes))
    return Exported(chain.to_json() + "\n")
