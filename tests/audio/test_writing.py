"""Files out: whole or not at all, and clipping is told."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from audio_files import RATE, music

from fxlens.audio.io import ClippingWarning, read, write
from fxlens.errors import (
    AudioChannelsError,
    AudioEmptyError,
    AudioNotFiniteError,
    OutputError,
    UsageError,
)


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "PCM_16"), ("a.wav", "PCM_24"), ("a.flac", None)])
def test_clipping_is_never_silent(tmp_path: Path, name: str, subtype: str | None) -> None:
    audio = 3.0 * music(0.5)
    with pytest.warns(ClippingWarning, match=r"a\.\w+: peaks of \+1\.\d dBFS were limited") as caught:
        write(tmp_path / name, audio, RATE, subtype)
    assert caught[0].filename == __file__
    np.testing.assert_allclose(read(tmp_path / name)[0], np.clip(audio, -1, 1), atol=1e-4)


def test_float_keeps_peaks(tmp_path: Path) -> None:
    audio = 3.0 * music(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(tmp_path / "a.wav", audio, RATE)
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[0], audio)


def test_one_dimension_is_mono(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", music(0.1)[0], RATE)
    assert read(tmp_path / "a.wav")[0].shape == (1, 4410)


@pytest.mark.parametrize(
    ("name", "audio", "subtype", "error", "message"),
    [
        ("a.m4a", music(0.1), None, UsageError, "cannot write .m4a; use .wav, .flac"),
        ("a", music(0.1), None, UsageError, "cannot write a file without suffix"),
        ("a.flac", music(0.1), "FLOAT", UsageError, "FLAC has no subtype FLOAT; it has .*PCM_24"),
        ("a.wav", music(0.1).T, None, AudioChannelsError, r"\(4410, 2\).*pass array.T"),
        ("a.wav", music(0.1)[None], None, AudioChannelsError, r"pass \[channel, time\]"),
        ("a.wav", np.zeros((2, 0)), None, AudioEmptyError, "no samples to write"),
        ("a.wav", music(0.1) * np.nan, None, AudioNotFiniteError, "NaN or infinite"),
        ("a.wav", np.zeros((2, 9), np.int16), None, UsageError, "samples of type int16"),
        ("a.mp3", music(0.1, 3), None, OutputError, "cannot be written as MP3.*3 channels.*try .wav"),
    ],
)
def test_what_cannot_be_written_is_named(
    tmp_path: Path, name: str, audio: np.ndarray, subtype: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        write(tmp_path / name, audio, RATE, subtype)
    assert str(tmp_path / name) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_take_it(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"x.wav: cannot be written, the folder .*no does not exist; create it"):
        write(tmp_path / "no" / "x.wav", music(0.1), RATE)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is not a folder"):
        write(tmp_path / "file" / "x.wav", music(0.1), RATE)
    (tmp_path / "x.wav").mkdir()
    with pytest.raises(OutputError, match="there is a folder of that name"):
        write(tmp_path / "x.wav", music(0.1), RATE)


def test_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*args: object, **kwargs: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("fxlens.audio.block_writer.os.open", deny)
    monkeypatch.setattr("fxlens.audio.block_writer.os.access", lambda *a: False)
    message = r"x.wav: cannot be written \(Read-only file system\); the folder .* is read-only: choose another"
    with pytest.raises(OutputError, match=message):
        write(tmp_path / "x.wav", music(0.1), RATE)


def test_failing_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = music(0.2)
    write(tmp_path / "x.wav", old, RATE)

    def fail(*args: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("fxlens.audio.block_writer.os.replace", fail)
        with pytest.raises(OutputError, match=r"\(Input/output error\); check permissions and free space"):
            write(tmp_path / "x.wav", music(0.1), RATE)

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fxlens.audio.block_writer.BlockWriter._complete", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "x.wav", music(0.1), RATE)
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]
    np.testing.assert_array_equal(read(tmp_path / "x.wav")[0], old)


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.ogg", "x.mp3"])
def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    resource = pytest.importorskip("resource")
    audio = 0.2 * np.random.default_rng(0).standard_normal((2, 6 * RATE))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("fxlens.audio.block_writer.shutil.disk_usage", lambda p: usage._replace(free=20_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # writing really fails, as on a full disk
    try:
        with pytest.raises(OutputError, match=rf"{name}: cannot be written.*the disk is full: .* are needed"):
            write(tmp_path / name, audio, RATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_new_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write(tmp_path / "x.wav", music(0.1), RATE)
    assert (tmp_path / "x.wav").stat().st_mode == (tmp_path / "plain").stat().st_mode
