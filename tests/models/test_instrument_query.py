"""The rules that hold for every query encoder, and the windows both of them hear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fxlens.errors import (
    AudioChannelsError,
    AudioEmptyError,
    AudioNotFiniteError,
    AudioSilentError,
    ModelUnavailableError,
    UsageError,
)
from fxlens.models.instrument_query import checked_texts, content_id, load_query_encoder, query_windows

RATE = 8000


def tone(seconds: float, hz: float = 440.0, rate: int = RATE) -> torch.Tensor:
    t = torch.arange(round(seconds * rate)) / rate
    return 0.3 * torch.sin(2 * torch.pi * hz * t).expand(2, -1)[None].clone()


def test_windows_cover_evenly() -> None:
    ramp = torch.linspace(0.1, 1.0, 25 * RATE).expand(2, -1)[None]
    (windows,) = query_windows(ramp, RATE, RATE, 10.0)
    assert windows.shape == (3, 10 * RATE)
    assert torch.equal(windows[0], ramp[0, 0, : 10 * RATE])
    assert torch.equal(windows[-1], ramp[0, 0, -10 * RATE :])
    middle = torch.searchsorted(ramp[0, 0].contiguous(), windows[1][0])
    assert abs(int(middle) - 7.5 * RATE) <= 1


def test_short_audio_is_one_short_window() -> None:
    (windows,) = query_windows(tone(0.5), RATE, RATE, 10.0)
    assert windows.shape == (1, RATE // 2)


def test_quiet_windows_are_left_out() -> None:
    audio = torch.cat([tone(10), 1e-4 * tone(10), tone(10)], dim=-1)  # -80 dB
    (windows,) = query_windows(audio, RATE, RATE, 10.0)
    assert len(windows) == 2
    audio[..., 10 * RATE : 20 * RATE] = 0.1 * tone(10)  # -20 dB counts
    assert len(query_windows(audio, RATE, RATE, 10.0)[0]) == 3


def test_resampling_keeps_the_pitch() -> None:
    (windows,) = query_windows(tone(2.0, 440.0, 44100), 44100, 16000, 10.0)
    assert windows.shape == (1, 32000)
    peak_hz = int(np.abs(np.fft.rfft(windows[0].numpy())).argmax()) * 16000 / 32000
    assert peak_hz == pytest.approx(440.0, abs=0.5)


def test_sound_out_of_phase_is_still_heard() -> None:
    audio = tone(1.0)
    audio[:, 1] *= -1.0
    (windows,) = query_windows(audio, RATE, RATE, 10.0)
    assert torch.equal(windows[0], audio[0, 0])


@pytest.mark.parametrize(
    ("audio", "error"),
    [
        (torch.zeros(1, 3, 100), AudioChannelsError),
        (torch.zeros(2, 100), AudioChannelsError),
        (torch.zeros(1, 2, 0), AudioEmptyError),
        (torch.full((1, 2, 100), float("nan")), AudioNotFiniteError),
        (torch.zeros(1, 2, RATE), AudioSilentError),
    ],
)
def test_bad_audio_is_named(audio: torch.Tensor, error: type[Exception]) -> None:
    with pytest.raises(error):
        query_windows(audio, RATE, RATE, 10.0)


def test_bad_texts_are_named() -> None:
    assert checked_texts([" vox "]) == ["vox"]
    with pytest.raises(UsageError, match="brackets"):
        checked_texts("vocals")
    with pytest.raises(UsageError, match="empty"):
        checked_texts(["vocals", " "])


def test_content_id_follows_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    first = content_id("name", [file])
    assert first == content_id("name", [file]) and first.startswith("name-")
    file.write_bytes(b"two")
    assert content_id("name", [file]) != first


def test_unknown_spec_and_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'offline', 'clap'"):
        load_query_encoder("whisper")
    with pytest.raises(ModelUnavailableError, match=r"config\.json"):
        load_query_encoder(f"offline:{tmp_path}")
    with pytest.raises(ModelUnavailableError, match=r"model\.safetensors"):
        load_query_encoder(f"clap:{tmp_path / 'nowhere'}")
