"""``describe`` from files and samples: windows, silence, queries, and numbers that add up."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_describing import RATE, SLOPE, noise, tiny_encoder, tiny_heads

from fxlens.describing import describe
from fxlens.describing.description import verdict_of
from fxlens.describing.head_files import DescribingHeads
from fxlens.describing.hearing import whole_vector
from fxlens.describing.quantities import EFFECTS, QUANTITIES
from fxlens.describing.reading import describe_each
from fxlens.errors import AudioEmptyError, AudioSilentError, ModelUnavailableError, UsageError
from fxlens.models.fx_encoder import FxEncoder


@pytest.fixture(scope="module")
def encoder() -> FxEncoder:
    return tiny_encoder()


@pytest.fixture(scope="module")
def heads(encoder: FxEncoder) -> DescribingHeads:
    return tiny_heads(encoder)


def test_windows_and_columns(encoder: FxEncoder, heads: DescribingHeads) -> None:
    one = describe(noise(3.5), encoder, sample_rate=RATE, heads=heads)
    assert one.effects == EFFECTS and one.probabilities.shape == (4, len(EFFECTS))
    np.testing.assert_allclose(one.times, [0.0, 1.0, 2.0, 2.5])
    np.testing.assert_allclose(one.ends, [1.0, 2.0, 3.0, 3.5])
    assert {f.effect for f in one.findings} == set(EFFECTS)
    likely = [f.probability for f in one.findings]
    assert likely == sorted(likely, reverse=True)
    assert ((one.probabilities > 0) & (one.probabilities < 1)).all()


def test_one_window_is_what_the_heads_say_of_it(encoder: FxEncoder, heads: DescribingHeads) -> None:
    clip = noise(1.0, 2)
    one = describe(clip, encoder, sample_rate=RATE, heads=heads)
    with torch.inference_mode():
        from fxlens.audio.loudness import normalize_loudness

        levelled, _ = normalize_loudness(clip, RATE, -18.0)
        output = heads.readings["whole"].heads(whole_vector(encoder.hear(torch.from_numpy(levelled)[None])))
    logits, quantiles = output.numpy()
    for k, effect in enumerate(EFFECTS):
        finding = one.finding(effect)
        expected = 1.0 / (1.0 + np.exp(-(SLOPE * logits[0, k] + 0.3)))
        assert finding.probability == pytest.approx(expected, abs=1e-4)
        assert finding.verdict == ("not sure" if effect == "limiter" else verdict_of(expected))
        for setting in finding.settings:
            row = next(r for r, q in enumerate(QUANTITIES) if (q.effect, q.name) == (effect, setting.name))
            low, middle, high = quantiles[0, row]
            wanted = [QUANTITIES[row].to_physical(v) for v in (low - 0.05, middle, high + 0.05)]
            np.testing.assert_allclose([setting.low, setting.value, setting.high], wanted, rtol=1e-3, atol=1e-4)
            assert setting.coverage == 0.8


def test_settings_only_of_what_is_there_and_known(encoder: FxEncoder, heads: DescribingHeads) -> None:
    told = 0
    for seed in range(12):
        for finding in describe(noise(1.0, seed), encoder, sample_rate=RATE, heads=heads).findings:
            if finding.verdict not in ("yes", "likely"):
                assert finding.settings == () and finding.strength is None
            else:
                told += 1
                assert finding.strength is not None and 0.0 <= finding.strength <= 1.0
                assert "drive_db" not in [s.name for s in finding.settings]
                assert all(s.low <= s.value <= s.high for s in finding.settings)
    assert told


def test_several_queries_are_one_reading(
    encoder: FxEncoder, heads: DescribingHeads, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = noise(2.0, 3)
    alone = [describe(clip, encoder, q, sample_rate=RATE, heads=heads) for q in (None, "drums", "vocals")]
    passes, own = [], encoder.hear
    monkeypatch.setattr(encoder, "hear", lambda audio: passes.append(len(audio)) or own(audio))
    together = describe_each(clip, encoder, [None, "drums", "vocals"], sample_rate=RATE, heads=heads)
    assert passes == [2]
    assert [d.query for d in together] == [None, "drums", "vocals"]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
    assert np.abs(together[0].probabilities - together[1].probabilities).max() > 1e-3
    assert np.abs(together[1].probabilities - together[2].probabilities).max() > 1e-6


def test_a_recorded_query(encoder: FxEncoder, heads: DescribingHeads, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "snare.wav", noise(1.0, 7)[0], RATE)
    one = describe(noise(1.0), encoder, query_audio=tmp_path / "snare.wav", sample_rate=RATE, heads=heads)
    assert one.query == "snare.wav" and one.probabilities.shape == (1, len(EFFECTS))
    other = describe(noise(1.0), encoder, query_audio=noise(1.0, 7), sample_rate=RATE, heads=heads)
    assert other.query == "query_audio"


def test_silent_windows_are_left_out_and_silence_is_told(encoder: FxEncoder, heads: DescribingHeads) -> None:
    clip = noise(4.0, 1)
    clip[:, RATE : 3 * RATE] = 0.0
    one = describe(clip, encoder, sample_rate=RATE, heads=heads)
    np.testing.assert_allclose(one.times, [0.0, 3.0])
    with pytest.raises(AudioSilentError):
        describe(np.zeros((2, RATE), np.float32), encoder, sample_rate=RATE, heads=heads)
    with pytest.raises(AudioEmptyError):
        describe(np.zeros((2, 0), np.float32), encoder, sample_rate=RATE, heads=heads)


def test_a_file_is_its_samples(encoder: FxEncoder, heads: DescribingHeads, tmp_path: Path) -> None:
    clip = noise(9.4, 4)
    soundfile.write(tmp_path / "some.wav", clip.T, RATE, subtype="FLOAT")
    from_file = describe(tmp_path / "some.wav", encoder, heads=heads)
    from_samples = describe(clip, encoder, sample_rate=RATE, heads=heads)
    np.testing.assert_allclose(from_file.probabilities, from_samples.probabilities, atol=1e-5)
    assert from_file.source.endswith("some.wav") and from_samples.source == "array"


def test_memory_does_not_grow_with_length(encoder: FxEncoder, heads: DescribingHeads, tmp_path: Path) -> None:
    peaks = []
    for seconds in (40, 160):
        soundfile.write(tmp_path / f"{seconds}.wav", noise(float(seconds), 4).T, RATE, subtype="FLOAT")
        tracemalloc.start()
        found = describe(tmp_path / f"{seconds}.wav", encoder, heads=heads)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(found.times) == seconds
    assert peaks[1] - peaks[0] < 0.1 * 120 * RATE * 8  # of the 7.7 MB that two minutes more are


def test_wrong_calls_are_told(encoder: FxEncoder, heads: DescribingHeads) -> None:
    clip = noise(1.0)
    with pytest.raises(UsageError, match="one recording at a time"):
        describe(np.stack([clip, clip]), encoder, sample_rate=RATE, heads=heads)
    with pytest.raises(UsageError, match="not both"):
        describe(clip, encoder, "drums", query_audio=clip, sample_rate=RATE, heads=heads)
    with pytest.raises(UsageError, match="empty"):
        describe_each(clip, encoder, [], sample_rate=RATE, heads=heads)
    deaf = tiny_encoder(extractor="none")
    with pytest.raises(UsageError, match="no extractor"):
        describe(clip, deaf, "drums", sample_rate=RATE, heads=tiny_heads(deaf))
    only_whole = DescribingHeads(heads.model_id, {"whole": heads.readings["whole"]})
    with pytest.raises(ModelUnavailableError, match="describe no instrument"):
        describe(clip, encoder, "drums", sample_rate=RATE, heads=only_whole)
