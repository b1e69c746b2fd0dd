"""What needs PyAV: m4a, mp4 and their relatives, with several streams."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from audio_files import RATE, cut, encode, error_db, music, refused

from fxlens.audio.io import blocks, probe, read
from fxlens.errors import (
    AudioDecodeError,
)


@pytest.mark.parametrize(("name", "codec", "rate"), [("a.m4a", "aac", 44100), ("a.webm", "libopus", 48000)])
@pytest.mark.parametrize("channels", [1, 2])
def test_media_round_trip(tmp_path: Path, name: str, codec: str, rate: int, channels: int) -> None:
    audio = music(3.0, channels, rate)
    path = encode(tmp_path / name, codec, audio, rate)
    result, read_rate = read(path)
    assert read_rate == rate and result.dtype == np.float32
    assert result.shape == audio.shape
    assert error_db(result, audio) < -12.0
    info = probe(path)
    assert (info.channels, info.frames, info.streams) == (channels, audio.shape[1], 1)
    assert info.subtype == codec.removeprefix("lib")
    np.testing.assert_array_equal(np.concatenate(list(blocks(path, 0.33)), 1), result)
    assert {p.shape[1] for p in list(blocks(path, 0.25))[:-1]} == {rate // 4}
    for start in (0.7, 1.9, 2.8):
        part, _ = read(path, start, 0.5)
        begin = round(start * rate)
        assert error_db(part, result[:, begin : begin + rate // 2]) < -40.0  # AAC may fill in noise anew


def test_aac_without_a_container(tmp_path: Path) -> None:
    audio = music(3.0)
    path = encode(tmp_path / "a.aac", "aac", audio, RATE)
    result, _ = read(path)
    assert 0 <= result.shape[1] - audio.shape[1] < 3 * 1024  # nothing tells the encoder's delay
    assert probe(path).frames == result.shape[1]


def test_streams_of_a_stem_file(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.stem.mp4", "aac", music(1.0), RATE, streams=5)
    assert probe(path).streams == 5
    first, _ = read(path)
    for index in range(5):
        assert error_db(read(path, stream=index)[0], first / (index + 1)) < -10.0
    with pytest.raises(AudioDecodeError, match="it has 5 audio streams, there is no stream 5"):
        read(path, stream=5)


def test_contents_count_not_the_name(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", "aac", music(1.0), RATE)
    shutil.copy(path, tmp_path / "a.wav")
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[0], read(path)[0])


def test_cut_media(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    audio = music(4.0, rate=48000)
    back = cut(encode(tmp_path / "back.m4a", "aac", audio, 48000), 0.5)  # its table of contents is at the end
    refused(back, AudioDecodeError, "it is damaged .*copy it again")
    front = cut(encode(tmp_path / "front.m4a", "aac", audio, 48000, movflags="faststart"), 0.5)
    webm = cut(encode(tmp_path / "a.webm", "libopus", audio, 48000), 0.5)
    for path in (front, webm):
        for take in (read, lambda p: list(blocks(p)), lambda p: read(p, 3.5)):
            with pytest.raises(AudioDecodeError, match=r"breaks off after [1-2]\.\d of 4\.0 seconds.*again"):
                take(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("name", "what"), [("song.m4a", "AAC"), ("song.webm", "WebM audio"), ("song.wav", "AAC")])
def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str) -> None:
    (tmp_path / name).write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    monkeypatch.setitem(sys.modules, "av", None)
    refused(
        tmp_path / name,
        AudioDecodeError,
        rf"{name}: this installation cannot decode {what}\. pip install 'fxlens\[media\]'$",
    )


def test_importing_does_not_import_pyav() -> None:
    import subprocess

    code = "import sys, fxlens.audio.io; print('av' in sys.modules, 'torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]
