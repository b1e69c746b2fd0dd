"""fxlens in processes that are killed while they work: at moments spread over the time that the work takes.

A launcher imports everything once and forks for every call, so that a start costs nothing and what is killed is work.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fxlens.audio.io import write
from fxlens.data.synthesis.synthetic import synthesize_song

PATIENCE_SECONDS = 180.0
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files of a process are seen in /proc")


def write_songs(folder: Path, count: int, rate: int = 16_000) -> Path:
    """Short stereo songs of the synthesiser, of 2 to 3.5 seconds."""
    folder.mkdir()
    for seed in range(count):
        stems = synthesize_song(seed, 2.0 + 0.5 * (seed % 4), rate, ["drums", "bass"])
        write(folder / f"{seed:02}.wav", sum(stems.values()), rate, "PCM_16")  # type: ignore[arg-type]
    return folder


_LAUNCHER = """
import json, os, signal, sys
import torch, fxlens.embedding.job, fxlens.index.fx_index
from fxlens.cli import main

for line in sys.stdin:
    words, out, err = json.loads(line)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests may have it ignored
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
        code = 1
        try:
            code = main(words)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Call:
    """One call of ``fxlens``, in a process of its own.

    Attributes:
        pid: of the process.
        returncode: how it ended, negative by a signal; ``None`` before :meth:`wait`.
    """

    def __init__(self, launcher: subprocess.Popen[str], folder: Path, arguments: Sequence[object]) -> None:
        self._launcher, self._files = launcher, (folder / "out", folder / "err")
        assert launcher.stdin is not None and launcher.stdout is not None
        launcher.stdin.write(json.dumps([[str(word) for word in arguments], *map(str, self._files)]) + "\n")
        launcher.stdin.flush()
        self.pid = int(launcher.stdout.readline())
        self.returncode: int | None = None

    def lives(self) -> bool:
        """Whether it is still at work."""
        return not select.select([self._launcher.stdout], [], [], 0.0)[0]

    def send_signal(self, kind: signal.Signals) -> None:
        """Send it a signal; one that has ended takes none."""
        if self.lives():
            os.kill(self.pid, kind)

    def wait(self) -> tuple[str, str]:
        """Wait for its end; return what it has said, to stdout and to stderr."""
        assert self._launcher.stdout is not None
        assert select.select([self._launcher.stdout], [], [], PATIENCE_SECONDS)[0], "it does not end"
        self.returncode = int(self._launcher.stdout.readline())
        out, err = (file.read_text(encoding="utf-8") for file in self._files)
        return out, err


@contextmanager
def launcher() -> Iterator[Callable[[Sequence[object]], Call]]:
    """A function that starts ``fxlens`` with arguments, one call after the other."""
    command = [sys.executable, "-c", _LAUNCHER]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process,
    ):
        try:
            yield lambda arguments: Call(process, Path(folder), arguments)
        finally:
            process.kill()


Start = Callable[[Sequence[object]], Call]


def works_on(process: Call, file: Path) -> bool:
    """Whether the process has opened its journal or catalogue, as it does just before it takes up the first file."""
    wanted = str(file.resolve())
    try:
        names = os.listdir(f"/proc/{process.pid}/fd")
    except OSError:  # it has ended
        return False
    for name in names:
        try:
            if os.readlink(f"/proc/{process.pid}/fd/{name}") == wanted:
                return True
        except OSError:  # closed meanwhile
            continue
    return False


def seconds_of_work(start: Start, arguments: Sequence[object], file: Path) -> float:
    """Run a call to its end; return how long it worked, loading left out."""
    process = start(arguments)
    began = _wait_until_it_works(process, file)
    said = process.wait()
    assert process.returncode == 0 and began is not None, said
    return time.monotonic() - began


@dataclass
class Killing:
    """What killing has shown.

    Attributes:
        finished: after every kill, how many files were finished.
        starts: how often the work was begun from nothing: more than once where a run was faster than its kill.
    """

    finished: list[int] = field(default_factory=list)
    starts: int = 1


def kill_often(
    start: Start,
    arguments: Callable[[bool], Sequence[object]],
    file: Path,
    seconds_a_file: float,
    files: int,
    kills: int,
    kind: signal.Signals,
    count: Callable[[], int],
    finished: Callable[[], int],
    forget: Callable[[], None],
    seed: int,
) -> Killing:
    """Start the same work again and again, and kill it every time.

    A moment is a number of finished files, drawn so that together they span the whole work, and a part of the time that
    a file takes: however slow the machine is just then, work is hit in all its stages.

    Args:
        start: starts the program.
        arguments: of the program; called with whether something is there to go on from.
        file: what the program opens before it works.
        seconds_a_file: what one file takes.
        files: how many there are.
        kills: how many must hit a working process.
        kind: SIGKILL or SIGINT.
        count: counts finished files on the disk, while the work goes on.
        finished: the same after a kill, and sees that nothing is lost or doubled.
        forget: removes everything, after a run that was not hit.
        seed: of the moments.
    """
    draw, shown = random.Random(seed), Killing()
    goes_on = False
    after = sorted(draw.randrange(files) for _ in range(kills))
    while len(shown.finished) < kills:
        process = start(arguments(goes_on))
        began = _wait_until_it_works(process, file)
        while began is not None and process.lives() and count() < after[len(shown.finished)]:
            time.sleep(0.002)
        time.sleep(draw.uniform(0.0, seconds_a_file))
        process.send_signal(kind)
        _, err = process.wait()
        assert "Traceback" not in err, err
        if process.returncode == 0:  # it was ready before
            forget()
            shown.starts, goes_on = shown.starts + 1, False
            assert shown.starts < 10, "the work is too short to be killed"
            continue
        assert process.returncode == (-signal.SIGKILL if kind is signal.SIGKILL else 130), (process.returncode, err)
        if kind is signal.SIGINT:
            assert "interrupted" in err, err
        shown.finished.append(finished())
        goes_on = shown.finished[-1] > 0
    return shown


def _wait_until_it_works(process: Call, file: Path) -> float | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not works_on(process, file):
        if not process.lives():
            return None
        assert time.monotonic() < deadline, "it does not begin to work"
        time.sleep(0.001)
    return time.monotonic()
