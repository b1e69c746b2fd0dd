"""Recordings of any kind, rate and length to embeddings; what cannot be embedded is refused by name."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_encoder import RATE, make, sound

from fxlens.audio.loudness import integrated_loudness
from fxlens.audio.waveform import MonoWarning
from fxlens.errors import (
    AudioChannelsError,
    AudioEmptyError,
    AudioMissingError,
    AudioNotFiniteError,
    AudioSilentError,
    UsageError,
)
from fxlens.models.fx_encoder import FxEncoder


@pytest.fixture(scope="module")
def encoder() -> FxEncoder:
    return make()


def test_kinds_of_input_agree(encoder: FxEncoder, tmp_path: Path) -> None:
    x = sound(2.5)
    soundfile.write(tmp_path / "x.wav", x.T, RATE, subtype="FLOAT")
    e = encoder.encode(x, RATE)
    assert e.shape == (encoder.embedding_dim,) and e.dtype == np.float32
    assert np.linalg.norm(e) == pytest.approx(1.0, abs=1e-6)
    for same in (tmp_path / "x.wav", str(tmp_path / "x.wav"), torch.from_numpy(x), x.astype(np.float64)):
        assert np.array_equal(encoder.encode(same, RATE), e)
    both = encoder.encode([tmp_path / "x.wav", sound(1.0, seed=1)], RATE)
    assert both.shape == (2, 16) and np.allclose(both[0], e, atol=1e-6)
    batch = encoder.encode(np.stack([x, 0.5 * x]), RATE)
    assert batch.shape == (2, 16) and np.allclose(batch[0], e, atol=1e-6)


def test_mono_is_stereo_twice_with_a_warning(encoder: FxEncoder) -> None:
    mono = sound(1.0, channels=1)
    with pytest.warns(MonoWarning):
        e = encoder.encode(mono[0], RATE)
    assert np.allclose(e, encoder.encode(np.repeat(mono, 2, axis=0), RATE))


def test_other_sample_rates(encoder: FxEncoder) -> None:
    from scipy.signal import resample_poly

    x = sound(3.0)
    x = resample_poly(resample_poly(x, 1, 2, axis=1), 2, 1, axis=1)  # nothing above 2 kHz, where rates differ
    up = resample_poly(x, 4, 1, axis=1)
    assert encoder.encode(x, RATE) @ encoder.encode(up, 4 * RATE) > 0.995


def test_windows_are_pooled_by_what_is_new(encoder: FxEncoder) -> None:
    x = sound(2.25)
    rows, times = encoder.encode(x, RATE, pool="none", return_times=True)
    assert rows.shape == (3, 16) and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert np.allclose(times, [[0, 1], [1, 2], [1.25, 2.25]])
    pooled = rows[0] + rows[1] + 0.25 * rows[2]
    assert np.allclose(encoder.encode(x, RATE), pooled / np.linalg.norm(pooled), atol=1e-5)


def test_overlapping_windows(encoder: FxEncoder) -> None:
    rows, times = encoder.encode(sound(2.0), RATE, pool="none", return_times=True, hop_seconds=0.5)
    assert np.allclose(times[:, 0], [0, 0.5, 1.0])
    pooled = rows.sum(axis=0)
    e = encoder.encode(sound(2.0), RATE, hop_seconds=0.5)
    assert np.allclose(e, pooled / np.linalg.norm(pooled), atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_batch_size_is_no_matter(encoder: FxEncoder, batch_size: int) -> None:
    files = [sound(0.5), sound(3.1, seed=1), sound(0.5, seed=2), sound(1.0, seed=3)]
    e = encoder.encode(files, RATE, batch_size=batch_size)
    for row, one in zip(e, files, strict=True):
        assert np.allclose(row, encoder.encode(one, RATE), atol=1e-6)


def test_always_the_same(encoder: FxEncoder) -> None:
    model = copy.deepcopy(encoder).train()
    e = [model.encode(sound(2.5), RATE, query="vocals") for _ in range(2)]
    assert np.array_equal(e[0], e[1]) and np.array_equal(e[0], encoder.encode(sound(2.5), RATE, query="vocals"))
    assert model.training  # as the caller had it


def test_silent_windows_are_left_out(encoder: FxEncoder) -> None:
    x = np.concatenate([sound(1.0), 1e-5 * sound(1.0), np.zeros((2, RATE), np.float32), sound(1.0, seed=1)], axis=1)
    rows, times = encoder.encode(x, RATE, pool="none", return_times=True)
    assert np.allclose(times, [[0, 1], [3, 4]])
    pooled = rows.sum(axis=0)
    assert np.allclose(encoder.encode(x, RATE), pooled / np.linalg.norm(pooled), atol=1e-5)


def test_queries_by_text(encoder: FxEncoder) -> None:
    x, y = sound(2.0), sound(2.0, seed=1)
    one = encoder.encode(x, RATE, query="drums")
    assert one.shape == (16,) and not np.allclose(one, encoder.encode(x, RATE), atol=1e-2)
    both = encoder.encode(x, RATE, query=["drums", "bass"])
    assert both.shape == (2, 16) and np.allclose(both[0], one, atol=1e-6)
    assert np.allclose(np.linalg.norm(both, axis=1), 1, atol=1e-6)
    many = encoder.encode([x, y], RATE, query=["drums", "bass", "vocals"])
    assert many.shape == (2, 3, 16) and np.allclose(many[0, 1], both[1], atol=1e-6)
    assert encoder.encode(x, RATE, query=["drums", "bass"], pool="none").shape == (2, 2, 16)
    assert encoder.encode(x, RATE, query=["drums"]).shape == (1, 16)


def test_queries_by_audio(encoder: FxEncoder, tmp_path: Path) -> None:
    x, q = sound(1.0), sound(1.0, channels=1, seed=4)
    soundfile.write(tmp_path / "q.wav", q.T, 48000, subtype="FLOAT")
    e = encoder.encode(x, RATE, query_audio=tmp_path / "q.wav")  # mono, but no warning: it is only a query
    assert np.allclose(e, encoder.encode(x, RATE, query_audio=str(tmp_path / "q.wav")))
    vector = torch.nn.functional.normalize(torch.from_numpy(q[:, :8]), dim=-1)
    assert np.allclose(e, encoder(torch.from_numpy(x)[None], vector).detach().numpy()[0], atol=1e-6)
    assert encoder.encode(x, RATE, query_audio=q[0]).shape == (16,)
    with pytest.raises(UsageError, match="not both"):
        encoder.encode(x, RATE, query="drums", query_audio=q)
    with pytest.raises(AudioMissingError):
        encoder.encode(x, RATE, query_audio=tmp_path / "none.wav")
    soundfile.write(tmp_path / "silent.wav", np.zeros((RATE, 2)), RATE)
    with pytest.raises(AudioSilentError, match=r"silent\.wav.*names no instrument"):
        encoder.encode(x, RATE, query_audio=tmp_path / "silent.wav")


def test_features(encoder: FxEncoder) -> None:
    x = sound(2.0)
    rows = encoder.features(x, RATE, pool="none")
    assert rows.shape == (2, encoder.backbone.feature_dim)
    assert np.allclose(encoder.features(x, RATE), rows.mean(axis=0), atol=1e-6)
    audio = torch.from_numpy(x[None, :, :RATE])
    with torch.no_grad():
        assert np.allclose(rows[0], encoder.backbone(encoder.frontend(audio))[0].numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (np.zeros((2, 2 * RATE), np.float32), AudioSilentError, "array: nothing in it is louder"),
        (np.zeros((2, 0), np.float32), AudioEmptyError, "no samples"),
        (np.full((2, RATE), np.nan, np.float32), AudioNotFiniteError, "NaN"),
        (np.zeros((RATE, 2), np.float32), AudioChannelsError, "array.T"),
        (np.zeros((6, RATE), np.float32), AudioChannelsError, "6 channels"),
        (np.zeros((1, 1, 2, RATE), np.float32), AudioChannelsError, "shape"),
        ([sound(1.0), np.zeros((2, RATE), np.float32)], AudioSilentError, "item 1 of the list"),
        (np.stack([sound(1.0), np.full((2, RATE), np.inf)]), AudioNotFiniteError, "item 1 of the batch"),
        ([], UsageError, "the list of recordings is empty"),
        (3, UsageError, "got int"),
        ([[0.1, 0.2]], UsageError, "item 0 of the list: expected a path, an array or a tensor, got list"),
        ("nowhere.wav", AudioMissingError, "nowhere.wav"),
    ],
)
def test_what_cannot_be_embedded(encoder: FxEncoder, x: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        encoder.encode(x, RATE)  # type: ignore[arg-type]
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sample_rate": None}, "sample_rate"),
        ({"batch_size": 0}, "batch_size"),
        ({"pool": "max"}, "pool must be"),
        ({"hop_seconds": 0.0}, "hop_seconds"),
        ({"query": []}, "the list of queries is empty"),
    ],
)
def test_impossible_arguments(encoder: FxEncoder, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        encoder.encode(sound(1.0), **{"sample_rate": RATE, **arguments})  # type: ignore[arg-type]


def test_every_window_is_brought_to_the_loudness_the_model_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    levelled = make(input_lufs=-18.0)
    heard: list[np.ndarray] = []
    inner = levelled.hear

    def spy(audio: torch.Tensor) -> torch.Tensor:
        heard.append(audio.numpy().copy())
        return inner(audio)

    monkeypatch.setattr(levelled, "hear", spy)
    loud, quiet = levelled.encode(sound(1.0), RATE), levelled.encode(0.03 * sound(1.0), RATE)
    assert [float(integrated_loudness(a[0], RATE)) for a in heard] == pytest.approx([-18.0, -18.0], abs=0.05)
    assert np.allclose(loud, quiet, atol=1e-5)
