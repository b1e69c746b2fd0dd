"""Files that end before they should say where; decoders make no noise of their own."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_files import RATE, cut, error_db, music, refused

from fxlens.audio.io import blocks, probe, read, write
from fxlens.audio.quiet import without_decoder_notes
from fxlens.errors import (
    AudioDecodeError,
    AudioEmptyError,
)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.w64", "a.rf64", "a.flac", "a.mp3"])
def test_cut_files_say_where(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    steady = np.tile(np.random.default_rng(0).standard_normal((RATE, 2)) * 0.1, (4, 1))
    soundfile.write(tmp_path / name, steady, RATE)
    path = cut(tmp_path / name, 0.5)
    message = r"breaks off after (1\.9|2\.0|2\.1) of 4\.0 seconds.*; copy or export it again"
    for take in (read, lambda p: list(blocks(p, 0.7)), lambda p: read(p, 1.5, 2.0), lambda p: read(p, 3.5)):
        with pytest.raises(AudioDecodeError, match=message) as caught:
            take(path)
        assert str(caught.value).startswith(f"{path}: ")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("name", "share"), [("a.ogg", 0.3), ("a.ogg", 0.9), ("a.opus", 0.6)])
def test_cut_ogg_is_noticed(tmp_path: Path, name: str, share: float) -> None:
    write(tmp_path / name, music(10.0, rate=48000), 48000)
    refused(cut(tmp_path / name, share), AudioDecodeError, r"breaks off after \d\.\d seconds \(the last Ogg page")


def test_a_cut_of_one_byte_is_forgiven(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", music(1.0), RATE, "PCM_16")
    path = tmp_path / "a.wav"
    path.write_bytes(path.read_bytes()[:-1])
    assert read(path)[0].shape == (2, RATE - 1)


def test_headers_without_a_length(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    audio = music(2.0)
    # Writers into a pipe cannot go back: the sizes in a wav stay at their largest, those in a flac at zero.
    for promised in (0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_FF00):
        write(tmp_path / "pipe.wav", audio, RATE, "PCM_16")
        data = bytearray((tmp_path / "pipe.wav").read_bytes())
        at = data.index(b"data") + 4
        data[4:8] = data[at : at + 4] = promised.to_bytes(4, "little")
        (tmp_path / "pipe.wav").write_bytes(data)
        assert read(tmp_path / "pipe.wav")[0].shape == audio.shape

    write(tmp_path / "pipe.flac", audio, RATE)
    whole, _ = read(tmp_path / "pipe.flac")
    data = bytearray((tmp_path / "pipe.flac").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    (tmp_path / "pipe.flac").write_bytes(data)
    np.testing.assert_array_equal(read(tmp_path / "pipe.flac")[0], whole)
    np.testing.assert_array_equal(np.concatenate(list(blocks(tmp_path / "pipe.flac", 0.3)), 1), whole)
    np.testing.assert_array_equal(read(tmp_path / "pipe.flac", 1.5, 9.0)[0], whole[:, round(1.5 * RATE) :])
    assert probe(tmp_path / "pipe.flac").frames == audio.shape[1]
    with pytest.raises(AudioEmptyError, match=r"nothing from 5.000 seconds on"):
        read(tmp_path / "pipe.flac", 5.0)


@pytest.mark.parametrize(
    ("rate", "channels", "first", "last"),
    [(44100, 2, 0.0, 0.2), (44100, 1, 0.2, 0.0), (22050, 2, 0.0, 0.2), (8000, 1, 0.2, 0.0)],
)
def test_mp3_without_a_length(
    tmp_path: Path, rate: int, channels: int, first: float, last: float, capfd: pytest.CaptureFixture[str]
) -> None:
    # A variable bit rate: what libsndfile guesses from the size of the file is half or four times the length.
    frames = 5 * rate
    audio = np.random.default_rng(0).standard_normal((frames, channels)) * np.linspace(first, last, frames)[:, None]
    soundfile.write(tmp_path / "told.mp3", audio, rate)
    told, _ = read(tmp_path / "told.mp3")
    data = (tmp_path / "told.mp3").read_bytes()
    begin = data.index(data[:2], 4)
    id3 = b"ID3\4\0\0" + bytes((0, 0, 1, 2)) + bytes(130)
    (tmp_path / "bare.mp3").write_bytes(id3 + data[begin:] + b"TAG".ljust(128))

    bare, bare_rate = read(tmp_path / "bare.mp3")
    assert bare_rate == rate and told.shape == (channels, frames)
    delay = bare.shape[1] - frames  # nothing tells the encoder's delay and padding
    assert 0 < delay < 3 * 1152
    part = told[:, rate : rate + 2000]
    assert min(error_db(bare[:, rate + d : rate + d + 2000], part) for d in range(min(delay, 1200))) < -60.0
    assert probe(tmp_path / "bare.mp3").frames == bare.shape[1]
    assert abs(probe(tmp_path / "bare.mp3", exact=False).frames - bare.shape[1]) <= 1152
    part, _ = read(tmp_path / "bare.mp3", 3.0, 0.5)
    np.testing.assert_allclose(part, bare[:, 3 * rate : round(3.5 * rate)], atol=1e-6)
    assert capfd.readouterr().err == ""


def test_damaged_mp3_makes_no_noise(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.mp3", music(4.0).T, RATE)
    rng = np.random.default_rng(0)
    data = bytearray((tmp_path / "a.mp3").read_bytes())
    for at in range(len(data) // 4, len(data) // 2, 37):
        data[at] = rng.integers(256)
    (tmp_path / "a.mp3").write_bytes(data)
    try:
        read(tmp_path / "a.mp3")
    except AudioDecodeError as error:
        assert "breaks off after" in str(error)
    assert capfd.readouterr().err == ""


def test_other_words_on_stderr_are_late_but_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    def say(text: bytes) -> None:
        with without_decoder_notes():
            os.write(2, text)

    threads = [threading.Thread(target=say, args=(b"worker %d\n" % i,)) for i in range(8)]
    with without_decoder_notes():
        os.write(2, b"Note: Trying to resync...\n[src/libmpg123/layer3.c] error: x\nmine\n")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    os.write(2, b"after\n")
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines[:-1]) == ["mine", *(f"worker {i}" for i in range(8))] and lines[-1] == "after"
