"""Rendering pools: as the exact chain, item by item, whatever the threads; faults named; loudness reached."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest

from fxlens.dsp.compilation import compile_kernels
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.gain import Gain
from fxlens.effects.registry import PROCESSORS
from fxlens.effects.rendering import render_chains
from fxlens.effects.sampling import draw_chain
from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioError, AudioNotFiniteError, UsageError

RATE = 44_100


@pytest.fixture(scope="module")
def audio() -> np.ndarray:
    """Six clips of a second, at the level at which chains are meant to work."""
    rng = np.random.default_rng(0)
    t = np.arange(RATE) / RATE
    tones = sum(np.sin(2 * np.pi * f * t + rng.random((6, 2, 1)) * 6) for f in (82.4, 330.0, 1234.5))
    hits = rng.standard_normal((6, 2, RATE)) * np.exp(-9.0 * (t % 0.26))
    return (0.06 * tones + 0.12 * hits).astype(np.float32)


@pytest.fixture(scope="module")
def chains() -> list[EffectChain]:
    kinds = list(PROCESSORS)
    every = EffectChain(
        tuple(Effect(k, True, PROCESSORS[k].draw(np.random.default_rng(i), "default")) for i, k in enumerate(kinds))
    )
    drawn = [draw_chain(np.random.default_rng(seed), n_effects=1 + 2 * seed) for seed in range(4)]
    return [every, *drawn, EffectChain()]


def test_render_is_apply(audio, chains):
    out = render_chains(chains, audio, RATE)
    assert out.dtype == np.float32 and out.shape == audio.shape
    for clip, chain, rendered in zip(audio, chains, out, strict=True):
        exact = chain.apply(clip, RATE)
        assert np.abs(rendered - exact).max() < 1e-4 * max(1.0, float(np.abs(exact).max()))
    assert np.array_equal(out[5], audio[5])
    assert np.abs(out[0] - audio[0]).max() > 1e-2


def test_neither_company_nor_threads_change_a_bit(audio, chains):
    before = audio.copy()
    out = render_chains(chains, audio, RATE, threads=3, target_lufs=-20.0)
    assert np.array_equal(audio, before)
    assert np.array_equal(out, render_chains(chains, audio, RATE, threads=1, target_lufs=-20.0))
    for index in (0, 3):
        alone = render_chains([chains[index]], audio[index : index + 1], RATE, target_lufs=-20.0)
        assert np.array_equal(alone[0], out[index])


def test_one_chain_for_all_is_a_chain_each(audio, chains):
    assert np.array_equal(chains[0].render(audio, RATE, threads=2), render_chains([chains[0]] * 6, audio, RATE))


def test_a_disabled_effect_is_passed_by(audio):
    off = Effect("distortion", False, {"drive_db": 30.0})
    assert np.array_equal(EffectChain((off,)).render(audio, RATE), audio)


def test_loudness_is_reached_after_pyloudnorm(audio, chains):
    out = render_chains(chains, audio, RATE, threads=2, target_lufs=-23.0)
    meter = pyloudnorm.Meter(RATE)
    for clip in out:
        assert meter.integrated_loudness(clip.T.astype(np.float64)) == pytest.approx(-23.0, abs=0.05)


def test_near_silence_is_not_amplified():
    quiet = (1e-5 * np.random.default_rng(0).standard_normal((2, 2, RATE))).astype(np.float32)
    quiet[1] = 0.0
    assert np.array_equal(render_chains([EffectChain()] * 2, quiet, RATE, target_lufs=-14.0), quiet)


class Broken(Gain):
    def fast_clip(self, clip, sample_rate, **values):
        clip[0, 3] = np.nan


def test_the_effect_that_broke_is_named(audio, monkeypatch):
    monkeypatch.setitem(PROCESSORS, "gain", Broken())
    chain = EffectChain((Effect("stereo_imager", True, {"width": 0.5}), Effect("gain"), Effect("delay")))
    with pytest.raises(AudioNotFiniteError, match=r"gain \(effect 2 of 3\).*gain_db 0"):
        render_chains([EffectChain()] * 5 + [chain], audio, RATE, threads=2)


def test_what_cannot_be_rendered_is_refused(audio):
    chain = EffectChain()
    for bad, fault in (
        (audio[0], AudioChannelsError),
        (audio[:, :1], AudioChannelsError),
        (audio[..., :0], AudioEmptyError),
        (audio.astype(np.float64), AudioError),
        (audio * np.float32(np.inf), AudioNotFiniteError),
    ):
        with pytest.raises(fault), np.errstate(invalid="ignore"):
            chain.render(bad, RATE)
    with pytest.raises(UsageError, match="chains"):
        render_chains([chain], audio, RATE)
    with pytest.raises(UsageError, match="threads"):
        chain.render(audio, RATE, threads=0)
    with pytest.raises(UsageError, match="target_lufs"):
        render_chains([chain] * 6, audio, RATE, target_lufs=float("nan"))


def test_all_kernels_compile_ahead_of_use():
    """Twice the same call: the first may compile, and neither may fail."""
    compile_kernels()
    compile_kernels()
