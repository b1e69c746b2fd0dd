"""From what was named on the command line to the list of files: ordered, each once, divisible into shards."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fxlens.audio.io import AUDIO_SUFFIXES
from fxlens.errors import AudioMissingError, UsageError


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a job.

    Args:
        number: which part, from 1.
        count: how many parts.

    Raises:
        UsageError: not 1 <= number <= count.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise UsageError(
                f"shard {self.number}/{self.count}: the first of {self.count} shards is 1/{self.count}, "
                f"the last {self.count}/{self.count}"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``"I/N"``.

        Raises:
            UsageError: not of that form, or out of range.
        """
        found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text)
        if found is None or int(found[2]) == 0:
            raise UsageError(f"shard {text!r}: write it as I/N, for example 1/4")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of_process(cls, environment: Mapping[str, str] | None = None) -> Shard:
        """The part of this process among those that a launcher has started together.

        ``RANK`` of ``WORLD_SIZE``, as torchrun sets them; or ``SLURM_PROCID`` of ``SLURM_NTASKS``, in a job array times
        the place in the array.

        Args:
            environment: environment variables; those of the process if not given.

        Raises:
            UsageError: nobody has said how many processes there are.
        """
        told = os.environ if environment is None else environment
        try:
            if "RANK" in told and "WORLD_SIZE" in told:
                return cls(int(told["RANK"]) + 1, int(told["WORLD_SIZE"]))
            if "SLURM_PROCID" in told or "SLURM_ARRAY_TASK_ID" in told:
                task, tasks = int(told.get("SLURM_PROCID", 0)), int(told.get("SLURM_NTASKS", 1))
                step, first = int(told.get("SLURM_ARRAY_TASK_STEP", 1)), int(told.get("SLURM_ARRAY_TASK_MIN", 0))
                place = (int(told.get("SLURM_ARRAY_TASK_ID", first)) - first) // step
                return cls(place * tasks + task + 1, int(told.get("SLURM_ARRAY_TASK_COUNT", 1)) * tasks)
        except ValueError as error:
            raise UsageError(f"shard auto: the launcher's variables make no sense ({error}); say --shard I/N") from None
        raise UsageError("shard auto: neither torchrun nor SLURM has started this process; say --shard I/N")

    def path(self, output: Path) -> Path:
        """Where this part of ``output`` goes: ``songs.npz`` to ``songs.02-of-16.npz``."""
        width = len(str(self.count))
        return output.with_name(f"{output.stem}.{self.number:0{width}}-of-{self.count}{output.suffix}")


def collect(places: Sequence[str | Path], shard: Shard | None = None) -> list[Path]:
    """List the audio files that files and folders stand for.

    Files stay in the order in which they are named, whatever their suffix and whether they exist or not, so
    that whoever reads them can say what is wrong. Folders are searched at any depth for
    :data:`fxlens.audio.io.AUDIO_SUFFIXES`, in the order of the relative paths; hidden files and folders are
    passed over. A file that is named twice is listed once, under its first name.

    Args:
        places: files and folders.
        shard: only this part. Shards are dealt out from the sorted list, so they do not depend on the order
            of ``places``; together they are the whole list, and no file is in two of them.

    Raises:
        AudioMissingError: nothing was named, or there is no audio file in the folders.
    """
    if not places:
        raise AudioMissingError("input", "no file or folder was named")
    found: dict[str, Path] = {}
    for place in map(Path, places):
        for file in _audio_files(place) if place.is_dir() else [place]:
            found.setdefault(os.path.abspath(file), file)
    if not found:
        names = ", ".join(str(place) for place in places)
        raise AudioMissingError(names, f"there is no audio file in it; looked for {', '.join(sorted(AUDIO_SUFFIXES))}")
    if shard is None:
        return list(found.values())
    return [found[key] for key in sorted(found)[shard.number - 1 :: shard.count]]


def _audio_files(folder: Path) -> list[Path]:
    files: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [
            Path(place, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in AUDIO_SUFFIXES
        ]
    return sorted(files, key=lambda file: file.relative_to(folder).as_posix())
