"""Files out, block by block: whole or not at all, every step of an integer format where it should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fxlens.audio import io
from fxlens.audio.io import BlockWriter, ClippingWarning, can_write
from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioNotFiniteError, OutputError, UsageError

RATE = 22_050


def test_rounding_adds_no_offset(tmp_path: Path) -> None:
    """Truncation to 16 bits would move everything by half a step."""
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 200_000))
    with BlockWriter(tmp_path / "a.wav", RATE, subtype="PCM_16") as file:
        file.write(audio)
    error = (io.read(tmp_path / "a.wav")[0] - audio) * 2**15
    assert np.abs(error).max() <= 0.5 + 1e-3 and abs(error.mean()) < 0.01


def test_the_writer_refuses_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with pytest.raises(AudioEmptyError, match="no samples to write"), BlockWriter(path, RATE):
        pass
    with pytest.raises(AudioChannelsError, match="pass"), BlockWriter(path, RATE) as file:
        file.write(np.zeros((1, 5)))
    with pytest.raises(AudioNotFiniteError, match="NaN"), BlockWriter(path, RATE) as file:
        file.write(np.full((2, 5), np.nan))
    with pytest.raises(OutputError, match="does not exist"), BlockWriter(tmp_path / "no" / "x.wav", RATE):
        pass
    (tmp_path / "dir.wav").mkdir()
    with pytest.raises(OutputError, match="folder of that name"), BlockWriter(tmp_path / "dir.wav", RATE):
        pass
    with pytest.raises(OutputError, match="is not enough room"), BlockWriter(path, RATE, frames=1 << 60):
        pass
    with pytest.raises(UsageError, match=r"cannot write \.txt"):
        BlockWriter(tmp_path / "x.txt", RATE)
    assert not can_write("x.txt") and not can_write("x.flac", "DOUBLE") and can_write("x.FLAC", "PCM_24")
    assert [path.name for path in tmp_path.iterdir()] == ["dir.wav"]


def test_the_writer_limits_and_says_so(tmp_path: Path) -> None:
    loud = np.array([[0.5, 1.5, -2.0, 1.0], [0.0, -1.0, 0.25, 2.0]])
    with (
        pytest.warns(ClippingWarning, match=r"\+6.0 dBFS"),
        BlockWriter(tmp_path / "x.wav", 8_000, 2, "PCM_24") as file,
    ):
        file.write(loud)
    assert np.abs(io.read(tmp_path / "x.wav")[0] - loud.clip(-1.0, 1.0)).max() < 2.0**-22
    with BlockWriter(tmp_path / "y.wav", 8_000) as file:  # 32-bit float holds them
        file.write(loud)
    assert np.array_equal(io.read(tmp_path / "y.wav")[0], loud)


def test_more_than_four_gibibytes_are_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fxlens.audio.block_writer.LARGEST_WAV", 1_000)
    with BlockWriter(tmp_path / "x.wav", 8_000, frames=2_000) as file:
        file.write(np.zeros((2, 2_000)))
    assert (tmp_path / "x.wav").read_bytes()[:4] == b"RF64" and io.read(tmp_path / "x.wav")[0].shape == (2, 2_000)
    with pytest.raises(OutputError, match="4 GiB"), BlockWriter(tmp_path / "y.wav", 8_000) as file:
        file.write(np.zeros((2, 2_000)))
