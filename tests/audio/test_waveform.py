"""Rates, channels and windows: what comes out is what was said, whichever way it went in."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fxlens.audio import waveform
from fxlens.audio.waveform import MonoWarning, as_stereo, check, is_silent, resample, to_waveform, windows
from fxlens.errors import (
    AudioChannelsError,
    AudioDecodeError,
    AudioEmptyError,
    AudioMissingError,
    AudioNotFiniteError,
    UsageError,
)


def noise(frames: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


# ---- channels and shapes


@pytest.mark.parametrize("shape", [(500,), (1, 500)])
def test_mono_is_duplicated_with_one_warning(shape: tuple[int, ...]) -> None:
    mono = noise(500, 1).reshape(shape)
    with pytest.warns(MonoWarning, match="solo.wav: mono, duplicated") as caught:
        stereo = as_stereo(mono, "solo.wav")
    assert len(caught) == 1 and issubclass(MonoWarning, UserWarning)
    np.testing.assert_array_equal(stereo, np.stack([mono.ravel()] * 2))


def test_stereo_is_passed_through() -> None:
    stereo = noise(500)
    assert as_stereo(stereo) is stereo


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        ((6, 500), AudioChannelsError, "mix.wav: it has 6 channels; mix it down"),
        ((500, 2), AudioChannelsError, r"mix.wav: shape \(500, 2\) looks like \[time, channel\].*array.T"),
        ((500, 1), AudioChannelsError, r"looks like \[time, channel\]"),
        ((4, 2, 500), AudioChannelsError, r"shape \(4, 2, 500\).*one by one"),
        ((), AudioChannelsError, r"shape \(\) is not"),
        ((2, 0), AudioEmptyError, r"mix.wav: it has no samples \(shape \(2, 0\)\)"),
        ((0,), AudioEmptyError, "no samples"),
    ],
)
def test_wrong_shapes_are_named(shape: tuple[int, ...], error: type[Exception], message: str) -> None:
    audio = np.zeros(shape, np.float32)
    with pytest.raises(error, match=message):
        check(audio, "mix.wav")
    with pytest.raises(error, match=message):
        as_stereo(audio, "mix.wav")
    with pytest.raises(error, match=message):
        to_waveform(audio, 44100, 44100, "mix.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_is_named(value: float) -> None:
    audio = noise(100)
    audio[1, 99] = value
    with pytest.raises(AudioNotFiniteError, match="array: it has NaN or infinite samples"):
        check(audio)
    with pytest.raises(AudioNotFiniteError, match=r"x.wav"):
        to_waveform(torch.from_numpy(audio), 44100, 44100, "x.wav")


def test_silence_ends_at_one_step_of_16_bit() -> None:
    assert is_silent(np.zeros((2, 10))) and is_silent(np.zeros((2, 0)))
    assert is_silent(np.full((2, 10), -1.0 / 32768.0))
    assert not is_silent(np.full((2, 10), 2.0 / 32768.0))
    assert not is_silent(np.array([[0.0, 0.0, -1e-3]]))


# ---- sample rate


@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(48000, 44100), (44100, 48000), (96000, 44100), (22050, 44100), (192000, 8000)]
)
def test_resampling_keeps_a_tone_and_adds_nothing(from_rate: int, to_rate: int) -> None:
    seconds, hz = 2.0, 997.0
    tone = np.sin(2 * np.pi * hz * np.arange(round(seconds * from_rate)) / from_rate)
    result = resample(np.stack([tone, -tone]), from_rate, to_rate)
    assert result.shape == (2, round(seconds * to_rate)) and result.dtype == np.float64
    expected = np.sin(2 * np.pi * hz * np.arange(result.shape[1]) / to_rate)
    middle = slice(to_rate // 4, -to_rate // 4)  # the edges ring, as edges do
    assert np.abs(result[0] - expected)[middle].max() < 1e-4  # -80 dB: level, delay and images together
    np.testing.assert_array_equal(result[1], -result[0])


def test_resampling_down_kills_what_lies_above() -> None:
    tone = np.sin(2 * np.pi * 15000.0 * np.arange(44100) / 44100)[None]
    assert np.abs(resample(tone, 44100, 22050)[:, 2000:-2000]).max() < 1e-4


def test_equal_rates_change_nothing() -> None:
    audio = noise(1000)
    assert resample(audio, 44100, 44100) is audio
    assert resample(audio, 44100, 48000).dtype == np.float32


@pytest.mark.parametrize("rate", [0, -1, 999, 768001, math.nan, math.inf, True, None, "44100"])
def test_impossible_rates_are_named(rate: object) -> None:
    with pytest.raises(UsageError, match="to_rate must be from 1000 to 768000 Hz"):
        resample(noise(100), 44100, rate)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="target_rate must be"):
        windows(noise(100), rate, sample_rate=44100)  # type: ignore[arg-type]


# ---- whatever a caller has


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint8, np.uint16])
def test_integers_are_scaled_by_their_full_scale(dtype: type) -> None:
    limits = np.iinfo(dtype)
    middle = 0 if limits.min < 0 else (limits.max + 1) // 2
    audio = np.array([[limits.min, middle, limits.max]] * 2, dtype)
    full = 2.0 ** (limits.bits - 1)
    result = to_waveform(audio, 44100, 44100)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0], [-1.0, 0.0, (full - 1) / full], atol=1e-7)
    if dtype in (np.int8, np.int16, np.int32, np.uint8):
        np.testing.assert_array_equal(to_waveform(torch.from_numpy(audio), 44100, 44100), result)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_are_taken(dtype: torch.dtype) -> None:
    tensor = torch.linspace(-1, 1, 64, dtype=dtype).repeat(2, 1).requires_grad_()
    result = to_waveform(tensor, 44100, 44100)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, tensor.detach().float().numpy())


@pytest.mark.parametrize("array", [np.zeros((2, 9), np.int64), np.zeros((2, 9), complex), np.zeros((2, 9), bool)])
def test_other_types_are_refused(array: np.ndarray) -> None:
    with pytest.raises(UsageError, match=f"samples of type {array.dtype} are not audio"):
        to_waveform(array, 44100, 44100)


def test_float64_beyond_float32_is_not_finite() -> None:
    with pytest.raises(AudioNotFiniteError):
        to_waveform(np.full((2, 9), 1e300), 44100, 44100)


def test_an_array_needs_its_rate() -> None:
    with pytest.raises(UsageError, match="does not know its sample rate; pass sample_rate="):
        to_waveform(noise(100), None, 44100)
    with pytest.raises(UsageError, match="pass sample_rate="):
        windows(noise(100), 44100)


def test_too_short_to_survive_resampling() -> None:
    with pytest.raises(AudioEmptyError, match="nothing is left of it at 44100 Hz"):
        to_waveform(noise(1), 192000, 44100)
    with pytest.raises(AudioEmptyError, match="nothing is left of it at 44100 Hz"):
        list(windows(noise(1), 44100, sample_rate=192000))


def test_a_file_is_the_array_in_it(tmp_path: Path) -> None:
    audio = noise(48000)
    soundfile.write(tmp_path / "a.wav", audio.T, 48000, subtype="FLOAT")
    expected = to_waveform(audio, 48000, 44100)
    np.testing.assert_array_equal(to_waveform(tmp_path / "a.wav", None, 44100), expected)
    np.testing.assert_array_equal(to_waveform(str(tmp_path / "a.wav"), 8000, 44100), expected)
    with pytest.raises(AudioMissingError, match="there is no such file"):
        to_waveform(tmp_path / "b.wav", None, 44100)


def test_files_of_odd_shape_are_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "surround.wav", noise(1000, 6).T, 48000)
    soundfile.write(tmp_path / "slow.wav", noise(1000).T, 500)
    for take in (lambda p: to_waveform(p, None, 44100), lambda p: list(windows(p, 44100))):
        with pytest.raises(AudioChannelsError, match=r"surround.wav: it has 6 channels"):
            take(tmp_path / "surround.wav")
        with pytest.raises(AudioDecodeError, match=r"slow.wav: the sample rate must be from 1000.*not 500"):
            take(tmp_path / "slow.wav")


# ---- windows


@pytest.mark.parametrize(
    ("total", "length", "hop", "spans"),
    [
        (30, 10, None, [(0, 10), (10, 20), (20, 30)]),
        (35, 10, None, [(0, 10), (10, 20), (20, 30), (25, 35)]),
        (31, 10, None, [(0, 10), (10, 20), (20, 30), (21, 31)]),
        (30.9, 10, None, [(0, 10), (10, 20), (20, 30)]),
        (20, 10, 5, [(0, 10), (5, 15), (10, 20)]),
        (22, 10, 5, [(0, 10), (5, 15), (10, 20), (12, 22)]),
        (20.4, 10, 5, [(0, 10), (5, 15), (10, 20)]),
        (40, 10, 15, [(0, 10), (15, 25), (30, 40)]),
        (38, 10, 15, [(0, 10), (15, 25), (28, 38)]),
        (26, 10, 15, [(0, 10), (15, 25)]),
        (10, 10, None, [(0, 10)]),
        (9.5, 10, None, [(0, 9.5)]),
        (0.01, 10, 1, [(0, 0.01)]),
    ],
)
def test_the_rule(total: float, length: float, hop: float | None, spans: list[tuple[float, float]]) -> None:
    audio = noise(round(total * 1000))
    found = list(windows(audio, 1000, length, hop, sample_rate=1000))
    assert len(found) == len(spans)
    np.testing.assert_allclose([(w.start_seconds, w.end_seconds) for w in found], spans, atol=1e-9)
    for w in found:
        piece = audio[:, round(w.start_seconds * 1000) : round(w.end_seconds * 1000)]
        np.testing.assert_array_equal(w.audio, piece)
        assert w.audio.dtype == np.float32 and w.audio.base is None


@settings(max_examples=60, deadline=None)
@given(
    total=st.integers(1, 4000),
    length=st.integers(1, 1500),
    hop=st.integers(1, 2000),
    block=st.integers(1, 3000),
)
def test_windows_do_not_depend_on_blocks(total: int, length: int, hop: int, block: int) -> None:
    audio = noise(total)
    whole = list(windows(audio, 1000, length / 1000, hop / 1000, sample_rate=1000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waveform, "_BLOCK_SECONDS", block / 1000)
        pieces = list(windows(audio, 1000, length / 1000, hop / 1000, sample_rate=1000))
    assert [w.start_seconds for w in whole] == [w.start_seconds for w in pieces]
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(a.audio, b.audio)
        start = round(a.start_seconds * 1000)
        np.testing.assert_array_equal(a.audio, audio[:, start : start + a.audio.shape[1]])
    assert whole[0].start_seconds == 0
    if total >= length:
        assert all(w.audio.shape[1] == length for w in whole)
        if hop <= length:  # nothing but a short tail is left out
            assert total - round(whole[-1].end_seconds * 1000) < max(1, 0.1 * hop)


@pytest.mark.parametrize("rate", [44100, 48000, 22050, 96000])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_streaming_a_file_equals_cutting_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, noise(round(4.3 * rate)).T, rate)
    whole = to_waveform(path, None, 44100)
    monkeypatch.setattr(waveform, "_BLOCK_SECONDS", 0.37)
    found = list(windows(path, 44100, 1.0, 0.5))
    assert [w.start_seconds for w in found] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.3], abs=1e-4)
    for w in found:
        start = round(w.start_seconds * 44100)
        np.testing.assert_allclose(w.audio, whole[:, start : start + 44100], atol=1e-6)
    array, array_rate = waveform.io.read(path)
    for w, v in zip(found, windows(array, 44100, 1.0, 0.5, sample_rate=array_rate), strict=True):
        np.testing.assert_allclose(w.audio, v.audio, atol=1e-6)


def test_a_mono_file_warns_once_for_all_its_windows(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "m.wav", noise(5 * 44100, 1).T, 44100)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = list(windows(tmp_path / "m.wav", 48000, 1.0))
    assert len(found) == 5
    assert [c.category for c in caught] == [MonoWarning]
    assert caught[0].filename == __file__
    for w in found:
        assert w.audio.shape == (2, 48000)
        np.testing.assert_array_equal(w.audio[0], w.audio[1])


def test_silence_is_not_skipped() -> None:
    assert len(list(windows(np.zeros((2, 3000), np.float32), 1000, 1.0, sample_rate=1000))) == 3


@pytest.mark.parametrize(("length", "hop"), [(0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, 0.0), (1e-9, 1.0)])
def test_impossible_windows_are_named(length: float, hop: float) -> None:
    with pytest.raises(UsageError, match=r"(window|hop)_seconds must be a positive time"):
        windows(noise(100), 44100, length, hop, sample_rate=44100)


def test_a_file_that_breaks_off_gives_its_windows_then_the_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, noise(30 * 44100).T, 44100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    iterator = windows(path, 44100, 5.0)
    with pytest.raises(AudioDecodeError, match=r"cut.flac: breaks off after 1\d\.\d of 30.0 seconds"):
        for index, w in enumerate(iterator):
            assert w.start_seconds == 5.0 * index
    assert index >= 1


@pytest.mark.slow
def test_three_hours_in_constant_memory(tmp_path: Path) -> None:
    import psutil

    # Almost three hours of 8-bit stereo as a sparse file: zeros, which are full-scale negative samples.
    path, frames, rate = tmp_path / "long.wav", 3 * 3600 * 44100, 44100
    soundfile.write(path, np.zeros((2, 2)), rate, subtype="PCM_U8")
    header = bytearray(path.read_bytes()[:44])
    assert header[36:40] == b"data"
    header[4:8] = (36 + 2 * frames).to_bytes(4, "little")
    header[40:44] = (2 * frames).to_bytes(4, "little")
    with path.open("wb") as file:
        file.write(header)
        file.truncate(44 + 2 * frames)
    process = psutil.Process()
    count, start, largest = 0, 0, 0
    for w in windows(path, 22050):
        count += 1
        assert w.audio.shape == (2, 220500)
        if count == 10:
            start = process.memory_info().rss
        if count > 10:
            largest = max(largest, process.memory_info().rss)
    assert count == 1080
    assert largest - start < 50e6  # all of it would be 1.9 GB
