"""A chain as a sheet to dial in by hand: Markdown, rounded as knobs are, in the words of plug-ins."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from fxlens.effects.chain import EffectChain
from fxlens.effects.distortion import CALIBRATION_DBFS
from fxlens.effects.equalizer import BANDS
from fxlens.effects.export.note_values import nearest_note
from fxlens.effects.export.saturation import typical_makeup_db
from fxlens.effects.multiband import BANDS as COMPRESSOR_BANDS

Row = tuple[str, str, str]
Values = Mapping[str, float]

_TITLES = {
    "equalizer": "Equaliser (parametric)",
    "distortion": "Distortion (saturation)",
    "multiband_compressor": "Multiband compressor and expander",
    "compressor": "Compressor",
    "limiter": "Limiter",
    "gain": "Gain (trim)",
    "stereo_imager": "Stereo width (mid/side)",
    "delay": "Delay (echo)",
    "reverb": "Reverb",
}
_LEAST_GAIN_DB = 0.05
_KINDS = {"low_shelf": "low shelf", "peak": "bell", "high_shelf": "high shelf"}
_TIMES_NOTE = "63 % of the way; plug-ins that count to 90 % show 2.3 times as much"


def write_sheet(chain: EffectChain, tempo_bpm: float | None = None) -> str:
    """Write the sheet.

    Args:
        chain: disabled effects have their titles struck through and no settings.
        tempo_bpm: beats a minute; echoes are then given as note values too.

    Returns:
        Markdown.
    """
    parts = ["# Effect chain"]
    if any(effect.enabled and effect.processor.nonlinear for effect in chain.effects):
        parts.append(
            "Thresholds mean something at one level only. Unless you know the level this chain was made for, bring "
            "the clip to an integrated loudness of −18 LUFS before the first effect."
        )
    if not chain.effects:
        parts.append("Nothing: the clip stays as it is.")
    for position, effect in enumerate(chain.effects, start=1):
        title = _TITLES[effect.type]
        if not effect.enabled:
            parts.append(f"## {position}. ~~{title}~~ (off)")
            continue
        parts.append(f"## {position}. {title}")
        if effect.ir is not None:
            parts.append(_recorded_reverb(effect.ir, effect.parameters))
        else:
            parts.append(_WRITERS[effect.type](effect.parameters, tempo_bpm))
    return "\n\n".join(parts) + "\n"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Write a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def decibels(value: float, digits: int = 1) -> str:
    """Write a gain with its sign: ``+3.0 dB``, never ``-0.0``."""
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f} dB".replace("-", "−") if rounded else "0 dB"


def frequency(hz: float) -> str:
    """Write a frequency to three digits: ``82.4 Hz``, ``440 Hz``, ``3.15 kHz``."""
    scaled, unit = (hz / 1000.0, "kHz") if hz >= 999.5 else (hz, "Hz")
    return f"{_digits(scaled, 3)} {unit}"


def duration(milliseconds: float) -> str:
    """Write a time to three digits at most: ``0.35 ms``, ``12.5 ms``, ``120 ms``, ``1.25 s``."""
    scaled, unit = (milliseconds / 1000.0, "s") if milliseconds >= 999.5 else (milliseconds, "ms")
    return f"{_digits(scaled, 3)} {unit}"


def percent(share: float) -> str:
    """Write a share, 1 being all of it: ``35 %``."""
    return f"{100.0 * share:.0f} %"


def _digits(value: float, count: int) -> str:
    text = f"{value:#.{count}g}"
    return (text.rstrip("0") if "." in text else text).rstrip(".")


def _level(db: float) -> str:
    return decibels(db).replace(" dB", " dBFS").replace("+", "")


def _time_with_note(milliseconds: float, tempo_bpm: float | None) -> str:
    if tempo_bpm is None or milliseconds <= 0.0:
        return duration(milliseconds)
    name, exact = nearest_note(milliseconds, tempo_bpm)
    off = milliseconds - exact
    how = "exactly" if abs(off) < 0.5 else f"{duration(abs(off))} {'longer' if off > 0 else 'shorter'} than"
    return f"{duration(milliseconds)} ({how} {name} at {tempo_bpm:g} BPM)"


def _settings(rows: list[Row]) -> str:
    return table(("control", "set to", "on other plug-ins"), rows)


def _equalizer(v: Values, tempo_bpm: float | None) -> str:
    rows = [
        (_KINDS[kind], frequency(v[f"{name}_cutoff_hz"]), decibels(v[f"{name}_gain_db"]), f"{v[f'{name}_q']:.2f}")
        for name, kind, *_ in BANDS
        if abs(v[f"{name}_gain_db"]) >= _LEAST_GAIN_DB
    ]
    if not rows:
        return "All bands at 0 dB: leave it flat."
    return table(("band", "frequency", "gain", "Q"), rows) + "\n\nBands that are not listed stay at 0 dB."


def _distortion(v: Values, tempo_bpm: float | None) -> str:
    makeup = typical_makeup_db(v["drive_db"], v["hardness"])
    shape = {0.0: "soft (tanh)", 1.0: "hard clip"}.get(
        v["hardness"], f"{percent(1.0 - v['hardness'])} soft (tanh), {percent(v['hardness'])} hard clip"
    )
    return _settings(
        [
            ("input", f"{_level(CALIBRATION_DBFS)} RMS", "trim before it until the average level reads this"),
            ("drive", decibels(v["drive_db"]), "drive, input gain; the output level is taken back"),
            ("curve", shape, "mode, shape or knee of a saturator"),
            ("bias", percent(v["bias"]), "asymmetry, even harmonics; 0 % is symmetric"),
            ("output", f"as loud as the input (about {decibels(makeup, 0)} after a plain curve)", "auto gain, output"),
        ]
    )


def _multiband(v: Values, tempo_bpm: float | None) -> str:
    rows: list[tuple[str, ...]] = []
    low, high = frequency(v["low_crossover_hz"]), frequency(v["high_crossover_hz"])
    ends = dict(zip(COMPRESSOR_BANDS, (f"below {low}", f"{low} to {high}", f"above {high}"), strict=True))
    for band in COMPRESSOR_BANDS:
        steepness = f"1:{1.0 / v[f'{band}_expander_ratio']:.1f}"
        expander = f"{steepness} below {_level(v[f'{band}_expander_threshold_db'])}" if steepness != "1:1.0" else "off"
        rows.append(
            (
                f"{band}, {ends[band]}",
                _level(v[f"{band}_threshold_db"]),
                f"{v[f'{band}_ratio']:.1f}:1",
                expander,
                duration(v[f"{band}_attack_ms"]),
                duration(v[f"{band}_release_ms"]),
            )
        )
    return (
        table(("band", "threshold", "ratio", "expander", "attack", "release"), rows)
        + f"\n\nMix {percent(v['mix'])} (parallel: dry/wet). Slopes 24 dB per octave (Linkwitz–Riley), linear phase. "
        "Knees hard, levels are peaks of both channels together. The expander turns down what is below its "
        f"threshold (downward expansion, soft gate). Attack and release: {_TIMES_NOTE}."
    )


def _compressor(v: Values, tempo_bpm: float | None) -> str:
    return _settings(
        [
            ("threshold", _level(v["threshold_db"]), "peak detection, both channels linked"),
            ("ratio", f"{v['ratio']:.1f}:1", ""),
            ("knee", f"{v['knee_db']:.0f} dB", "soft knee, full width; 0 dB is hard"),
            ("attack", duration(v["attack_ms"]), _TIMES_NOTE),
            ("release", duration(v["release_ms"]), "likewise"),
            ("make-up", decibels(v["makeup_db"]), "output gain; auto gain off"),
        ]
    )


def _limiter(v: Values, tempo_bpm: float | None) -> str:
    return _settings(
        [
            ("threshold", _level(v["threshold_db"]), "ceiling; if there is a threshold too, the same, without make-up"),
            ("attack", duration(v["attack_ms"]), "look-ahead off, or 0"),
            ("release", duration(v["release_ms"]), "auto release off"),
        ]
    )


def _gain(v: Values, tempo_bpm: float | None) -> str:
    return _settings([("gain", decibels(v["gain_db"]), "fader, trim")])


def _stereo_imager(v: Values, tempo_bpm: float | None) -> str:
    if v["width"] <= 0.0:
        return _settings([("width", "0 %", "mono")])
    side = decibels(20.0 * math.log10(v["width"]))
    return _settings([("width", percent(v["width"]), f"100 % is unchanged; mid/side: mid 0 dB, side {side}")])


def _delay(v: Values, tempo_bpm: float | None) -> str:
    echoes = "a single echo" if v["feedback"] < 0.005 else f"each echo {percent(v['feedback'])} of the one before"
    return _settings(
        [
            ("time", _time_with_note(v["time_ms"], tempo_bpm), "the same left and right, sync off"),
            ("feedback", percent(v["feedback"]), echoes),
            ("mix", percent(v["wet"]), f"dry/wet; on a send: dry full, return at {decibels(_return_db(v['wet']))}"),
        ]
    )


def _return_db(wet: float) -> float:
    return 20.0 * math.log10(max(wet, 1e-3) / max(1.0 - wet, 1e-3))


def _reverb(v: Values, tempo_bpm: float | None) -> str:
    return _settings(
        [
            ("decay", duration(1000.0 * v["decay_seconds"]), "RT60 of the bass, reverb time; a dense, diffuse room"),
            ("pre-delay", duration(v["predelay_ms"]), ""),
            ("damping", percent(v["damping"]), f"at 16 kHz it decays in {duration(_treble_ms(v))}"),
            ("mix", percent(v["wet"]), f"dry/wet; on a send: dry full, return at {decibels(_return_db(v['wet']))}"),
            ("room", f"number {v['seed']:.0f}", "which one of its kind: hardly matters"),
        ]
    )


def _recorded_reverb(ir: str, v: Values) -> str:
    """Of a room that can be loaded: a convolution reverb does the rest."""
    name = ir.replace("\\", "\\\\").replace("|", "\\|").replace("`", "'")
    return _settings(
        [
            ("room", f"`{name}`", "impulse response of a convolution reverb, as recorded: no decay, damping or size"),
            ("pre-delay", duration(v["predelay_ms"]), "from the direct sound on; cut off any silence before it"),
            ("mix", percent(v["wet"]), f"dry/wet; on a send: dry full, return at {decibels(_return_db(v['wet']))}"),
        ]
    )


def _treble_ms(v: Values) -> float:
    return 1000.0 * v["decay_seconds"] * 10.0 ** -v["damping"]


_WRITERS: dict[str, Callable[[Values, float | None], str]] = {
    "equalizer": _equalizer,
    "distortion": _distortion,
    "multiband_compressor": _multiband,
    "compressor": _compressor,
    "limiter": _limiter,
    "gain": _gain,
    "stereo_imager": _stereo_imager,
    "delay": _delay,
    "reverb": _reverb,
}
