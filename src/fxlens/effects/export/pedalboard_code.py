"""A chain as Python code that builds a pedalboard. The code is text: fxlens does not import pedalboard.

Equaliser (within 0.1 dB), gain, delay (whole samples), a reverb with its room, and the distortion of a clip at
its calibration level are ours; dynamics come near; bands and width pedalboard does not have. What differs is
said in comments of the code. Found by comparing both programs: pedalboard's time constants are 2 pi
times shorter than the milliseconds given, its delay cuts fractions of a sample off, its ``Limiter`` raises the
level (a ``Compressor`` of high ratio is nearer to ours), and ``Convolution`` scales a response to an energy of
1/64 in its louder channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from fxlens.dsp.filters import HIGHEST_CUTOFF
from fxlens.effects.chain import EffectChain
from fxlens.effects.distortion import CALIBRATION_DBFS
from fxlens.effects.effect import Effect
from fxlens.effects.equalizer import BANDS
from fxlens.effects.export.rooms import room_response, write_room
from fxlens.effects.export.saturation import steepness, typical_makeup_db

_TIME = 2.0 * math.pi
_LIMITER_RATIO = 1000
_CONVOLUTION_LEVEL = 0.125
_FILTERS = {"low_shelf": "LowShelfFilter", "peak": "PeakFilter", "high_shelf": "HighShelfFilter"}
_PLUGINS = (
    "Chain",
    "Clipping",
    "Compressor",
    "Convolution",
    "Delay",
    "Distortion",
    "Gain",
    "HighShelfFilter",
    "LowShelfFilter",
    "Mix",
    "PeakFilter",
    "Pedalboard",
    "Reverb",
)


def write_pedalboard(chain: EffectChain, sample_rate: int, write_rooms: Path | None = None) -> str:
    """Write the code: it defines ``sample_rate`` and ``board``.

    Args:
        chain: disabled effects become comments.
        sample_rate: Hz; the board is meant for audio of this rate.
        write_rooms: folder to write the reverbs' impulse responses to; without it reverbs are approximated.

    Returns:
        Python source, ready to run where pedalboard is installed.

    Raises:
        OutputError: an impulse response cannot be written.
        PresetError: it is a recorded room that the chain cannot find.
    """
    lines: list[str] = []
    for position, effect in enumerate(chain.effects, start=1):
        lines.append(f"# {position}. {effect.type}" + ("" if effect.enabled else ": off"))
        if effect.enabled:
            written = (
                _reverb(effect, position, sample_rate, write_rooms)
                if effect.type == "reverb"
                else _WRITERS[effect.type](effect.parameters, sample_rate)
            )
            lines += written or ["# does nothing at these settings"]
    body = "".join(f"        {line}\n" for line in lines)
    used = "".join(f"    {name},\n" for name in _PLUGINS if name == "Pedalboard" or f"{name}(" in body)
    board = f"[\n{body}    ]" if lines else "[]"
    return (
        '"""An effect chain for pedalboard, written by fxlens: processed = board(audio, sample_rate)."""\n\n'
        f"from pedalboard import (\n{used})\n\nsample_rate = {sample_rate}\nboard = Pedalboard(\n    {board}\n)\n"
    )


def _number(value: float) -> str:
    return f"{value:.7g}"


def _equalizer(v: Mapping[str, float], sample_rate: int) -> list[str]:
    lines = []
    for name, kind, *_ in BANDS:
        if v[f"{name}_gain_db"] != 0.0:
            cutoff = _number(min(v[f"{name}_cutoff_hz"], HIGHEST_CUTOFF * sample_rate))
            gain, q = _number(v[f"{name}_gain_db"]), _number(v[f"{name}_q"])
            lines.append(f"{_FILTERS[kind]}(cutoff_frequency_hz={cutoff}, gain_db={gain}, q={q}),")
    return lines


def _distortion(v: Mapping[str, float], sample_rate: int) -> list[str]:
    k, hard = steepness(v["drive_db"]), v["hardness"]
    if k == 0.0:
        return []
    k_db = 20.0 * math.log10(k)
    makeup = typical_makeup_db(v["drive_db"], hard)
    lines = [f"# Bring the clip to {CALIBRATION_DBFS:g} dBFS RMS before; {makeup:+.1f} dB of make-up fits noise."]
    if v["bias"] != 0.0:
        lines.append(f"# Its bias of {v['bias']:g} (even harmonics) is left out: pedalboard has no such curve.")
    soft, clip = f"Distortion(drive_db={_number(k_db)})", f"Gain({_number(k_db)}), Clipping(threshold_db=0.0)"
    after = makeup - k_db
    if hard == 0.0:
        return [*lines, f"{soft},", f"Gain({_number(after)}),"]
    if hard == 1.0:
        return [*lines, f"{clip},", f"Gain({_number(after)}),"]
    soft_db, hard_db = (_number(after + 20.0 * math.log10(share)) for share in (1.0 - hard, hard))
    return [*lines, f"Mix([Chain([{soft}, Gain({soft_db})]), Chain([{clip}, Gain({hard_db})])]),"]


def _compressor_line(threshold_db: float, ratio: float, attack_ms: float, release_ms: float) -> str:
    attack, release = _number(_TIME * attack_ms), _number(_TIME * release_ms)
    settings = f"threshold_db={_number(threshold_db)}, ratio={_number(ratio)}"
    return f"Compressor({settings}, attack_ms={attack}, release_ms={release}),"


def _compressor(v: Mapping[str, float], sample_rate: int) -> list[str]:
    lines = [
        "# Channels are not linked; the times are those of the level, and stated 2 pi times longer than ours.",
        _compressor_line(v["threshold_db"], v["ratio"], v["attack_ms"], v["release_ms"]),
    ]
    if v["knee_db"] > 0.0:
        lines.insert(0, f"# Its knee of {v['knee_db']:.1f} dB is left out: pedalboard's is hard.")
    if v["makeup_db"] != 0.0:
        lines.append(f"Gain({_number(v['makeup_db'])}),")
    return lines


def _multiband(v: Mapping[str, float], sample_rate: int) -> list[str]:
    if v["mix"] == 0.0:
        return []
    lines = ["# Left out: pedalboard has no crossovers that add up again. Its bands would be:"]
    for band in ("low", "mid", "high"):
        lines.append(
            f"#   {band}: {v[f'{band}_ratio']:.1f}:1 above {v[f'{band}_threshold_db']:.1f} dB, "
            f"1:{1.0 / v[f'{band}_expander_ratio']:.1f} below {v[f'{band}_expander_threshold_db']:.1f} dB, "
            f"attack {v[f'{band}_attack_ms']:.1f} ms, release {v[f'{band}_release_ms']:.0f} ms"
        )
    crossovers = f"{v['low_crossover_hz']:.0f} Hz and {v['high_crossover_hz']:.0f} Hz"
    return [*lines, f"#   crossovers at {crossovers}; {100.0 * v['mix']:.0f} % of it mixed with the input"]


def _limiter(v: Mapping[str, float], sample_rate: int) -> list[str]:
    return [
        "# A compressor of high ratio: pedalboard's Limiter would raise the level. Channels are not linked.",
        _compressor_line(v["threshold_db"], _LIMITER_RATIO, v["attack_ms"], v["release_ms"]),
    ]


def _gain(v: Mapping[str, float], sample_rate: int) -> list[str]:
    return [f"Gain({_number(v['gain_db'])}),"]


def _stereo_imager(v: Mapping[str, float], sample_rate: int) -> list[str]:
    if v["width"] == 1.0:
        return []
    return [
        "# Left out: pedalboard has no stereo width. Split the board here and, on the array between, scale",
        f"# the side, (audio[0] - audio[1]) / 2, by {v['width']:.3g}; the mid stays.",
    ]


def _delay(v: Mapping[str, float], sample_rate: int) -> list[str]:
    if v["wet"] == 0.0:
        return []
    samples = 1e-3 * v["time_ms"] * sample_rate
    exact = abs(samples - round(samples)) < 1e-6
    moved = "" if exact else f"; the echo is moved by {1e3 * (round(samples) - samples) / sample_rate:+.4f} ms"
    seconds = f"{round(samples) + 0.5:.1f} / sample_rate"
    return [
        f"# Half a sample more than meant, because fractions are cut off{moved}.",
        f"Delay(delay_seconds={seconds}, feedback={_number(v['feedback'])}, mix={_number(v['wet'])}),",
    ]


def _reverb(effect: Effect, position: int, sample_rate: int, write_rooms: Path | None) -> list[str]:
    v = effect.parameters
    if v["wet"] == 0.0:
        return []
    if write_rooms is not None:
        return _convolution(effect, sample_rate, write_room(effect, position, write_rooms, sample_rate))
    if effect.ir is None:
        # Freeverb: combs of 31 ms on average, which repeat with a factor of 0.28 room_size + 0.7.
        factor = 10.0 ** (-3.0 * 0.031 / v["decay_seconds"])
        size = min(max((factor - 0.7) / 0.28, 0.0), 1.0)
        return [
            "# Another reverb of about this decay: no pre-delay, its own colour and level. Export with a folder",
            "# to write rooms to (--write-rooms) to convolve with the room itself.",
            f"Reverb(room_size={size:.3f}, damping={v['damping']:.3f}, wet_level={v['wet'] / 3.0:.3f}, "
            f"dry_level={(1.0 - v['wet']) / 2.0:.3f}),",
        ]
    if effect.rooms is None:
        return [f"# Left out: the recorded room {effect.ir!r}. Export with the folder that has it (--rooms)."]
    lines = ["# The recording as it is; export with a folder to write rooms to (--write-rooms) for all we make of it."]
    if v["predelay_ms"] > 0.0:
        lines.append(f"# Its pre-delay of {v['predelay_ms']:.1f} ms is left out.")
    return [*lines, *_convolution(effect, sample_rate, effect.rooms.path(effect.ir))]


def _convolution(effect: Effect, sample_rate: int, path: Path) -> list[str]:
    wet = effect.parameters["wet"]
    response = room_response(effect, sample_rate).astype(np.float64)
    scaled = _CONVOLUTION_LEVEL / math.sqrt(float((response**2).sum(axis=1).max()))
    room = f"Chain([Convolution({path.as_posix()!r}, mix=1.0), Gain({_number(20.0 * math.log10(wet / scaled))})])"
    if wet == 1.0:
        return [f"{room},"]
    return [f"Mix([Gain({_number(20.0 * math.log10(1.0 - wet))}), {room}]),"]


Writer = Callable[[Mapping[str, float], int], list[str]]

_WRITERS: dict[str, Writer] = {
    "equalizer": _equalizer,
    "distortion": _distortion,
    "multiband_compressor": _multiband,
    "compressor": _compressor,
    "limiter": _limiter,
    "gain": _gain,
    "stereo_imager": _stereo_imager,
    "delay": _delay,
}
