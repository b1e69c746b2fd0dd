"""Findings in the words of a mixing engineer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fxlens.describing.description import Setting

LABELS: dict[str, str] = {
    "equalizer": "equaliser",
    "distortion": "distortion",
    "multiband_compressor": "multiband compression",
    "limiter": "limiting",
    "stereo_imager": "stereo width",
    "delay": "delay",
    "reverb": "reverb",
}
"""What an effect is called in a sentence."""

EQ_PREFIX = "response_at_"
_TIGHT = 0.2
"""Width of an interval, as a share of its middle, up to which one number says as much as two."""
_CLOSE_DB = 3.0


def label_of(effect: str) -> str:
    """What an engineer calls a type of effect."""
    return LABELS.get(effect, effect.replace("_", " "))


def strength_word(strength: float) -> str:
    """Thirds of the range: ``"light"``, ``"moderate"``, ``"heavy"``."""
    return "light" if strength < 1 / 3 else "moderate" if strength < 2 / 3 else "heavy"


def sentence(effect: str, verdict: str, strength: float | None, settings: Sequence[Setting]) -> str:
    """One line on one effect.

    Args:
        effect: its registry name.
        verdict: how sure.
        strength: 0-1, or None.
        settings: what is known of its settings.
    """
    said = [verdict]
    if strength is not None:
        said.append(strength_word(strength))
    said += [phrase for setting in settings if (phrase := setting_phrase(setting))]
    return f"{label_of(effect)}: {', '.join(said)}"


def setting_phrase(setting: Setting) -> str:
    """A few words on one setting; empty where the interval says nothing worth saying."""
    if setting.name.startswith(EQ_PREFIX):
        return _curve(setting)
    if setting.name == "width":
        return _width(setting)
    spoken = _share(setting) if setting.unit == "" else _measured(setting)
    return spoken if setting.name == "time_ms" else f"{setting.label} {spoken}"


def _curve(setting: Setting) -> str:
    """A boost or a cut, only where the interval leaves no doubt which."""
    if setting.low <= 0.0 <= setting.high:
        return ""
    move = "boost" if setting.value > 0 else "cut"
    ends = sorted((abs(setting.low), abs(setting.high)))
    spoken = _interval(abs(setting.value), ends[0], ends[1], "dB", _decibels, close=ends[1] - ends[0] <= _CLOSE_DB)
    return f"{move} {setting.label} ({spoken})"


def _width(setting: Setting) -> str:
    if setting.high < 1.0:
        return f"narrowed (width {_share(setting)})"
    if setting.low > 1.0:
        return f"widened (width {_share(setting)})"
    return ""


def _share(setting: Setting) -> str:
    value, low, high = (100.0 * v for v in (setting.value, setting.low, setting.high))
    return _interval(value, low, high, "%", _percent, close=high - low <= 15.0)


def _measured(setting: Setting) -> str:
    write = _decibels if setting.unit == "dB" else rounded
    close = setting.high - setting.low <= _CLOSE_DB if setting.unit == "dB" else None
    return _interval(setting.value, setting.low, setting.high, setting.unit, write, close)


def _interval(
    value: float, low: float, high: float, unit: str, write: Callable[[float], str], close: bool | None = None
) -> str:
    tight = high - low <= _TIGHT * abs(value) if close is None else close
    ends = write(low), write(high)
    if tight or ends[0] == ends[1]:
        return f"about {write(value)} {unit}"
    joined = f"{ends[0]} to {ends[1]}" if low < 0 else f"{ends[0]}–{ends[1]}"  # no dash beside a minus
    return f"{joined} {unit}"


def _percent(value: float) -> str:
    return f"{5 * round(value / 5):d}" if value >= 7.5 else f"{round(value):d}"


def _decibels(value: float) -> str:
    return f"{round(value):d}" if abs(value) >= 0.5 else "0"


def rounded(value: float) -> str:
    """Two significant digits, as one would say it: 113 is 110, 0.217 is 0.22."""
    if value == 0.0:
        return "0"
    said = float(f"{value:.1e}")
    return f"{said:.{max(1 - math.floor(math.log10(abs(said))), 0)}f}"


def frequency(hz: float) -> str:
    """``"80 Hz"``, ``"3 kHz"``, ``"1.5 kHz"``."""
    return f"{hz:g} Hz" if hz < 1000 else f"{hz / 1000:g} kHz"
