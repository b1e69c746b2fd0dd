"""What holds for every system."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small_systems import MAKERS, RATE, clips, system

from fxlens.audio.waveform import resample
from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioNotFiniteError, UsageError
from fxlens.evaluation.systems.system import DifferentiableSystem, InstrumentQuery, InstrumentSystem

DIFFERENTIABLE = [name for name in MAKERS if isinstance(system(name), DifferentiableSystem)]
every = pytest.mark.parametrize("name", MAKERS)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


@every
def test_embeddings_are_finite_float32_one_a_clip(name: str) -> None:
    found = system(name).embed(clips(), RATE)
    assert found.dtype == np.float32 and found.ndim == 2 and len(found) == len(clips())
    assert np.isfinite(found).all()
    assert found.std(axis=0).max() > 1e-4  # it tells clips apart


@every
def test_embeddings_do_not_depend_on_the_batch(name: str) -> None:
    together = system(name).embed(clips(), RATE)
    alone = np.concatenate([system(name).embed(clip[None], RATE) for clip in clips()])
    np.testing.assert_allclose(alone, together, atol=2e-5 * np.abs(together).max())


@every
def test_embeddings_are_the_same_at_every_call_and_in_every_copy(name: str) -> None:
    first = system(name).embed(clips()[:2], RATE)
    np.testing.assert_array_equal(system(name).embed(clips()[:2], RATE), first)
    other = MAKERS[name]()
    assert other.identity == system(name).identity
    np.testing.assert_array_equal(other.embed(clips()[:2], RATE), first)


# What lies above the lower rate's limit matters to some; hand-made features have a test of their own.
NARROW = ("musicnn", "cdpam", "panns", "vggish")
AT_RATES = [(name, 48000) for name in MAKERS if "hand" not in name] + [(name, 32000) for name in NARROW]


@pytest.mark.parametrize(("name", "rate"), AT_RATES)
def test_another_sample_rate_is_brought_to_the_systems_own(name: str, rate: int) -> None:
    other = np.stack([resample(clip, RATE, rate) for clip in clips()])
    assert cosine(system(name).embed(clips(), RATE), system(name).embed(other, rate)).min() > 0.98


@every
def test_mono_silence_and_faults(name: str) -> None:
    own = system(name)
    same = clips()[:1, :1].repeat(2, axis=1)
    for sound in (same, np.zeros_like(same), same[..., :300]):  # both channels alike, silent, 7 ms
        assert np.isfinite(own.embed(sound, RATE)).all()
    with pytest.raises(AudioChannelsError, match="duplicate mono"):
        own.embed(clips()[:, :1], RATE)
    with pytest.raises(AudioEmptyError):
        own.embed(clips()[..., :0], RATE)
    with pytest.raises(AudioNotFiniteError):
        own.embed(np.full_like(same, np.nan), RATE)
    with pytest.raises(UsageError):
        own.embed(clips(), 0)


@every
def test_it_says_what_it_is(name: str) -> None:
    own = system(name)
    assert own.name and own.identity and own.licence
    assert own.identity not in {system(other).identity for other in MAKERS if other != name}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("rate", [RATE, 48000])
def test_embed_tensor_gives_the_same_numbers(name: str, rate: int) -> None:
    own = system(name)
    assert isinstance(own, DifferentiableSystem)
    with torch.no_grad():
        found = own.embed_tensor(torch.from_numpy(clips()[:2]), rate)
    np.testing.assert_allclose(found.numpy(), own.embed(clips()[:2], rate), atol=2e-5)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    """Along the gradient itself, where the difference is largest against the rounding of float32."""
    own = system(name)
    assert isinstance(own, DifferentiableSystem)
    sound = torch.from_numpy(clips()[:1]) + 0.05 * torch.randn(
        1, 2, clips().shape[-1], generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        weights = torch.randn(own.embed_tensor(sound, 48000).shape, generator=torch.Generator().manual_seed(1))

    def value(x: torch.Tensor) -> torch.Tensor:
        return (own.embed_tensor(x, 48000) * weights).double().sum()

    x = sound.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(x), x)
    slope = float(gradient.norm())
    assert math.isfinite(slope) and slope > 0.0
    direction = gradient / slope
    errors = []
    with torch.no_grad():
        for share in (3e-5, 1e-4, 3e-4):  # of the sound's norm: kinks and rounding favour different steps
            step = share * float(sound.norm())
            measured = float(value(sound + step * direction) - value(sound - step * direction)) / (2.0 * step)
            errors.append(abs(measured / slope - 1.0))
    assert min(errors) < 0.05, errors


@pytest.mark.parametrize("name", [n for n in MAKERS if isinstance(system(n), InstrumentSystem)])
def test_one_instrument_of_a_mixture(name: str) -> None:
    own = system(name)
    assert isinstance(own, InstrumentSystem)
    queries = [InstrumentQuery("vocals"), InstrumentQuery("drums"), InstrumentQuery("drums", clips()[0])]
    found = own.embed_instrument(clips(), RATE, queries)
    assert found.dtype == np.float32
    assert found.shape == (len(clips()), 3, own.embed(clips(), RATE).shape[1])
    assert np.isfinite(found).all()
    one = np.concatenate([own.embed_instrument(clip[None], RATE, queries[1:2]) for clip in clips()])
    np.testing.assert_allclose(one[:, 0], found[:, 1], atol=2e-5 * np.abs(found).max())
    with pytest.raises(UsageError, match="empty"):
        own.embed_instrument(clips(), RATE, [])
    assert [query.kind for query in queries] == ["text", "text", "audio"]
