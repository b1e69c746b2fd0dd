"""Steps of a recipe: each a few commands that leave files; done once, gone on with after an interruption.

A step is done if its stamp says so, if it was made by these commands from these inputs, and if what it left is still
whole: manifests are read, weights are hashed. Otherwise its commands run again; all of them go on where they stopped.
What could not go on with other inputs, a training run, is refused instead.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fxlens.errors import FxLensError
from fxlens.whole_files import write_text

State = Literal["done", "begun", "new", "changed"]
_LAST_WORDS = 12
_LOOK_SECONDS = 0.2


class StepFailedError(FxLensError):
    """A command of a step ended with a code that means failure."""


class OtherInputsError(FxLensError):
    """A training run was begun from other songs or settings than those it would go on with."""


@dataclass(frozen=True)
class Command:
    """One command.

    Args:
        words: program and arguments; what decides the result.
        free: further arguments that change nothing of it, such as the number of processes.
        codes: exit codes that are no failure.
        goes_on: a file and an argument that is added where that file is there.
    """

    words: tuple[str, ...]
    free: tuple[str, ...] = ()
    codes: tuple[int, ...] = (0,)
    goes_on: tuple[Path, str] | None = None

    def full(self) -> list[str]:
        """Every word that is run."""
        more = [self.goes_on[1]] if self.goes_on is not None and self.goes_on[0].exists() else []
        return [*self.words, *self.free, *more]


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        name: of its stamp and its log.
        says: what it does, for the reader.
        commands: run in this order.
        makes: files, model folders or other folders that are there in the end.
        reads: what it takes from earlier steps.
        decides: what else the result depends on, by name: the content of a configuration.
        own: a folder that must not be gone on with if the inputs are others.
    """

    name: str
    says: str
    commands: tuple[Command, ...]
    makes: tuple[Path, ...]
    reads: tuple[Path, ...] = ()
    decides: Mapping[str, str] = field(default_factory=dict)
    own: Path | None = None


def fingerprint(path: Path) -> str:
    """Name the content of a file or folder, having read it.

    Manifests are named by their songs and the bytes of their stems, model folders by their weights, other folders by
    the names and sizes of their files, other files by their bytes.

    Raises:
        FxLensError: it is missing or broken.
    """
    if path.suffix == ".jsonl":
        from fxlens.data.manifest import load_manifest
        from fxlens.data.multitrack import manifest_hash

        songs = load_manifest(path)
        gone = [file for song in songs for stem in song.stems for file in (stem.path, *stem.added_paths)
                if not file.is_file()]  # fmt: skip
        if gone:
            raise FxLensError(f"{path}: {len(gone)} of its files are not there any more; the first: {gone[0]}")
        return manifest_hash(songs)
    if (path / "model.safetensors").is_file():
        from fxlens.models.checkpoint import read, weights_hash

        return weights_hash(read(path).tensors)
    try:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            if not files:
                raise FxLensError(f"{path}: it is empty")
            listed = [[p.relative_to(path).as_posix(), p.stat().st_size] for p in files]
            return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise FxLensError(f"{path}: cannot be read ({error.strerror or error})") from error


class Workshop:
    """Where steps are run: a folder with their stamps and logs.

    Args:
        work: the folder.
        elsewhere: names of folders outside of it that commands mention; they may move without anything being
            made again.
        say: told what is being done.
        told_to_end: whether SIGTERM was what interrupted; Ctrl-C reaches the commands by itself.
    """

    def __init__(
        self,
        work: Path,
        elsewhere: Mapping[str, Path],
        say: Callable[[str], None],
        told_to_end: Callable[[], bool] = lambda: False,
    ) -> None:
        self.work, self.say, self._told_to_end = work, say, told_to_end
        self._places = {"WORK": work, **elsewhere}

    def log_of(self, step: Step) -> Path:
        """The file that holds everything the commands of a step have said."""
        return self.work / "logs" / f"{step.name}.log"

    def stamp_of(self, step: Step) -> Path:
        """The file that tells how a step was made."""
        return self.work / "steps" / f"{step.name}.json"

    def state(self, step: Step) -> State:
        """Whether a step is done; if not, whether it was begun as it would be run now."""
        try:
            stamp: dict[str, Any] = json.loads(self.stamp_of(step).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "changed" if step.own is not None and step.own.exists() else "new"
        try:
            if stamp.get("key") != self._key(step):
                return "changed"
            there = {self._short(str(path)): fingerprint(path) for path in step.makes} if stamp.get("made") else {}
        except FxLensError:
            return "begun"
        return "done" if there and there == stamp["made"] else "begun"

    def run(self, step: Step, state: State) -> None:
        """Run the commands of a step.

        Args:
            step: one that is not done.
            state: its state.

        Raises:
            StepFailedError: a command failed, or did not leave what it should.
            OtherInputsError: it is a training run that was begun otherwise.
            KeyboardInterrupt: after the command has cleaned up.
        """
        if state == "changed" and step.own is not None and step.own.exists():
            raise OtherInputsError(
                f"{step.name}: {step.own} was begun from other songs or settings than it would go on with; "
                "move it away, or take another work folder (--work)"
            )
        begun = time.time()
        stamp: dict[str, Any] = {"key": self._key(step), "commands": [shlex.join(c.full()) for c in step.commands]}
        write_text(self.stamp_of(step), json.dumps(stamp, indent=1) + "\n")
        for command in step.commands:
            self._call(step, command)
        try:
            made = {self._short(str(path)): fingerprint(path) for path in step.makes}
        except FxLensError as error:
            raise StepFailedError(
                f"{step.name}: its commands have ended without error, yet {error}; see {self.log_of(step)}"
            ) from error
        stamp |= {"made": made, "seconds": round(time.time() - begun, 1)}
        write_text(self.stamp_of(step), json.dumps(stamp, indent=1) + "\n")

    def _key(self, step: Step) -> str:
        words = [[self._short(word) for word in command.words] for command in step.commands]
        read = {self._short(str(path)): fingerprint(path) for path in step.reads}
        told = json.dumps([step.name, words, read, dict(step.decides)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    def _short(self, word: str) -> str:
        for name, place in self._places.items():
            word = word.replace(str(place), name)
        return word

    def _call(self, step: Step, command: Command) -> None:
        log, words = self.log_of(step), command.full()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(f"$ {shlex.join(words)}\n".encode())
            file.flush()
            start = file.tell()
            process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, env=_environment())
            code = self._wait(process, log)
        if code not in command.codes:
            said = log.read_bytes()[start:].decode(errors="replace").splitlines()[-_LAST_WORDS:]
            last = "".join(f"\n  {line}" for line in said)
            raise StepFailedError(
                f"{step.name}: this command ended with code {code}; the same call of make_model goes on here\n"
                f"  {shlex.join(words)}\nits last words, of {log}:{last}"
            )

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> int:
        """Wait for a command, on a terminal with the last line of its log before one's eyes."""
        try:
            while True:
                try:
                    return process.wait(_LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    _show(_last_line(log))
        except KeyboardInterrupt:
            if self._told_to_end():
                process.terminate()
            process.wait()
            raise
        finally:
            _show("")


def _environment() -> dict[str, str]:
    """What a command says goes into the log at once."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def _last_line(log: Path, most_bytes: int = 4000) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - most_bytes))
        lines = file.read().decode(errors="replace").replace("\r", "\n").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")


def _show(line: str) -> None:
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r" + line[:width].ljust(width) + ("\r" if not line else ""))
        sys.stderr.flush()


def make(steps: Iterable[Step], workshop: Workshop) -> int:
    """Run what is not done; returns how many steps were run.

    Raises:
        StepFailedError, OtherInputsError, KeyboardInterrupt: see :meth:`Workshop.run`.
    """
    every = list(steps)
    ran = 0
    for number, step in enumerate(every, start=1):
        state = workshop.state(step)
        head = f"{number}/{len(every)} {step.name}: "
        if state == "done":
            workshop.say(f"{head}there already")
            continue
        workshop.say(f"{head}{step.says} ({'goes on' if state == 'begun' else 'begins'}; {workshop.log_of(step)})")
        workshop.run(step, state)
        ran += 1
    return ran
