"""Every way not to be audio is named, with the file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_files import RATE, music, refused

from fxlens.audio import io
from fxlens.audio.io import blocks, read, write
from fxlens.errors import (
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
    AudioMissingError,
    AudioNotFiniteError,
    UsageError,
)


def test_missing_and_empty(tmp_path: Path) -> None:
    refused(tmp_path / "no.wav", AudioMissingError, "there is no such file; check the path")
    refused(tmp_path / "no" / "no.m4a", AudioMissingError, "there is no such file")
    refused(tmp_path, AudioMissingError, "it is a folder")
    refused(Path("a\0b.wav"), AudioMissingError, "it cannot be opened")
    (tmp_path / "zero.wav").touch()
    (tmp_path / "zero.m4a").touch()
    refused(tmp_path / "zero.wav", AudioEmptyError, r"the file is empty \(0 bytes\)")
    refused(tmp_path / "zero.m4a", AudioEmptyError, r"the file is empty \(0 bytes\)")
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), RATE)
    refused(tmp_path / "none.wav", AudioEmptyError, "there are no samples")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    refused(tmp_path / "pipe.wav", AudioMissingError, "not a regular file")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.wav", music(0.1), RATE)

    def deny(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)  # the superuser ignores the permissions of a file
    refused(tmp_path / "a.wav", AudioMissingError, r"it cannot be opened \(Permission denied\)")


@pytest.mark.parametrize("name", ["text.wav", "text.mp3", "text.flac", "text.ogg", "text.m4a", "text.raw", "text"])
def test_text_is_not_audio(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("not a sound at all\n" * 40)
    refused(
        tmp_path / name,
        AudioDecodeError,
        "it is not audio that can be decoded here.*export it as wav or flac",
    )
    with pytest.raises(AudioDecodeError) as caught:
        read(tmp_path / name)
    assert "does not exist" not in str(caught.value)  # which is what libsndfile says of text.mp3
    assert capfd.readouterr().err == ""


def test_times_are_checked(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", music(1.0), RATE)
    with pytest.raises(AudioEmptyError, match=r"nothing from 1.000 seconds on \(it is 1.000 seconds long\)"):
        read(tmp_path / "a.wav", 1.0)
    for arguments in ((-0.1, None), (float("nan"), None), (0.0, 0.0), (0.0, -1.0), (0.0, float("inf"))):
        with pytest.raises(UsageError, match=r"(start|duration)_seconds must be"):
            read(tmp_path / "a.wav", *arguments)
    with pytest.raises(UsageError, match="block_seconds"):
        blocks(tmp_path / "a.wav", 0.0)
    with pytest.raises(AudioDecodeError, match="one audio stream, there is no stream 3"):
        read(tmp_path / "a.wav", stream=3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(tmp_path: Path, value: float) -> None:
    audio = music(2.0)
    audio[1, RATE] = value
    soundfile.write(tmp_path / "a.wav", audio.T, RATE, subtype="FLOAT")
    with pytest.raises(AudioNotFiniteError, match=r"a.wav: it has NaN or infinite samples, the first at 1.000 s"):
        read(tmp_path / "a.wav")
    with pytest.raises(AudioNotFiniteError, match=r"the first at 1.000 seconds"):
        list(blocks(tmp_path / "a.wav", 0.3, 0.2))
    assert read(tmp_path / "a.wav", 0.0, 0.9)[0].shape[1] == round(0.9 * RATE)


def test_errors_know_their_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError) as caught:
        io.read(tmp_path / "no.wav")
    assert caught.value.source == str(tmp_path / "no.wav")
    assert caught.value.problem.startswith("there is no such file")
