"""Effect chains in words, short enough for a table or a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fxlens.effects.chain import EffectChain
from fxlens.effects.equalizer import BANDS

_LEAST_GAIN_DB = 1.5
_MOST_BANDS = 2
_HEARD_HZ = (60.0, 12_000.0)  # gains beyond hardly matter to music


def chain_words(chain: EffectChain, nothing: str = "no effects") -> str:
    """Say what a chain does.

    Args:
        chain: disabled effects are not mentioned.
        nothing: what to call a chain without effects.

    >>> from fxlens.effects.effect import Effect
    >>> chain_words(EffectChain((Effect("delay", parameters={"time_ms": 120.0, "wet": 0.3}),)))
    'delay 120 ms (30 % wet)'
    """
    said = [_WORDS[effect.type](effect.parameters) for effect in chain.effects if effect.enabled]
    return ", ".join(said) or nothing


def _frequency(hz: float) -> str:
    return f"{hz / 1000.0:.1f} kHz" if hz >= 1000.0 else f"{hz:.0f} Hz"


def _equalizer(values: Mapping[str, float]) -> str:
    """The strongest bands, from low to high."""
    gains = {name: values[f"{name}_gain_db"] for name, *_ in BANDS}
    audible = [
        name
        for name, gain in gains.items()
        if abs(gain) >= _LEAST_GAIN_DB and _HEARD_HZ[0] <= values[f"{name}_cutoff_hz"] <= _HEARD_HZ[1]
    ]
    kept = sorted(audible, key=lambda name: -abs(gains[name]))[:_MOST_BANDS]
    kept.sort(key=lambda name: values[f"{name}_cutoff_hz"])
    bands = [f"{gains[name]:+.0f} dB at {_frequency(values[f'{name}_cutoff_hz'])}" for name in kept]
    return "EQ " + (" / ".join(bands) if bands else "nearly flat")


_WORDS: dict[str, Callable[[Mapping[str, float]], str]] = {
    "equalizer": _equalizer,
    "distortion": lambda v: f"distortion {v['drive_db']:.0f} dB",
    "multiband_compressor": lambda v: f"multiband compressor ({v['mix']:.0%} wet)".replace("%", " %"),
    "compressor": lambda v: f"compressor {v['ratio']:.0f}:1 at {v['threshold_db']:.0f} dB",
    "limiter": lambda v: f"limiter at {v['threshold_db']:.0f} dB",
    "gain": lambda v: f"gain {v['gain_db']:+.0f} dB",
    "stereo_imager": lambda v: f"stereo width {100.0 * v['width']:.0f} %",
    "delay": lambda v: f"delay {v['time_ms']:.0f} ms ({100.0 * v['wet']:.0f} % wet)",
    "reverb": lambda v: f"reverb {v['decay_seconds']:.1f} s ({100.0 * v['wet']:.0f} % wet)",
}
