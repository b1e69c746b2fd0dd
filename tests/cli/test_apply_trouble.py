"""``fxlens apply`` when something is in the way: interruption, full disks, damaged and long files."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from apply_calls import CHAIN, RATE, call, names, sound, write

from fxlens.audio import io
from fxlens.audio.io import BlockWriter
from fxlens.effects.streaming_file import BLOCK_FRAMES, render_file
from fxlens.errors import AudioDecodeError


def test_interruption_leaves_nothing_half_written(
    tmp_path: Path, chain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    songs, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.wav", "b.wav"):
        write(songs / name, sound(4.0 * BLOCK_FRAMES / RATE))
    old = write(out / "b.wav").read_bytes()
    genuine, calls = BlockWriter.write, []

    def interrupt(writer: BlockWriter, block: np.ndarray) -> None:
        calls.append(block.shape)
        if len(calls) == 8:  # the second file, in its middle
            raise KeyboardInterrupt
        genuine(writer, block)

    monkeypatch.setattr(BlockWriter, "write", interrupt)
    assert call(chain, songs, "-o", out) == 130
    assert "1 of 2 outputs are finished; go on with --resume" in capsys.readouterr().err
    assert names(out) == ["a.wav", "b.wav"] and (out / "b.wav").read_bytes() == old
    assert io.probe(out / "a.wav").frames == 4 * BLOCK_FRAMES


def test_read_only_folder(
    tmp_path: Path, chain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [write(tmp_path / "in" / name) for name in ("a.wav", "b.wav")]

    def deny(*args: object, **kwargs: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("fxlens.audio.block_writer.os.open", deny)
    monkeypatch.setattr("fxlens.audio.block_writer.os.access", lambda path, mode: mode != os.W_OK)
    assert call(chain, *sources, "-o", tmp_path / "out") == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "(Read-only file system); the folder" in said[0] and "is read-only" in said[0]
    monkeypatch.undo()
    (tmp_path / "file").touch()
    assert call(chain, *sources, "-o", tmp_path / "file" / "out") == 1
    assert "cannot be made" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x.wav", "x.flac"])
def test_full_disk(
    tmp_path: Path, chain: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wav is refused before the work; how large a flac becomes is seen when it no longer fits."""
    resource = pytest.importorskip("resource")
    source = write(tmp_path / "in" / "x.wav", sound(20.0))
    (tmp_path / "out").mkdir()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("fxlens.audio.block_writer.shutil.disk_usage", lambda p: usage._replace(free=20_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # writing really fails
    try:
        assert call(chain, source, "-o", tmp_path / "out" / name) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and f"{name}: cannot be written" in said[0] and "the disk is full" in said[0]
    assert names(tmp_path / "out") == []


def test_a_format_that_an_encoder_refuses_fails_alone(
    tmp_path: Path, chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [write(tmp_path / "in" / "a.wav", rate=96_000), write(tmp_path / "in" / "b.wav", rate=44_100)]
    assert call(chain, *sources, "-o", tmp_path / "out", "--suffix", ".mp3") == 3
    assert names(tmp_path / "out") == ["b.mp3"]
    assert "a.mp3: cannot be written as MP3" in capsys.readouterr().err


def test_progress_adds_up_to_the_length(tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", sound(5.0))
    steps: list[float] = []
    render_file(CHAIN, source, tmp_path / "out.wav", advance=steps.append)
    assert sum(steps) == pytest.approx(5.0) and len(steps) == 3 * 2  # two blocks; a distortion reads them thrice


def test_a_file_cut_short_is_an_error_of_the_file(tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", sound(3.0))
    source.write_bytes(source.read_bytes()[:50_000])
    with pytest.raises(AudioDecodeError, match="breaks off"):
        render_file(CHAIN, source, tmp_path / "out.wav")
    assert names(tmp_path) == ["in.wav"]


def sparse_recording(path: Path, hours: float, rate: int = 44_100) -> Path:
    """16-bit stereo with two seconds of noise every ten minutes, and holes in the file between them."""
    size = round(hours * 3600 * rate) * 4
    shape = struct.pack("<IHHIIHH", 16, 1, 2, rate, rate * 4, 4, 16)
    header = struct.pack("<4sI4s4s", b"RIFF", size + 36, b"WAVE", b"fmt ") + shape + struct.pack("<4sI", b"data", size)
    noise = np.random.default_rng(0).integers(-8_000, 8_000, 4 * rate, dtype="<i2").tobytes()
    with path.open("wb") as file:
        file.write(header)
        for start in range(0, size - len(noise), 600 * rate * 4):
            file.seek(len(header) + start)
            file.write(noise)
        file.truncate(len(header) + size)
    return path


@pytest.mark.slow
def test_three_hours_fit_into_less_than_a_gibibyte(tmp_path: Path, chain: Path) -> None:
    psutil = pytest.importorskip("psutil")
    source = sparse_recording(tmp_path / "in.wav", 3.0)
    target = tmp_path / "out.flac"
    process = subprocess.Popen(
        [sys.executable, "-m", "fxlens.cli", "apply", str(chain), str(source), "-o", str(target)]
    )
    watched, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            most = max(most, watched.memory_info().rss)
            process.wait(0.2)
        except (subprocess.TimeoutExpired, psutil.NoSuchProcess):
            continue
    assert process.returncode == 0
    assert 100e6 < most < 900e6, f"{most / 1e6:.0f} MB"
    assert io.probe(target).frames == io.probe(source).frames == 3 * 3600 * 44_100
    first = io.read(target, 0.0, 5.0)[0]
    later = io.read(target, 6_000.0, 5.0)[0]  # the same noise, ten bursts on: the answer must be the same one
    assert np.abs(first).max() > 0.05 and np.abs(first[:, 5_000:] - later[:, 5_000:]).max() < 1e-2
