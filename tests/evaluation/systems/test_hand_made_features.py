from __future__ import annotations

import pickle

import numpy as np
import pytest
from small_systems import RATE, clips, fitted

from fxlens.audio.waveform import resample
from fxlens.errors import UsageError
from fxlens.evaluation.benchmark.retrieval import ranks
from fxlens.evaluation.systems.hand_made import FEATURES, HandMade, Standardization, open_hand_made
from fxlens.evaluation.systems.whitening import WithinClassWhitening


def test_they_measure_what_they_say() -> None:
    hand = open_hand_made("cpu")
    base = hand.features(clips(), RATE)
    assert base.shape == (len(clips()), FEATURES) and np.isfinite(base).all()
    louder = hand.features(2.0 * clips(), RATE)
    np.testing.assert_allclose(louder[:, 128 + 10] - base[:, 128 + 10], 20 * np.log10(2.0), atol=1e-3)
    np.testing.assert_allclose(louder[:, 128], base[:, 128], atol=1e-3)  # crest factor: level does not matter
    mono = hand.features(clips()[:, :1].repeat(2, axis=1), RATE)
    np.testing.assert_allclose(mono[:, 128 + 6], 1.0, atol=1e-6)  # correlation of the channels
    assert (mono[:, 128 + 7] < -60.0).all()  # no side
    square = np.sign(np.sin(2 * np.pi * 220.5 * np.arange(RATE) / RATE) + 1e-9)
    crest = hand.features(np.tile(square, (1, 2, 1)).astype(np.float32), RATE)[0, 128]
    assert crest == pytest.approx(0.0, abs=1e-3)


def test_another_sample_rate_changes_little() -> None:
    hand = open_hand_made("cpu")
    at_48k = np.stack([resample(clip, RATE, 48000) for clip in clips()])
    difference = np.abs(hand.features(at_48k, 48000) - hand.features(clips(), RATE))
    assert difference[:, :128].max() < 0.06  # of the bands' range of 2; the highest end near the limit
    assert difference[:, 128 + 10].max() < 0.05  # dB of level


def test_it_must_be_fitted_and_can_then_be_sent_to_another_process() -> None:
    hand = open_hand_made("cpu")
    unfitted = hand.identity
    with pytest.raises(UsageError, match="must be fitted"):
        hand.embed(clips(), RATE)
    with pytest.raises(UsageError, match="at least 8 pairs"):
        hand.fit(clips()[:2], clips()[:2], RATE)
    fitted(hand)
    assert hand.identity != unfitted
    copy = pickle.loads(pickle.dumps(hand))
    assert copy.identity == hand.identity
    np.testing.assert_array_equal(copy.embed(clips(), RATE), hand.embed(clips(), RATE))


def test_fitting_on_other_pairs_is_another_system() -> None:
    one, other = HandMade("hand-made", Standardization), HandMade("hand-made", Standardization)
    sounds = np.concatenate([clips(), clips()[..., ::-1]])
    one.fit(sounds, sounds, RATE)
    other.fit(sounds, sounds[::-1], RATE)
    assert one.identity != other.identity


def test_whitening_shrinks_what_differs_within_a_style() -> None:
    rng = np.random.default_rng(0)
    style = rng.normal(size=(300, 6))
    noise = np.zeros((2, 300, 6))
    noise[:, :, 0] = rng.normal(size=(2, 300)) * 5  # column 0 is all content, no style
    style[:, 0] = 0
    first, second = style + noise[0], style + noise[1] + 1e-3 * rng.normal(size=(300, 6))
    whiten = WithinClassWhitening(first, second)

    def found_first(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean(ranks(a, b) == 1))

    assert found_first(whiten(first), whiten(second)) > found_first(first, second) + 0.2
