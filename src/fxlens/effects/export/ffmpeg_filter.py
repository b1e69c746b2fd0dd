"""A chain as a filter line for ``ffmpeg -af``.

The line is one stage after the other; a stage that needs several paths (parallel mixing, bands) splits and
joins them itself, with labels of its own. Verified against FFmpeg 8: equaliser, gain, width, delay, distortion
(of a clip at its calibration level) and a reverb with its room are ours to rounding; compressors agree in their
static curve and nearly in time; the limiter looks ahead, which ours does not.

Sources of the conversions: FFmpeg's filter documentation, and measurement. Its dynamics smooth the level with
a coefficient ``4000 / (ms * sample_rate)``: a quarter of the stated time is the time constant, so times are
multiplied by four.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from fxlens.dsp.envelope import DETECTOR_FALL_MS
from fxlens.dsp.filters import HIGHEST_CUTOFF
from fxlens.effects.chain import EffectChain
from fxlens.effects.distortion import CALIBRATION_DBFS
from fxlens.effects.effect import Effect
from fxlens.effects.equalizer import BANDS
from fxlens.effects.export.rooms import write_room
from fxlens.effects.export.saturation import steepness, typical_makeup_db
from fxlens.effects.multiband import BANDS as COMPRESSOR_BANDS

QUIETEST_ECHO = 1e-4
"""Echoes below this share of the first are left out (-80 dB): ffmpeg needs each one written down."""
_TIME = 4.0
_WIDEST_KNEE = 8.0  # the limits of acompressor, linear
_FILTERS = {"low_shelf": "lowshelf", "peak": "equalizer", "high_shelf": "highshelf"}


def write_ffmpeg(chain: EffectChain, sample_rate: int, write_rooms: Path | None = None) -> tuple[str, list[str]]:
    """Write the line.

    Args:
        chain: disabled effects are left out.
        sample_rate: Hz, of the audio to be filtered.
        write_rooms: folder to write the reverbs' impulse responses to; without it reverbs are left out.

    Returns:
        The line (``anull`` if there is nothing to do), and notes on what it does not do, or not quite.

    Raises:
        OutputError: an impulse response cannot be written.
        PresetError: it is a recorded room that the chain cannot find.
    """
    stages: list[str] = []
    notes: list[str] = []
    for position, effect in enumerate(chain.effects, start=1):
        if not effect.enabled:
            continue

        def note(text: str, position: int = position, effect: Effect = effect) -> None:
            notes.append(f"effect {position} ({effect.type}): {text}")

        if effect.type == "reverb":
            stages += _reverb(effect, position, sample_rate, write_rooms, note)
        else:
            stages += _WRITERS[effect.type](effect.parameters, position, sample_rate, note)
    return ",".join(stages) or "anull", notes


Note = Callable[[str], None]
Writer = Callable[[Mapping[str, float], int, int, Note], list[str]]


def _number(value: float) -> str:
    return f"{value:.7g}"


def _linear(db: float) -> str:
    return _number(10.0 ** (db / 20.0))


def _equalizer(v: Mapping[str, float], position: int, sample_rate: int, note: Note) -> list[str]:
    stages = []
    for name, kind, *_ in BANDS:
        if v[f"{name}_gain_db"] != 0.0:
            cutoff = min(v[f"{name}_cutoff_hz"], HIGHEST_CUTOFF * sample_rate)
            q, gain = _number(v[f"{name}_q"]), _number(v[f"{name}_gain_db"])
            # In single precision a shelf at 40 Hz is off by 4e-4.
            stages.append(f"{_FILTERS[kind]}=f={_number(cutoff)}:t=q:w={q}:g={gain}:r=f64")
    return stages


def _distortion(v: Mapping[str, float], position: int, sample_rate: int, note: Note) -> list[str]:
    k = steepness(v["drive_db"])
    if k == 0.0:
        return []
    makeup = typical_makeup_db(v["drive_db"], v["hardness"])
    note(f"bring its input to {CALIBRATION_DBFS:g} dBFS RMS; {makeup:+.1f} dB of make-up is a guess from noise")
    if v["bias"] != 0.0:
        note("its bias (even harmonics) is left out: ffmpeg has no such curve")
    # asoftclip computes output * threshold * curve(param * x / threshold); each of the three has its limits.
    shape = f"threshold={_number(min(1.0, 1.0 / k))}:param={_number(min(k, 1.0))}:output={_number(max(1.0 / k, 1.0))}"
    hard = v["hardness"]
    gain = f"volume={_number(makeup)}dB:precision=double"
    if hard == 0.0:
        return [f"asoftclip=type=tanh:{shape}", gain]
    clip = f"volume={_number(k)}:precision=double,asoftclip=type=hard:threshold=1,volume={_number(1.0 / k)}"
    if hard == 1.0:
        return [f"{clip}:precision=double", gain]
    s, h = f"soft{position}", f"hard{position}"
    mixed = f"amix=inputs=2:weights='{_number(1.0 - hard)} {_number(hard)}':normalize=0"
    paths = f"[{s}]asoftclip=type=tanh:{shape}[{s}o];[{h}]{clip}:precision=double[{h}o]"
    return [f"asplit=2[{s}][{h}];{paths};[{s}o][{h}o]{mixed}", gain]


def _compressor_filter(threshold_db: float, ratio: float, attack_ms: float, release_ms: float, knee: float) -> str:
    return (
        f"acompressor=threshold={_linear(threshold_db)}:ratio={_number(ratio)}:attack={_number(_TIME * attack_ms)}"
        f":release={_number(_TIME * release_ms)}:knee={_number(knee)}:link=maximum:detection=peak"
    )


def _compressor(v: Mapping[str, float], position: int, sample_rate: int, note: Note) -> list[str]:
    knee, makeup = 10.0 ** (v["knee_db"] / 20.0), v["makeup_db"]
    if knee > _WIDEST_KNEE:
        note(f"its knee of {v['knee_db']:.1f} dB becomes 18.1 dB, the widest there is")
    note("attack and release smooth the level instead of the gain: loud passages are caught a little faster")
    one = _compressor_filter(
        v["threshold_db"], v["ratio"], v["attack_ms"], v["release_ms"], min(max(knee, 1.0), _WIDEST_KNEE)
    )
    return [one, f"volume={_number(makeup)}dB:precision=double"] if makeup != 0.0 else [one]


def _multiband(v: Mapping[str, float], position: int, sample_rate: int, note: Note) -> list[str]:
    if v["mix"] == 0.0:
        return []
    note("its bands are causal, so phases turn at the crossovers (levels do not)")
    paths, inputs, opens = [], "", False
    for band in COMPRESSOR_BANDS:
        attack, release = v[f"{band}_attack_ms"], v[f"{band}_release_ms"]
        label = f"{band}{position}"
        wet = _compressor_filter(v[f"{band}_threshold_db"], v[f"{band}_ratio"], attack, release, 1.0)
        if v[f"{band}_expander_ratio"] < 1.0:
            # The gate smooths the level, not the gain: a slow rise would miss the peaks of every wave, so it
            # opens at once. It closes with our attack after our detector has fallen.
            opens = True
            close = _number(_TIME * (DETECTOR_FALL_MS + attack))
            gate = (
                f"agate=threshold={_linear(v[f'{band}_expander_threshold_db'])}:range=0:knee=1:link=maximum"
                f":ratio={_number(1.0 / v[f'{band}_expander_ratio'])}:detection=peak:attack=1:release={close}"
            )
            wet = f"{gate},{wet}"
        paths.append(f"[{label}]asplit=2[{label}d][{label}w];[{label}w]{wet}[{label}o]")
        inputs += f"[{label}d][{label}o]"
    if opens:
        note("its expanders open at once, without their release")
    low, high = _number(v["low_crossover_hz"]), _number(min(v["high_crossover_hz"], 0.45 * sample_rate))
    split = f"acrossover=split='{low} {high}':order=4th:precision=double"
    outs = "".join(f"[{band}{position}]" for band in COMPRESSOR_BANDS)
    weights = " ".join([_number(1.0 - v["mix"]), _number(v["mix"])] * 3)
    return [f"{split}{outs};{';'.join(paths)};{inputs}amix=inputs=6:weights='{weights}':normalize=0"]


def _limiter(v: Mapping[str, float], position: int, sample_rate: int, note: Note) -> list[str]:
    note("ffmpeg's limiter looks ahead: it lets no peak pass, ours lets through the first milliseconds")
    limit, attack, release = _linear(v["threshold_db"]), _number(v["attack_ms"]), _number(v["release_ms"])
    return [f"alimiter=limit={limit}:attack={attack}:release={release}:level=0:latency=1"]


def _gain(v: Mapping[str, float], position: int, sample_rate: int, note: Note) -> list[str]:
    return [f"volume={_number(v['gain_db'])}dB:precision=double"]


def _stereo_imager(v: Mapping[str, float], position: int, sample_rate: int, note: Note) -> list[str]:
    return [f"extrastereo=m={_number(v['width'])}:c=0"]


def _delay(v: Mapping[str, float], position: int, sample_rate: int, note: Note) -> list[str]:
    if v["wet"] == 0.0:
        return []
    samples = 1e-3 * v["time_ms"] * sample_rate
    if abs(samples - round(samples)) > 1e-6:
        note(f"echoes are moved to whole samples, by half a sample ({500.0 / sample_rate:.3f} ms) at most")
    delays: list[str] = []
    decays: list[str] = []
    share = 1.0
    while share >= QUIETEST_ECHO:
        # aecho cuts off fractions of a sample: half a sample more makes it the sample that is meant.
        at = round((len(delays) + 1) * samples) + 0.5
        delays.append(f"{1e3 * at / sample_rate:.9g}")
        decays.append(_number(v["wet"] * share))
        share *= v["feedback"]
    return [f"aecho=in_gain={_number(1.0 - v['wet'])}:out_gain=1:delays={'|'.join(delays)}:decays={'|'.join(decays)}"]


def _reverb(effect: Effect, position: int, sample_rate: int, write_rooms: Path | None, note: Note) -> list[str]:
    wet = effect.parameters["wet"]
    if wet == 0.0:
        return []
    if write_rooms is None:
        which = "makes no room of its own" if effect.ir is None else f"cannot use the recording {effect.ir!r} as it is"
        note(f"left out: ffmpeg {which}; export with a folder to write rooms to (--write-rooms) to convolve with it")
        return []
    path = _escaped(write_room(effect, position, write_rooms, sample_rate).as_posix())
    d, w, r = f"dry{position}", f"wet{position}", f"room{position}"
    # irnorm=-1: the response is used as loud as it is.
    return [
        f"asplit=2[{d}][{w}];amovie={path}[{r}];[{w}][{r}]afir=irnorm=-1[{w}o];"
        f"[{d}][{w}o]amix=inputs=2:weights='{_number(1.0 - wet)} {_number(wet)}':normalize=0"
    ]


def _escaped(path: str) -> str:
    """Escape twice: once for the filter's options, once for the graph."""
    for special in ("\\':", "\\'[],;"):
        path = "".join("\\" + c if c in special else c for c in path)
    return path


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
