"""Playing a MIDI file with fluidsynth, dry: without its reverb and chorus."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfilt

from fxlens.audio import io
from fxlens.errors import FxLensError

SAMPLE_RATE = 44100
_GAIN = 0.2  # rendered in floating point, so this only sets the scale; nothing can clip


def fluidsynth_binary() -> str:
    """Return the path of fluidsynth.

    Raises:
        FxLensError: it is not installed.
    """
    found = shutil.which("fluidsynth")
    if found is None:
        raise FxLensError(
            "fluidsynth is not installed, and without it MIDI files cannot be played; "
            "on Debian or Ubuntu: apt-get install fluidsynth fluid-soundfont-gm"
        )
    return found


def require_soundfont(path: str | Path) -> Path:
    """Return the path if a soundfont is there.

    Raises:
        FxLensError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FxLensError(
            f"{path}: there is no such soundfont; give the path of an .sf2 or .sf3 file "
            "(apt-get install fluid-soundfont-gm puts one into /usr/share/sounds/sf2)"
        )
    return path


def play(midi_path: str | Path, soundfont: str | Path, seconds: float) -> np.ndarray:
    """Play a MIDI file without reverb and chorus.

    Args:
        midi_path: file to play.
        soundfont: .sf2 or .sf3 file.
        seconds: length of the result; the rest is cut off, or silence is added.

    Returns:
        ``float32 [2, T]`` at 44 100 Hz, not yet at its final level, never clipped.

    Raises:
        FxLensError: fluidsynth or the soundfont is missing, or fluidsynth failed.
    """
    binary, soundfont = fluidsynth_binary(), require_soundfont(soundfont)
    with tempfile.TemporaryDirectory(prefix="fxlens-") as folder:
        wave = Path(folder) / "stem.wav"
        command = [
            binary, "-niq", "-R", "0", "-C", "0", "-g", str(_GAIN), "-r", str(SAMPLE_RATE),
            "-o", "synth.dynamic-sample-loading=1", "-o", "synth.cpu-cores=1",
            "-T", "wav", "-O", "float", "-F", str(wave), str(soundfont), str(midi_path),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not wave.is_file():
            last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise FxLensError(
                f"{midi_path}: fluidsynth could not play it ({last}); check that {soundfont} is a whole soundfont"
            )
        audio, _ = io.read(wave)
    length = round(seconds * SAMPLE_RATE)
    result = np.zeros((2, length), dtype=np.float32)
    kept = min(length, audio.shape[1])
    result[:, :kept] = sosfilt(_without_offset(), audio[:, :kept], axis=1)
    return result


@lru_cache(maxsize=1)
def _without_offset() -> np.ndarray:
    """High-pass at 15 Hz: the looped waves of some soundfonts have an offset that starts with every note."""
    return butter(2, 15.0, "highpass", fs=SAMPLE_RATE, output="sos")
