"""Who takes part in benchmarks/effects.py: a table of callables, one row an effect and an implementation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pedalboard
import pyloudnorm
import torch
from scipy.signal import fftconvolve, sosfilt

from fxlens.audio.loudness import integrated_loudness, normalize_loudness
from fxlens.dsp.filters import biquad, section
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.equalizer import BANDS
from fxlens.effects.multiband import BANDS as COMPRESSOR_BANDS
from fxlens.effects.registry import PROCESSORS
from fxlens.effects.rendering import render_chains
from fxlens.effects.room_bank import impulse_response

TARGET_LUFS = -18.0
DELAY_SAMPLES = 12_000

GAINS_DB = (4.0, -5.0, 3.0, -4.0, 5.0, -6.0)
SETTINGS: dict[str, dict[str, float]] = {
    "equalizer": {f"{name}_gain_db": gain for (name, *_), gain in zip(BANDS, GAINS_DB, strict=True)},
    "distortion": {"drive_db": 8.0},
    "multiband_compressor": {"mix": 0.6, "low_crossover_hz": 150.0, "high_crossover_hz": 4000.0}
    | {
        f"{band}_{name}": value
        for band in COMPRESSOR_BANDS
        for name, value in (("threshold_db", -25.0), ("ratio", 3.0))
    }
    | {
        f"{band}_expander_{name}": value
        for band in COMPRESSOR_BANDS
        for name, value in (("threshold_db", -45.0), ("ratio", 0.5))
    },
    "compressor": {"threshold_db": -24.0, "ratio": 4.0, "attack_ms": 5.0, "release_ms": 100.0, "makeup_db": 3.0},
    "limiter": {"threshold_db": -8.0, "attack_ms": 1.0, "release_ms": 100.0},
    "gain": {"gain_db": 6.0},
    "stereo_imager": {"width": 1.4},
    "delay": {"time_ms": 1e3 * DELAY_SAMPLES / 44_100, "feedback": 0.3, "wet": 0.3},
    "reverb": {"seed": 7.0, "decay_seconds": 1.25, "wet": 0.3},
}
"""What every contestant is set to. The echo is 12 000 samples long at 44.1 kHz, the room some 65 500."""

EIGHT = ("equalizer", "distortion", "multiband_compressor", "limiter", "gain", "stereo_imager", "delay", "reverb")
SEVEN = EIGHT[:-1]
CHAINS = {"chain of eight + loudness": EIGHT, "chain of seven + loudness": SEVEN}
EFFECTS = (*SETTINGS, "reverb, new rooms", "loudness", *CHAINS)


@dataclass(frozen=True)
class Case:
    """What is to be processed: ``float32 [B, 2, T]`` at ``sample_rate``, with so many threads."""

    audio: np.ndarray
    sample_rate: int
    threads: int


@dataclass(frozen=True)
class Contestant:
    """One implementation of one effect.

    Args:
        effect: one of ``EFFECTS``.
        name: whose it is.
        prepare: makes what is timed, without arguments; it returns the output (``[B, 2, T]`` or ``[B]``), or None.
        same: whether it means to compute what our reference does; then its error is reported.
        largest_batch: it is left out beyond this.
        once: takes so long that it is run once, and only if asked for.
        note: what differs, for the table.
    """

    effect: str
    name: str
    prepare: Callable[[Case], Callable[[], Any]]
    same: bool = False
    largest_batch: int = 32
    once: bool = False
    note: str = field(default="")


def chain_of(types: tuple[str, ...]) -> EffectChain:
    return EffectChain(tuple(Effect(type, parameters=SETTINGS[type]) for type in types))


def in_pool(case: Case, one: Callable[[np.ndarray], Any]) -> Callable[[], np.ndarray]:
    """Process item by item, in a pool where there are threads to use (made here, not timed)."""
    if case.threads == 1:
        return lambda: np.stack([one(clip) for clip in case.audio])
    pool = ThreadPoolExecutor(case.threads)
    return lambda: np.stack(list(pool.map(one, case.audio)))


def expected(effect: str, case: Case) -> np.ndarray:
    """The first item by the float64 reference."""
    clip = case.audio[0].astype(np.float64)
    if effect in CHAINS:
        wet = chain_of(CHAINS[effect]).apply(clip, case.sample_rate)
        return np.asarray(normalize_loudness(wet, case.sample_rate, TARGET_LUFS)[0])
    if effect == "loudness":
        return np.asarray(pyloudnorm.Meter(case.sample_rate, filter_class="DeMan").integrated_loudness(clip.T))
    processor = PROCESSORS[effect]
    return processor.reference(clip, case.sample_rate, **processor.complete(SETTINGS[effect]))


# Ours ------------------------------------------------------------------------------------------------------


def _fast(effect: str) -> Contestant:
    processor = PROCESSORS[effect]

    def prepare(case: Case) -> Callable[[], Any]:
        values = {n: np.full(len(case.audio), v) for n, v in processor.complete(SETTINGS[effect]).items()}
        return lambda: processor.fast(case.audio, case.sample_rate, values, case.threads)

    return Contestant(effect, "fxlens fast", prepare, same=True)


def _differentiable(effect: str, backward: bool) -> Contestant:
    processor = PROCESSORS[effect]

    def prepare(case: Case) -> Callable[[], Any]:
        torch.set_num_threads(case.threads)
        audio = torch.from_numpy(case.audio).requires_grad_(backward)
        values = {
            n: torch.full((len(case.audio),), v, dtype=torch.float64)
            for n, v in processor.complete(SETTINGS[effect]).items()
        }
        names: frozenset[str] = getattr(processor, "discrete", frozenset())
        leaves = [audio, *(value.requires_grad_(backward) for n, value in values.items() if n not in names)]

        def run() -> Any:
            if not backward:
                with torch.no_grad():
                    return processor.forward(audio, case.sample_rate, values).numpy()
            loss = processor.forward(audio, case.sample_rate, values).square().mean()
            torch.autograd.grad(loss, leaves)
            return None

        return run

    name = "fxlens differentiable, forward" + (" + backward" if backward else "")
    return Contestant(effect, name, prepare, same=not backward, largest_batch=8 if backward else 32)


def _fast_chain(effect: str) -> Contestant:
    def prepare(case: Case) -> Callable[[], Any]:
        chains = [chain_of(CHAINS[effect])] * len(case.audio)
        return lambda: render_chains(chains, case.audio, case.sample_rate, case.threads, TARGET_LUFS)

    return Contestant(effect, "fxlens fast", prepare, same=True)


def _new_rooms(case: Case) -> Callable[[], Any]:
    processor = PROCESSORS["reverb"]
    seeds = itertools.count(1000, len(case.audio))
    complete = processor.complete(SETTINGS["reverb"])

    def run() -> Any:
        values = {n: np.full(len(case.audio), v) for n, v in complete.items()}
        values["seed"] = (next(seeds) + np.arange(len(case.audio))) % 65_536.0
        return processor.fast(case.audio, case.sample_rate, values, case.threads)

    return run


def _our_loudness(case: Case) -> Callable[[], Any]:
    run = in_pool(case, lambda clip: integrated_loudness(clip, case.sample_rate))
    return lambda: run()


# pedalboard ------------------------------------------------------------------------------------------------


def _plugins(effect: str, rate: int) -> list[Any]:
    v: Mapping[str, float] = PROCESSORS[effect].complete(SETTINGS[effect])
    if effect == "equalizer":
        kinds = {"low_shelf": pedalboard.LowShelfFilter, "high_shelf": pedalboard.HighShelfFilter}
        return [
            kinds.get(kind, pedalboard.PeakFilter)(v[f"{n}_cutoff_hz"], v[f"{n}_gain_db"], v[f"{n}_q"])
            for n, kind, *_ in BANDS
        ]
    if effect == "distortion":
        return [pedalboard.Distortion(v["drive_db"])]
    if effect == "multiband_compressor":
        return [pedalboard.Compressor(v[f"{band}_threshold_db"], v[f"{band}_ratio"]) for band in COMPRESSOR_BANDS]
    if effect == "compressor":
        settings = (v["threshold_db"], v["ratio"], v["attack_ms"], v["release_ms"])
        return [pedalboard.Compressor(*settings), pedalboard.Gain(v["makeup_db"])]
    if effect == "limiter":
        return [pedalboard.Limiter(v["threshold_db"], v["release_ms"])]
    if effect == "gain":
        return [pedalboard.Gain(v["gain_db"])]
    if effect == "delay":
        # Half a sample more: fractions are cut off.
        return [pedalboard.Delay((v["time_ms"] * 1e-3 * rate + 0.5) / rate, v["feedback"], v["wet"])]
    if effect == "reverb":
        return [pedalboard.Convolution(_room(rate), v["wet"], rate)]
    return []


def _room(rate: int) -> np.ndarray:
    v = PROCESSORS["reverb"].complete(SETTINGS["reverb"])
    return impulse_response(7, v["decay_seconds"], v["predelay_ms"], v["damping"], rate).astype(np.float32)


def _pedalboard(effect: str, note: str = "", same: bool = False) -> Contestant:
    def prepare(case: Case) -> Callable[[], Any]:
        types = CHAINS.get(effect, (effect,))

        def board() -> Any:
            return pedalboard.Pedalboard([p for type in types for p in _plugins(type, case.sample_rate)])

        # One for each item: a board holds state and must not meet two clips at once.
        boards = [board() for _ in case.audio]
        pool = ThreadPoolExecutor(case.threads)

        def one(index: int) -> Any:
            return boards[index](case.audio[index], case.sample_rate)

        def run() -> Any:
            items = range(len(boards))
            return np.stack(list(pool.map(one, items) if case.threads > 1 else map(one, items)))

        return run

    return Contestant(effect, "pedalboard", prepare, same=same, note=note)


# SciPy, pyloudnorm -----------------------------------------------------------------------------------------


def _scipy_equalizer(case: Case) -> Callable[[], Any]:
    v = PROCESSORS["equalizer"].complete(SETTINGS["equalizer"])
    rows = [
        biquad(section(kind, v[f"{n}_gain_db"], v[f"{n}_cutoff_hz"], v[f"{n}_q"], case.sample_rate))
        for n, kind, *_ in BANDS
    ]
    return in_pool(case, lambda clip: sosfilt(np.stack(rows), clip.astype(np.float64), axis=-1))


def _scipy_delay(case: Case) -> Callable[[], Any]:
    v = SETTINGS["delay"]
    samples = round(v["time_ms"] * 1e-3 * case.sample_rate)
    echoes = range(1 + case.audio.shape[-1] // samples)
    response = np.zeros(samples * len(echoes) + 1, np.float32)
    response[0] = 1.0 - v["wet"]
    for echo in echoes:
        response[(echo + 1) * samples if (echo + 1) * samples < len(response) else 0] += (
            v["wet"] * v["feedback"] ** echo
        )
    return in_pool(case, lambda clip: fftconvolve(clip, response[None], axes=-1)[:, : clip.shape[-1]])


def _scipy_reverb(case: Case) -> Callable[[], Any]:
    wet = SETTINGS["reverb"]["wet"]
    response = _room(case.sample_rate)

    def one(clip: np.ndarray) -> Any:
        return (1.0 - wet) * clip + wet * fftconvolve(clip, response, axes=-1)[:, : clip.shape[-1]]

    return in_pool(case, one)


def _pyloudnorm(case: Case) -> Callable[[], Any]:
    meter = pyloudnorm.Meter(case.sample_rate, filter_class="DeMan")
    return in_pool(case, lambda clip: meter.integrated_loudness(clip.T.astype(np.float64)))


def contestants() -> list[Contestant]:
    """All but the torch peers (see effects_peers.py), ours first for each effect."""
    notes = {
        "distortion": "plain tanh",
        "multiband_compressor": "three plain compressors as a stand-in: it has no crossovers",
        "compressor": "channels not linked, level smoothed",
        "limiter": "its limiter raises the level",
        "reverb": "scales the response",
    }
    found: list[Contestant] = []
    for effect in SETTINGS:
        found += [_fast(effect), _differentiable(effect, False), _differentiable(effect, True)]
        if effect != "stereo_imager":  # pedalboard has none
            same = effect in ("equalizer", "gain", "delay")
            found.append(_pedalboard(effect, notes.get(effect, ""), same))
    found += [
        Contestant("equalizer", "SciPy sosfilt, float64", _scipy_equalizer, same=True),
        Contestant("delay", "SciPy fftconvolve", _scipy_delay, same=True),
        Contestant("reverb", "SciPy fftconvolve", _scipy_reverb, same=True),
        Contestant("reverb, new rooms", "fxlens fast", _new_rooms, note="a room made for every item"),
        Contestant("loudness", "fxlens fast", _our_loudness, same=True, note="error in LU"),
        Contestant("loudness", "pyloudnorm", _pyloudnorm, same=True, note="the reference here"),
    ]
    for chain in CHAINS:
        lacking = "no loudness, no stereo imager, three compressors for the bands"
        found += [_fast_chain(chain), _pedalboard(chain, lacking)]
    return found
