"""A chain with everything in it, recordings for it, and calls of ``fxlens apply``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from fxlens.cli import main
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect

RATE = 22_050


TAGS = {"title": "Grünes Lied 音", "artist": "Someone", "album": "Album", "comment": "mixed", "genre": "Rock"}


CHAIN = EffectChain(
    (
        Effect("multiband_compressor", True, {"mix": 0.5, "mid_threshold_db": -30.0, "mid_ratio": 4.0}),
        Effect("distortion", True, {"drive_db": 8.0}),
        Effect("delay", True, {"time_ms": 90.0, "feedback": 0.3, "wet": 0.3}),
        Effect("reverb", True, {"seed": 3, "decay_seconds": 0.5, "wet": 0.2}),
        Effect("limiter", True, {"threshold_db": -6.0}),
    )
)


def sound(seconds: float = 0.5, channels: int = 2, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Noise that fades in, ``[T, C]``, peak 0.5."""
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (max(1, round(seconds * rate)), channels))
    return noise * np.linspace(0.1, 1.0, len(noise))[:, None]


def write(
    path: Path, audio: np.ndarray | None = None, rate: int = RATE, subtype: str = "PCM_16", tags: Mapping[str, str] = {}
) -> Path:
    audio = sound() if audio is None else audio
    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", rate, audio.shape[1], subtype=subtype) as file:
        for name, text in tags.items():
            setattr(file, name, text)
        file.write(audio)
    return path


def call(*arguments: object) -> int:
    return main(["apply", *map(str, arguments)])


def names(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
