"""Music to write, ways to spoil a file, and how a file must be refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fxlens.audio.io import blocks, probe, read
from fxlens.errors import (
    AudioError,
)

RATE = 44100


def music(seconds: float, channels: int = 2, rate: int = RATE) -> np.ndarray:
    """Decaying notes over a little noise: something that a lossy codec keeps, different at every moment."""
    t = np.arange(round(seconds * rate)) / rate
    notes = 220.0 * 2.0 ** (np.floor(t * 4.0) % 12 / 12.0)
    tone = 0.4 * np.sin(2 * np.pi * notes * t) * np.exp(-4.0 * (t * 4.0 % 1.0))
    dither = 1e-4 * np.random.default_rng(0).standard_normal((channels, t.size))
    return (np.stack([tone * (1.0 - 0.5 * c) for c in range(channels)]) + dither).astype(np.float32)


def error_db(result: np.ndarray, expected: np.ndarray) -> float:
    return float(10.0 * np.log10(np.square(result - expected).mean() / np.square(expected).mean() + 1e-20))


def refused(path: Path, error: type[AudioError], message: str) -> None:
    """All three ways in name the file and the cause."""
    for take in (probe, read, lambda p: list(blocks(p))):
        with pytest.raises(error, match=message) as caught:
            take(path)
        assert str(caught.value).startswith(f"{path}: ")


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def encode(path: Path, codec: str, audio: np.ndarray, rate: int, streams: int = 1, **options: str) -> Path:
    av = pytest.importorskip("av")
    kind = "adts" if path.suffix == ".aac" else None
    with av.open(str(path), "w", format=kind, options=options) as container:
        made = [container.add_stream(codec, rate=rate) for _ in range(streams)]
        for stream in made:
            stream.layout = "stereo" if audio.shape[0] == 2 else "mono"
            stream.bit_rate = 192_000
        for index, stream in enumerate(made):
            frame = av.AudioFrame.from_ndarray(
                audio / (index + 1), format="fltp", layout="stereo" if audio.shape[0] == 2 else "mono"
            )
            frame.sample_rate, frame.pts = rate, 0
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
    return path
