"""Statistics of a spectrogram against arithmetic, and the small network that reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoder import make, sound

from fxlens import EffectChain, FxEncoder
from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.effects.effect import Effect
from fxlens.models.band_statistics import BANDS, COARSE, LAGS, band_statistics, statistics_count
from fxlens.models.clip_reader import ClipReader
from fxlens.models.frontend import FrontendConfig, LogMel
from fxlens.models.query_mask import QueryMask

RATE = 44_100
FRONT = FrontendConfig(hop_length=1024, n_mels=128, f_max_hz=20_000.0, channels="lrms", floor_db=-60.0, ceiling_db=20.0)
MOVING = 2 * BANDS * 4
"""Where the statistics of mid and side begin."""


def spectrogram(seed: int = 0, channels: int = 4, mels: int = 128, frames: int = 100) -> torch.Tensor:
    return torch.rand(2, channels, mels, frames, generator=torch.Generator().manual_seed(seed)) * 1.6 - 0.8


def measured(audio: np.ndarray) -> np.ndarray:
    return band_statistics(LogMel(FRONT)(torch.from_numpy(np.ascontiguousarray(audio))[None]))[0].numpy()


def music(name: str = "drums") -> np.ndarray:
    return synthesize_song(3, 5.0, RATE, [name])[name]


def test_means_spreads_and_movement_are_those_of_numpy() -> None:
    found, x = band_statistics(spectrogram())[1].numpy(), spectrogram()[1].numpy().astype(np.float64)
    fine = x.reshape(4, BANDS, 4, -1).mean(axis=2)
    mean = fine.mean(axis=-1)
    np.testing.assert_allclose(found[: 4 * BANDS], (mean - mean.mean()).ravel(), atol=1e-5)
    np.testing.assert_allclose(found[4 * BANDS : MOVING], 4.0 * fine.std(axis=-1).ravel(), atol=1e-3)
    moving = x[2:].reshape(2, COARSE, 8, -1).mean(axis=2)
    step = np.diff(moving, axis=-1)
    np.testing.assert_allclose(
        found[MOVING : MOVING + 2 * COARSE],
        np.minimum(20.0 * np.maximum(step, 0).mean(axis=-1).ravel(), 4.0),
        atol=1e-4,
    )


@pytest.mark.parametrize("period", [5, 17, 43])
def test_an_echo_is_seen_at_its_lag(period: int) -> None:
    x = torch.full((1, 2, 128, 300), -0.9)
    x[..., ::period] = 0.4
    lags = band_statistics(x)[0, -LAGS:]
    assert int(lags[period - 2 : period + 1].argmax()) == 1  # higher than its neighbours
    assert float(lags[period - 1]) == pytest.approx(2.0 * (1.0 - period / 300), abs=0.05)


def test_correlation_tells_mono_from_wide() -> None:
    rng = np.random.default_rng(0)
    left, right = 0.1 * rng.standard_normal((2, RATE)).astype(np.float32)
    for right_now, expected in ((left, 1.0), (right, 0.0), (-left, -1.0)):
        audio = np.stack([left, right_now])
        # Bands are means of decibels, not powers: of noise, a fifth is what that costs.
        assert measured(audio)[-COARSE:].mean() == pytest.approx(expected, abs=0.2)
        # The same powers, on a scale of other ends.
        wide = LogMel(replace(FRONT, floor_db=-80.0, ceiling_db=40.0))(torch.from_numpy(audio)[None])
        assert band_statistics(wide, 120.0)[0, -COARSE:].mean() == pytest.approx(expected, abs=0.2)


def test_compression_takes_movement_away_and_reverb_fills_rests() -> None:
    dry = music()
    dry = dry * np.float32(0.9 / np.abs(dry).max())
    squashed = EffectChain((Effect("limiter", parameters={"threshold_db": -20.0, "release_ms": 30.0}),)).apply(
        dry, RATE
    )
    wet = EffectChain((Effect("reverb", parameters={"wet": 0.8, "decay_seconds": 2.0}),)).apply(dry, RATE)
    spread = slice(4 * BANDS + 2 * BANDS, 4 * BANDS + 3 * BANDS)  # of mid
    assert measured(squashed)[spread].mean() < measured(dry)[spread].mean()
    rests = slice(MOVING + 4 * COARSE, MOVING + 5 * COARSE)
    assert measured(wet)[rests].mean() < 0.7 * measured(dry)[rests].mean()


@pytest.mark.parametrize("channels", [2, 4, 5])
@pytest.mark.parametrize(("mels", "frames"), [(128, 1), (16, 2), (40, 50), (64, 400)])
def test_any_size_gives_finite_numbers_and_gradients(channels: int, mels: int, frames: int) -> None:
    for x in (spectrogram(1, channels, mels, frames), torch.full((1, channels, mels, frames), -1.0)):
        x.requires_grad_(True)
        found = band_statistics(x)
        assert found.shape == (len(x), statistics_count(channels)) and found.isfinite().all()
        found.sum().backward()
        assert x.grad is not None and x.grad.isfinite().all()


def test_a_reader_is_taken_over_where_there_is_a_mask_too() -> None:
    torch.manual_seed(0)
    given, own = ClipReader(4, 64, True, False, 8, 80.0), ClipReader(5, 64, True, False, 8, 80.0)
    torch.nn.init.normal_(given.net[-1].weight)
    own.start_from(given, 4, 5)
    x = spectrogram(2, 5, 64)
    with torch.no_grad():
        assert given(x[:, :4]).abs().max() > 0.1
        assert torch.allclose(own(x), given(x[:, :4]), atol=1e-5)


def test_readers_begin_at_nothing_and_learn_in_both_places(tmp_path: Path) -> None:
    plain = FxEncoder(make("mask", "resnet").config).eval()
    hearing = FxEncoder(make("mask", "resnet", statistics=True).config).eval()
    hearing.load_state_dict({**hearing.state_dict(), **plain.state_dict()})
    audio = torch.from_numpy(np.stack([sound(1.0, seed=1), sound(1.0, seed=2)]))
    query = torch.nn.functional.normalize(torch.randn(2, 8), dim=-1)

    def both(encoder: FxEncoder) -> torch.Tensor:
        heard = encoder.hear(audio)
        return torch.cat((heard.mixture, encoder.instrument_embedding(heard, query)))

    with torch.no_grad():
        assert torch.allclose(both(plain), both(hearing), atol=1e-6)
    assert hearing.measured is not None and isinstance(hearing.extractor, QueryMask)
    assert hearing.extractor.measured is not None
    learning = [*hearing.measured.parameters(), *hearing.extractor.measured.parameters()]
    target = torch.nn.functional.normalize(torch.randn(4, hearing.embedding_dim), dim=-1)
    optimizer = torch.optim.Adam(learning, 1e-2)
    for _ in range(80):
        loss = (1.0 - (both(hearing) * target).sum(dim=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1
    hearing.save_pretrained(tmp_path / "model")
    again = FxEncoder.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        assert torch.allclose(both(again), both(hearing), atol=1e-6)
