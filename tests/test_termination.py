"""SIGTERM to a real process: cleaned up as by Ctrl-C, code 143, and --resume goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_model import save_tiny_encoder

from fxlens.cli import main
from fxlens.cli.termination import as_interrupt
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no SIGTERM")
PATIENCE_SECONDS = 120.0


def write(path: Path, seconds: float, rate: int = 22_050) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(-13_000, 13_000, (rate, 2), dtype=np.int16).tobytes()
    with wave.open(str(path), "wb") as file:  # bytes as they are: an hour in a moment
        file.setparams((2, 2, rate, 0, "NONE", "not compressed"))
        for _ in range(round(seconds)):
            file.writeframesraw(noise)
    return path


def ended(arguments: list[object], begun: Callable[[], bool]) -> subprocess.CompletedProcess[str]:
    """Run the program, and send SIGTERM once it has begun."""
    command = [sys.executable, "-m", "fxlens.cli", *map(str, arguments)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while not begun():
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_apply_leaves_nothing_half_written(tmp_path: Path) -> None:
    EffectChain((Effect("gain", True, {"gain_db": -3.0}),)).save(tmp_path / "c.json")
    write(tmp_path / "in" / "a.wav", 1.0)
    write(tmp_path / "in" / "b.wav", 3_000.0)  # more than will be done by then
    out = tmp_path / "out"
    call: list[object] = ["apply", tmp_path / "c.json", tmp_path / "in", "-o", out]
    done = ended(call, lambda: (out / "a.wav").exists() and any(f.name.startswith(".fxlens-") for f in out.iterdir()))
    assert done.returncode == 143
    assert names(out) == ["a.wav"]
    assert "interrupted: 1 of 2 outputs are finished; go on with --resume" in done.stderr
    assert "Traceback" not in done.stderr


def test_embed_keeps_what_is_finished_and_goes_on(tmp_path: Path) -> None:
    save_tiny_encoder(tmp_path / "tiny")
    for number in range(3):
        write(tmp_path / "in" / f"{number}.wav", 2.0)
    write(tmp_path / "in" / "long.wav", 600.0)
    output = tmp_path / "out" / "e.npz"
    output.parent.mkdir()
    journal = output.with_name("e.npz.partial") / "journal.jsonl"
    call: list[object] = ["embed", tmp_path / "in", "-m", tmp_path / "tiny", "-o", output, "-j", "1", "--hop", "0.05"]
    done = ended(call, lambda: journal.exists() and journal.read_bytes().count(b"\n") > 1)
    assert done.returncode == 143 and "go on with --resume" in done.stderr
    assert "Traceback" not in done.stderr
    left = names(output.parent)
    assert "e.npz" not in left and not [name for name in left if name.startswith(".")]
    (tmp_path / "in" / "long.wav").unlink()
    assert main([*map(str, call), "--resume"]) == 0
    with np.load(output) as table:
        assert len(table["embedding"]) == 3


def test_commands_without_clean_up_of_their_own(tmp_path: Path) -> None:
    """The handler raises wherever the program is, and Ctrl-C keeps its own code."""
    with pytest.raises(KeyboardInterrupt), as_interrupt() as state:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5.0)
    assert state.came and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with as_interrupt() as state:
        pass
    assert not state.came


def test_a_second_signal_does_not_cut_the_clean_up_short() -> None:
    cleaned = False
    with pytest.raises(KeyboardInterrupt), as_interrupt():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5.0)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned = True
    assert cleaned


def test_other_threads_are_left_alone() -> None:
    before, found = signal.getsignal(signal.SIGTERM), []

    def inside() -> None:
        with as_interrupt():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [before]


def test_forked_children_still_end_at_once() -> None:
    with as_interrupt() as state:
        child = os.fork()
        if child == 0:
            try:
                time.sleep(60.0)
            finally:
                os._exit(7)
        time.sleep(0.2)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM and not state.came
