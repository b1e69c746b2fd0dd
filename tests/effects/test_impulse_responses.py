"""Convolution against SciPy, and recorded rooms as people have them: other rates, mono, late, loud."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import fftconvolve

from fxlens.effects.impulse_responses import (
    LONGEST_SECONDS,
    convolve,
    pink_energy,
    prepare_response,
)
from fxlens.effects.recorded_rooms import load_folder
from fxlens.errors import AudioChannelsError, AudioError, AudioSilentError, DataError


def room(rate: int, seconds: float = 0.5, channels: int = 2, lead: int = 0, seed: int = 0) -> np.ndarray:
    """A decaying noise with a direct sound, after ``lead`` samples of near-silence: ``[C, N]``."""
    rng = np.random.default_rng(seed)
    length = int(seconds * rate)
    tail = 0.1 * rng.standard_normal((channels, length)) * np.exp(-8.0 * np.arange(length) / length)
    tail[:, 0] = 0.8
    return np.concatenate([1e-4 * rng.standard_normal((channels, lead)), tail], axis=1)


@pytest.mark.parametrize("taps", [1, 100, 5_000])
@pytest.mark.parametrize(("dtype", "budget"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_convolve_is_convolution(taps: int, dtype: type, budget: float) -> None:
    rng = np.random.default_rng(0)
    audio = rng.standard_normal((2, 3_000)).astype(dtype)
    response = rng.standard_normal((2, taps)) / np.sqrt(taps)
    expected = 0.3 * audio + 0.7 * fftconvolve(audio.astype(np.float64), response, axes=-1)[:, :3_000]
    out = convolve(audio, response, 0.7)
    assert out.dtype == dtype and out.shape == audio.shape
    np.testing.assert_allclose(out, expected, atol=budget * 3)


def test_convolve_shapes_and_edges() -> None:
    audio = np.random.default_rng(0).standard_normal((2, 500))
    response = np.random.default_rng(1).standard_normal(50)
    np.testing.assert_allclose(convolve(audio, response, 0.5), convolve(audio, response[None], 0.5))
    mono = convolve(audio[:1], response, 0.5)
    np.testing.assert_allclose(mono[0], convolve(audio, response, 0.5)[0], atol=1e-13)
    np.testing.assert_array_equal(convolve(audio, response, 0.0), audio)
    assert convolve(audio[:, :1], response, 0.5).shape == (2, 1)
    assert not convolve(np.zeros((2, 500)), response, 0.5).any()


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
def test_recorded_rooms_are_made_ready(tmp_path: Path, rate: int) -> None:
    (tmp_path / "halls").mkdir()
    soundfile.write(tmp_path / "halls" / "late.wav", room(rate, lead=rate // 20).T, rate, subtype="FLOAT")
    soundfile.write(tmp_path / "mono.flac", 0.01 * room(rate, channels=1)[0], rate)
    (tmp_path / "readme.txt").write_text("not audio")
    rooms = load_folder(tmp_path)
    assert rooms.names == ("halls/late.wav", "mono.flac") and len(rooms) == 2

    late = rooms.response("halls/late.wav", 48_000)
    assert np.abs(late).max(axis=0).argmax() < 48  # the direct sound comes first, within 1 ms
    assert late.shape == (2, pytest.approx(24_000, abs=50))
    mono = rooms.response("mono.flac", 48_000)
    np.testing.assert_array_equal(mono[0], mono[1])
    for response in (late, mono):
        assert pink_energy(response, 48_000).mean() == pytest.approx(1.0)


def test_recorded_room_sounds_the_same_at_every_rate() -> None:
    recorded = room(48_000, 0.4)
    spectra = []
    for rate in (24_000, 48_000, 96_000):
        prepared = prepare_response(recorded, 48_000, rate, "test")
        spectra.append(np.abs(np.fft.rfft(prepared, rate)[:, 40:8_000]))
    for spectrum in spectra[::2]:
        assert np.linalg.norm(spectrum - spectra[1]) / np.linalg.norm(spectra[1]) < 0.03


def test_balance_between_channels_stays() -> None:
    recorded = room(48_000) * np.array([[1.0], [0.25]])
    prepared = prepare_response(recorded, 48_000, 48_000, "test")
    ratio = np.linalg.norm(prepared[0]) / np.linalg.norm(prepared[1])
    assert ratio == pytest.approx(np.linalg.norm(recorded[0]) / np.linalg.norm(recorded[1]), rel=1e-9)


def test_long_recordings_are_faded_out() -> None:
    prepared = prepare_response(room(8_000, 9.0), 8_000, 8_000, "test")
    assert prepared.shape[1] == round(LONGEST_SECONDS * 8_000)
    assert abs(prepared[:, -1]).max() == pytest.approx(0.0, abs=1e-6)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no impulse responses"):
        load_folder(tmp_path)
    soundfile.write(tmp_path / "silent.wav", np.zeros((100, 2)), 44_100)
    soundfile.write(tmp_path / "four.wav", 0.1 * np.ones((100, 4)), 44_100)
    (tmp_path / "broken.wav").write_bytes(b"RIFF....not really")
    rooms = load_folder(tmp_path)
    with pytest.raises(AudioSilentError, match=r"silent\.wav"):
        rooms.response("silent.wav", 44_100)
    with pytest.raises(AudioChannelsError, match=r"four\.wav"):
        rooms.response("four.wav", 44_100)
    with pytest.raises(AudioError, match=r"broken\.wav"):
        rooms.response("broken.wav", 44_100)
    with pytest.raises(DataError, match=r"no impulse response 'absent\.wav'"):
        rooms.response("absent.wav", 44_100)
    with pytest.raises(AudioSilentError, match="40 Hz to 10 kHz"):
        prepare_response(np.zeros((1, 1_000)) + np.eye(1, 1_000) * 0.0 + 1e-300, 44_100, 44_100, "faint")
