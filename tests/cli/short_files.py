"""Short recordings at a low rate, and calls of the program in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from tiny_model import RATE


def write(path: Path, seconds: float = 1.5, rate: int = RATE, channels: int = 2, seed: int = 0) -> Path:
    noise = np.random.default_rng(seed).uniform(-0.4, 0.4, (max(1, round(seconds * rate)), channels))
    soundfile.write(path, noise, rate, subtype="PCM_16")
    return path


def program(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fxlens.cli", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, **options)  # type: ignore[call-overload, no-any-return]


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}
