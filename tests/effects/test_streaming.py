"""A stream gives the samples of the whole clip, however it is cut, and never needs more memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxlens.dsp.kernels import limiter_gain, rest
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.registry import PROCESSORS
from fxlens.effects.reverb import Reverb
from fxlens.effects.sampling import draw_chain
from fxlens.effects.streaming import DistortionLevel, measure, open_stream, passes
from fxlens.effects.streaming_convolution import ConvolutionStage, delay_response, reverb_response
from fxlens.errors import AudioChannelsError, AudioError, AudioNotFiniteError, UsageError

RATE = 44_100
BUDGET = 1e-6
"""Largest difference from :meth:`EffectChain.apply` anywhere, full scale 1."""


@lru_cache
def music(samples: int, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Decaying chords with hits and pauses, wide, with something below every crossover."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / rate
    loudness = np.exp(-3.0 * (t * 2.0 % 1.0)) * (t % 1.3 < 1.0)
    tones = [np.sin(2 * np.pi * f * t + p) for f, p in zip((41.0, 220.0, 1870.0, 5200.0), rng.random(4), strict=True)]
    left, right = tones[0] + tones[1] + 0.3 * tones[2], tones[0] - 0.5 * tones[1] + 0.3 * tones[3]
    audio = 0.35 * loudness * np.stack([left, right]) + 0.02 * rng.standard_normal((2, samples))
    audio = audio.astype(np.float32)
    audio.flags.writeable = False
    return audio


def cut(audio: np.ndarray, size: int | str) -> list[np.ndarray]:
    """Blocks of one size, or of random sizes from 0 on."""
    if isinstance(size, int):
        return [audio[:, start : start + size] for start in range(0, audio.shape[1], size)]
    ends = np.cumsum(np.random.default_rng(1).integers(0, 9_000, audio.shape[1] // 4_000 + 2))
    return np.split(audio, ends[ends < audio.shape[1]], axis=1)


def streamed(chain: EffectChain, blocks: Sequence[np.ndarray], rate: int = RATE) -> np.ndarray:
    levels = measure(chain, rate, lambda: blocks)
    stream = open_stream(chain, rate, levels)
    return np.concatenate([*(stream.process(block) for block in blocks), stream.finish()], axis=1)


def agree(chain: EffectChain, audio: np.ndarray, size: int | str, rate: int = RATE, budget: float = BUDGET) -> None:
    whole = chain.apply(audio, rate)
    result = streamed(chain, cut(audio, size), rate)
    assert result.dtype == np.float32 and result.shape == whole.shape
    assert np.abs(result - whole).max() <= budget * max(1.0, np.abs(whole).max())


def drawn(type: str, seed: int, ranges: str = "default") -> EffectChain:
    values = PROCESSORS[type].draw(np.random.default_rng(seed), ranges)  # type: ignore[arg-type]
    return EffectChain((Effect(type, True, values),))


# --- each processor


@pytest.mark.parametrize("type", PROCESSORS)
@pytest.mark.parametrize("size", [7, 1_000, 65_536, "random"])
def test_blocks_give_the_whole(type: str, size: int | str) -> None:
    for seed, ranges in enumerate(("default", "default", "paper")):
        agree(drawn(type, seed, ranges), music(60_000 if size != 7 else 20_000), size)


@pytest.mark.parametrize("type", PROCESSORS)
def test_single_samples_give_the_whole(type: str) -> None:
    agree(drawn(type, 5), music(3_000), 1)


@pytest.mark.parametrize("type", PROCESSORS)
@pytest.mark.parametrize("rate", [8_000, 22_050, 192_000])
def test_every_rate(type: str, rate: int) -> None:
    agree(drawn(type, 8), music(70_000, rate), 9_001, rate)


@pytest.mark.parametrize("type", PROCESSORS)
@pytest.mark.parametrize("samples", [1, 2, 100])
def test_short_clips(type: str, samples: int) -> None:
    agree(drawn(type, 9), music(20_000)[:, 1_000 : 1_000 + samples], 64)


@pytest.mark.parametrize("type", PROCESSORS)
def test_silence_stays_silence_and_nothing_stays_nothing(type: str) -> None:
    chain = drawn(type, 10)
    assert not streamed(chain, cut(np.zeros((2, 30_000), np.float32), 4_096)).any()
    assert streamed(chain, []).shape == (2, 0)
    assert streamed(chain, [np.zeros((2, 0), np.float32)] * 3).shape == (2, 0)


@pytest.mark.parametrize("type", PROCESSORS)
def test_what_is_off_passes_bit_for_bit(type: str) -> None:
    off = EffectChain((Effect(type, False, drawn(type, 11).effects[0].parameters),))
    assert np.array_equal(streamed(off, cut(music(20_000), "random")), music(20_000))
    agree(EffectChain((Effect(type),)), music(20_000), "random")


# --- what each finds hard


@pytest.mark.parametrize("size", [10_007, 65_536, 250_000])
def test_echoes_that_reach_over_many_chunks(size: int) -> None:
    """0.6 s and 60 % of feedback: 37 echoes over 22 s, three parts of 65 536 samples at 8 kHz."""
    chain = EffectChain((Effect("delay", True, {"time_ms": 599.3, "feedback": 0.6, "wet": 0.7}),))
    agree(chain, music(250_000), size, 8_000, budget=1e-7)


@pytest.mark.parametrize("time_ms", [2.0, 100.0, 333.337])
def test_an_echo_comes_when_it_should(time_ms: float) -> None:
    click = np.zeros((2, 40_000), np.float32)
    click[:, 100] = 1.0
    chain = EffectChain((Effect("delay", True, {"time_ms": time_ms, "wet": 0.5}),))
    result = streamed(chain, cut(click, 999))
    assert result[:, 100] == pytest.approx(0.5, abs=1e-6)
    result[:, 100] = 0.0
    assert abs(np.abs(result[0]).argmax() - (100 + time_ms * 44.1)) <= 0.5


def test_a_room_longer_than_the_chunks() -> None:
    chain = EffectChain((Effect("reverb", True, {"seed": 4, "decay_seconds": 4.0, "predelay_ms": 80.0, "wet": 1.0}),))
    agree(chain, music(330_000), 50_000)


@pytest.mark.parametrize("parts", [1, 3])
def test_convolution_by_parts_is_that_of_numpy(parts: int) -> None:
    rng = np.random.default_rng(2)
    response = rng.standard_normal((2, parts * 65_536 - 11)) * 1e-3
    response[:, 65_536 : 2 * 65_536] = 0.0  # a part without anything
    audio = rng.standard_normal((2, 150_000))
    stage = ConvolutionStage(response)
    result = np.concatenate([*(stage.process(block) for block in cut(audio, 30_000)), stage.finish()], axis=1)
    for sample in (0, 70_000, 149_999):  # a sum written out, not another transform
        reach = min(sample + 1, response.shape[1])
        wanted = [np.dot(response[c, :reach], audio[c, sample - reach + 1 : sample + 1][::-1]) for c in (0, 1)]
        assert result[:, sample] == pytest.approx(wanted, abs=1e-11)


def test_a_response_is_stored_once_if_both_channels_share_it() -> None:
    delay, reverb = Effect("delay", True, {"wet": 0.5}), Effect("reverb", True, {"wet": 0.5})
    assert delay_response(RATE, delay.parameters).shape[0] == 1
    assert reverb_response(RATE, Reverb(), reverb.parameters).shape[0] == 2


@pytest.mark.parametrize("low_crossover_hz", [20.0, 300.0])
@pytest.mark.parametrize("high_crossover_hz", [2_000.0, 12_000.0])
def test_the_look_ahead_is_long_enough(low_crossover_hz: float, high_crossover_hz: float) -> None:
    """The lowest crossover rings for longest, and the steepest expander makes most of what is missing."""
    values = {"low_crossover_hz": low_crossover_hz, "high_crossover_hz": high_crossover_hz, "mix": 0.7}
    for band in ("low", "mid", "high"):
        values |= {
            f"{band}_threshold_db": -30.0, f"{band}_ratio": 6.0,
            f"{band}_expander_threshold_db": -30.0, f"{band}_expander_ratio": 0.1,
            f"{band}_attack_ms": 1.0, f"{band}_release_ms": 20.0,
        }  # fmt: skip
    loud = np.sign(music(150_000)) * np.float32(0.9)  # square waves: most of all below the lowest crossover
    for audio in (music(150_000), loud):
        agree(EffectChain((Effect("multiband_compressor", True, values),)), audio, 30_000, budget=1e-7)


@pytest.mark.parametrize(
    "values", [{"drive_db": 36.0}, {"drive_db": 12.0, "bias": 0.5}, {"drive_db": 20.0, "hardness": 1.0}]
)
@pytest.mark.parametrize("level", [1e-7, 1.0])
def test_distortion_is_calibrated_to_the_whole(values: dict[str, float], level: float) -> None:
    """Quiet at first, loud at the end: what a running level would get wrong."""
    audio = music(40_000) * np.linspace(0.0, level, 40_000, dtype=np.float32)
    chain = EffectChain((Effect("distortion", True, values),))
    whole = chain.apply(audio, RATE)
    assert np.abs(streamed(chain, cut(audio, 1_000)) - whole).max() <= BUDGET * np.abs(whole).max()


def test_several_distortions_are_measured_one_after_the_other() -> None:
    chain = EffectChain(
        (
            Effect("gain", True, {"gain_db": 5.0}),
            Effect("distortion", True, {"drive_db": 20.0, "bias": 0.3}),
            Effect("delay", True, {"wet": 0.4, "time_ms": 150.0}),
            Effect("distortion", False, {"drive_db": 30.0}),
            Effect("limiter", True, {"threshold_db": -20.0}),
            Effect("distortion", True, {"drive_db": 0.0}),
            Effect("multiband_compressor", True, {"mix": 0.6, "low_threshold_db": -30.0, "low_ratio": 4.0}),
            Effect("distortion", True, {"drive_db": 9.0}),
        )
    )
    agree(chain, music(80_000), "random")
    reads: list[int] = []

    def read() -> Iterator[np.ndarray]:
        reads.append(1)
        yield music(1_000)

    assert len(measure(chain, RATE, read)) == 2
    assert len(reads) + 1 == passes(chain) == 5
    assert passes(EffectChain((Effect("distortion"), Effect("gain")))) == 1


# --- chains


@pytest.mark.parametrize("size", [7, 1_000, 65_536, "random"])
def test_chains(size: int | str) -> None:
    for seed in range(3):
        chain = draw_chain(np.random.default_rng(seed), 8)
        agree(chain, music(70_000 if size != 7 else 10_000, seed=seed), size)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    samples=st.integers(1, 30_000),
    size=st.integers(1, 40_000),
    rate=st.sampled_from([8_000, 44_100, 48_000]),
)
def test_any_chain_in_any_blocks(seed: int, samples: int, size: int, rate: int) -> None:
    rng = np.random.default_rng(seed)
    chain = draw_chain(rng, (1, 8), types=tuple(PROCESSORS))
    agree(chain, music(30_000)[:, :samples], max(size, samples // 50), rate)


def test_streams_of_one_chain_do_not_know_of_each_other() -> None:
    chain = draw_chain(np.random.default_rng(12), 7, types=tuple(set(PROCESSORS) - {"distortion"}))
    one, other = open_stream(chain, RATE), open_stream(chain, RATE)
    taken = []
    for block in cut(music(40_000), 5_000):
        taken.append(one.process(block))
        other.process(-block[::-1])
    taken.append(one.finish())
    assert np.array_equal(np.concatenate(taken, axis=1), streamed(chain, cut(music(40_000), 5_000)))


# --- what is refused


def test_bad_blocks_are_named() -> None:
    stream = open_stream(EffectChain((Effect("gain", True, {"gain_db": 3.0}),)), RATE)
    with pytest.raises(AudioChannelsError, match=r"\[2, N\]"):
        stream.process(np.zeros((1, 10), np.float32))
    with pytest.raises(AudioError, match="int16"):
        stream.process(np.zeros((2, 10), np.int16))
    with pytest.raises(AudioNotFiniteError, match="NaN"):
        stream.process(np.full((2, 10), np.nan, np.float32))
    with (
        pytest.raises(AudioNotFiniteError, match=r"gain \(effect 1 of 1\): its output is not finite"),
        np.errstate(over="ignore"),
    ):
        stream.process(np.full((2, 10), 1.7e308))
    with pytest.raises(AudioNotFiniteError, match="too loud"):
        stream.process(np.full((2, 10), 1e39))
    stream.finish()
    for late in (lambda: stream.process(music(10)), stream.finish):
        with pytest.raises(UsageError, match="finished"):
            late()


def test_a_distortion_without_its_level_is_refused() -> None:
    chain = EffectChain((Effect("distortion", True, {"drive_db": 6.0}),))
    with pytest.raises(UsageError, match=r"measure\(\)"):
        open_stream(chain, RATE)
    with pytest.raises(UsageError, match="0 are on, 1 levels"):
        open_stream(EffectChain(), RATE, [DistortionLevel(0.1, 0.1)])


# --- memory


def test_state_is_carried_by_the_kernels() -> None:
    """Without it, the second half of this would begin at rest again: the test of the test above."""
    audio, gain, state = np.full((2, 200), 0.9), np.empty(200), rest()
    limiter_gain(audio, 0.1, 0.01, 0.001, state, gain)
    assert tuple(state) != tuple(rest()) and state[1] == gain[-1] < 0.5


def peak_bytes(chain: EffectChain, blocks: int, size: int = 65_536) -> int:
    block = music(size)
    level = measure(chain, RATE, lambda: iter([block]))
    stream = open_stream(chain, RATE, level)
    tracemalloc.start()
    try:
        for _ in range(blocks):
            stream.process(block)
        stream.finish()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_length() -> None:
    chain = EffectChain(
        tuple(
            Effect(type, True, PROCESSORS[type].draw(np.random.default_rng(3)))
            for type in PROCESSORS
            if type != "delay"
        )
    ).effects
    chain_with_echoes = EffectChain((*chain, Effect("delay", True, {"time_ms": 300.0, "feedback": 0.3, "wet": 0.5})))
    short, long = peak_bytes(chain_with_echoes, 15), peak_bytes(chain_with_echoes, 45)
    assert long < short + 2_000_000, f"{short / 1e6:.1f} MB for 22 s, {long / 1e6:.1f} MB for 67 s"
