"""What holds in every dialect: finite, bounded, deterministic, the identity where settings are neutral, not ours."""

from __future__ import annotations

import numpy as np
import pytest

from fxlens.data.dialects.dialect import MAKES, make_of, moves_the_image, render_in_dialect
from fxlens.data.dialects.echoing import OtherDelay
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.processor import Processor
from fxlens.effects.registry import processor_named
from fxlens.effects.sampling import draw_chain, draw_effect
from fxlens.errors import AudioNotFiniteError

RATE = 44_100
TYPES = sorted(MAKES)


def music(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(max(round(seconds * rate), 1)) / rate
    tones = sum(np.sin(2 * np.pi * f * t + rng.random((2, 1)) * 6) for f in (82.4, 330.0, 1234.5))
    hits = rng.standard_normal((2, len(t))) * np.exp(-9.0 * (t % 0.26))
    return (0.05 * tones + 0.1 * hits).astype(np.float32)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("rate, seconds", [(8000, 0.5), (44_100, 0.3), (96_000, 0.1)])
def test_finite_and_bounded_at_any_rate(kind, rate, seconds):
    audio = music(seconds, rate)
    power = float(np.mean(audio**2))
    for dialect in range(8):
        effect = draw_effect(np.random.default_rng(dialect), kind) if kind != "compressor" else compressor(dialect)
        out = render_in_dialect(EffectChain((effect,)), audio, rate, dialect)
        assert out.shape == audio.shape and out.dtype == np.float32 and np.isfinite(out).all()
        # Six bands of 12 dB, or 20 dB of make-up, are the most that anything can add.
        assert np.mean(out**2) < 4000.0 * power


def compressor(seed: int) -> Effect:
    return Effect("compressor", True, {"threshold_db": -30.0 + seed, "ratio": 2.0 + seed, "makeup_db": 3.0})


@pytest.mark.parametrize("kind", TYPES)
def test_silence_and_a_single_sample(kind):
    for dialect in range(12):
        effect = compressor(dialect) if kind == "compressor" else draw_effect(np.random.default_rng(dialect), kind)
        chain = EffectChain((effect,))
        assert not render_in_dialect(chain, np.zeros((2, 3000), np.float32), RATE, dialect).any()
        for length in (1, 2, 37):
            out = render_in_dialect(chain, np.full((2, length), 0.3, np.float32), RATE, dialect)
            assert out.shape == (2, length) and np.isfinite(out).all()


@pytest.mark.parametrize("kind", TYPES)
def test_neutral_settings_are_the_identity(kind):
    audio = music(0.3)
    for dialect in range(20):
        out = render_in_dialect(EffectChain((Effect(kind),)), audio, RATE, dialect)
        np.testing.assert_allclose(out, audio, atol=2e-4)


def test_the_seed_decides_and_the_audio_is_left_alone():
    audio = music(0.5)
    before = audio.copy()
    chain = draw_chain(np.random.default_rng(3), 8)
    one, two = (render_in_dialect(chain, audio, RATE, 11) for _ in range(2))
    assert np.array_equal(one, two) and np.array_equal(audio, before)
    make_of.cache_clear()
    assert np.array_equal(one, render_in_dialect(chain, audio, RATE, 11))
    other = render_in_dialect(chain, audio, RATE, 12)
    assert np.abs(one - other).max() > 1e-2


def test_no_dialect_is_our_own_engine():
    audio = music(0.5)
    chain = draw_chain(np.random.default_rng(4), 8)
    assert np.array_equal(render_in_dialect(chain, audio, RATE, None), chain.render(audio[None], RATE)[0])
    gain = EffectChain((Effect("gain", True, {"gain_db": 6.0}),))
    assert np.array_equal(render_in_dialect(gain, audio, RATE, 5), gain.render(audio[None], RATE)[0])


@pytest.mark.parametrize("kind", TYPES)
def test_makes_are_many_and_most_are_not_ours(kind):
    audio = music(0.4)
    effect = compressor(4) if kind == "compressor" else draw_effect(np.random.default_rng(5), kind)
    if kind == "delay":  # its echoes must come before the end
        effect = Effect("delay", True, {"time_ms": 60.0, "feedback": 0.4, "wet": 0.4})
    chain = EffectChain((effect,))
    own = render_in_dialect(chain, audio, RATE, None)
    outputs = [render_in_dialect(chain, audio, RATE, d) for d in range(30)]
    same = sum(np.allclose(out, own, atol=1e-5) for out in outputs)
    assert same <= 18 if kind == "stereo_imager" else same <= 12
    assert len({out.tobytes() for out in outputs}) >= 10 or kind == "stereo_imager"


def test_a_chain_sounds_like_itself_in_every_dialect():
    """After the mean over dialects, chains are told apart by their spectra: the effect outweighs its make."""
    audio = music(1.0)
    chains = [draw_chain(np.random.default_rng(s), 1, types=("equalizer",)) for s in range(6)]

    def profile(chain: EffectChain, dialect: int) -> np.ndarray:
        power = np.abs(np.fft.rfft(render_in_dialect(chain, audio, RATE, dialect)[0])) ** 2
        bands = np.add.reduceat(power, np.unique(np.geomspace(30, len(power) - 1, 30).astype(int)))
        return 10.0 * np.log10(bands)

    profiles = np.array([[profile(c, d) for d in range(5)] for c in chains])
    own = profiles.mean(axis=1)
    nearest = ((profiles[:, :, None] - own[None, None]) ** 2).sum(axis=-1).argmin(axis=-1)
    assert np.mean(nearest == np.arange(6)[:, None]) >= 0.9


def test_what_moves_the_image_is_known():
    imager = EffectChain((Effect("stereo_imager", True, {"width": 0.5}),))
    delay = EffectChain((Effect("delay", True, {"feedback": 0.5, "wet": 0.5}),))
    assert moves_the_image(imager, None) and not moves_the_image(delay, None)
    assert not moves_the_image(EffectChain((Effect("stereo_imager", False, {"width": 0.5}),)), 3)
    crossing = [d for d in range(60) if isinstance(m := make_of(d, "delay"), OtherDelay) and m.crossing > 0.0]
    assert crossing and all(moves_the_image(delay, d) for d in crossing)


class Broken(Processor):
    type = "gain"
    parameters = processor_named("gain").parameters
    reference = forward = None  # type: ignore[assignment]

    def fast_clip(self, clip, sample_rate, **values):
        clip[0, 3] = np.nan


def test_the_effect_that_broke_is_named(monkeypatch):
    from fxlens.effects.registry import PROCESSORS

    monkeypatch.setitem(PROCESSORS, "gain", Broken())
    chain = EffectChain((Effect("delay", True, {"wet": 0.3}), Effect("gain")))
    with pytest.raises(AudioNotFiniteError, match=r"gain \(effect 2 of 2\)"):
        render_in_dialect(chain, music(0.1), RATE, 1)
