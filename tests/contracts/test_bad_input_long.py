"""Three hours at every door: taken by the command line, in the memory that three minutes need, and refused over HTTP
(see test_bad_input_http.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bad_input_cases import RATE, noise, write
from tiny_serving import write_model

from fxlens.cli import main
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect

MOST_MORE_MB = 150.0
"""Three hours of this file are 345 MB of float32 samples: who held them once would need more than this."""

_PEAK = """
import resource, sys
from fxlens.cli import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0)
sys.exit(code)
"""
QUICK = ["--steps", "1", "--restarts", "1", "--seconds", "0.5", "--chain", "eq,gain"]
DOORS = {
    "embed": ["embed", "LONG", "-o", "OUT/e.npz", "-m", "MODEL", "--pool", "none"],
    "index-add": ["index", "add", "OUT/library", "LONG", "-m", "MODEL"],
    "search": ["search", "LIBRARY", "LONG", "-m", "MODEL", "--json"],
    "describe": ["describe", "LONG", "-m", "MODEL"],
    "match-dry": ["match", "LONG", "-r", "SHORT", "-o", "OUT/m.flac", "-m", "MODEL", *QUICK],
    "match-reference": ["match", "SHORT", "-r", "LONG", "-o", "OUT/m.flac", "-m", "MODEL", *QUICK],
    "apply": ["apply", "PRESET", "LONG", "-o", "OUT/a.flac"],
}


def write_long(path: Path, minutes: int) -> Path:
    """A mono FLAC of noise, written block by block; every minute has a level of its own."""
    minute = noise(60.0, channels=1)[:, 0]
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
        for number in range(minutes):
            file.write(minute * (0.3 + 0.7 * ((number * 7) % 10) / 10.0))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("long")
    model = write_model(root / "tiny")
    short = write(root / "short.wav", noise(4.0, seed=7))
    EffectChain((Effect("delay", parameters={"wet": 0.3}),)).save(root / "preset.json")
    assert main(["index", "add", str(root / "library"), str(short), "-m", str(model)]) == 0
    write_long(root / "three-hours.flac", 180)
    write_long(root / "three-minutes.flac", 3)
    return root


def peak_mb(door: str, place: Path, long: str, out: Path) -> tuple[float, str]:
    """Run a command in a process of its own; return its peak of memory and what it says."""
    out.mkdir()
    names = {"LONG": place / long, "OUT": out, "MODEL": place / "tiny", "SHORT": place / "short.wav",
             "LIBRARY": place / "library", "PRESET": place / "preset.json"}  # fmt: skip
    words = []
    for word in DOORS[door]:
        first, slash, rest = word.partition("/")
        words.append(str(names[first]) + slash + rest if first in names else word)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, *words], capture_output=True, text=True, env=environment, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.splitlines()[-1]), done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
def test_memory_does_not_grow_with_the_recording(door: str, place: Path, tmp_path: Path) -> None:
    short, _ = peak_mb(door, place, "three-minutes.flac", tmp_path / "minutes")
    long, _ = peak_mb(door, place, "three-hours.flac", tmp_path / "hours")
    print(f"{door}: {short:.0f} MB for three minutes, {long:.0f} MB for three hours")
    assert long < short + MOST_MORE_MB
    made = tmp_path / "hours"
    if door == "embed":
        with np.load(made / "e.npz") as table:
            assert len(table["embedding"]) == 3 * 3600 and table["end"][-1] == 3 * 3600.0
            assert np.isfinite(table["embedding"]).all()
    for name in ("a.flac",) if door == "apply" else ("m.flac",) if door == "match-dry" else ():
        assert soundfile.info(made / name).frames >= 3 * 3600 * RATE
