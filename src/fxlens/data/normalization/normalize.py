"""Fx-normalisation of all stems of manifests: fit on the training songs, apply to every song.

Fitting takes four passes over the training stems, since each step is measured on what the steps before have left:
spectrum; peaks and panning; panning again of the stems that the compressor changes; loudness. A stem is decoded anew
in each, which costs a tenth of the work: kept audio would take 1.3 GB an hour. The settings found on the way
are kept, so that applying to a training stem measures nothing again.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from fxlens.audio.block_writer import UNFINISHED
from fxlens.data.manifest import (
    Multitrack,
    Stem,
    load_manifest,
    manifest_hash,
    save_manifest,
    stems_of,
)
from fxlens.data.normalization.journal import Journal, add_from_json, measurement_to_json, name_of
from fxlens.data.normalization.report import summary, to_csv
from fxlens.data.normalization.stem import StemReport, identity, read_stem, render_stem
from fxlens.errors import AudioError, DataError, MissingExtraError, OutputError, UsageError
from fxlens.fxnorm.fitting import Member, fit
from fxlens.fxnorm.instrument_settings import settings_of
from fxlens.fxnorm.statistics import ClassStatistics, Statistics, load_statistics
from fxlens.fxnorm.steps import Measurement, Step, hear, walk
from fxlens.whole_files import write_text

MANIFEST, STATISTICS, REPORT, SUMMARY = "manifest.jsonl", "statistics.json", "report.csv", "summary.md"
JOURNAL = "normalize.journal"

_VERSION = 1  # of what is computed; results of another version are not used
_FIELDS: dict[Step, tuple[str, ...]] = {
    Step.SPECTRUM: ("source_lufs", "spectrum"),
    Step.PEAKS: ("peaks", "panning"),
    Step.PANNING: ("panning", "compression"),
    Step.LOUDNESS: ("compression", "powers", "result_lufs"),
}
_OF_ONE_STEM = (AudioError, MissingExtraError)
_Result = TypeVar("_Result")
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class NormalizeSettings:
    """How to Fx-normalise manifests.

    Args:
        statistics: file to apply; None fits them to the songs of split ``train``.
        fit_only: write the statistics, and no audio.
        jobs: stems at a time.
        resume: go on where an earlier call stopped; finished work is used as far as nothing it came from changed.
        bits: of a sample of the flac files, 16 or 24.
    """

    statistics: Path | None = None
    fit_only: bool = False
    jobs: int = 2
    resume: bool = False
    bits: int = 24


@dataclass
class NormalizeResult:
    """What was done.

    Args:
        statistics: what was fitted or loaded.
        multitracks: the songs as the new manifest holds them; none after fitting only.
        reports: a row a stem.
        finished_before: how many stems an earlier call had finished.
        left_out: ``song/stem`` -> reason, for every stem that could not be read.
        summary: table of the classes, Markdown.
    """

    statistics: Statistics
    multitracks: list[Multitrack] = field(default_factory=list)
    reports: list[StemReport] = field(default_factory=list)
    finished_before: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    summary: str = ""


def normalize_stems(
    manifests: Sequence[str | Path],
    output: str | Path,
    settings: NormalizeSettings | None = None,
    *,
    progress: Progress | None = None,
) -> NormalizeResult:
    """Fx-normalise the stems of manifests into a folder: flac files at 44.1 kHz, stereo, and their manifest.

    The folder then holds ``<song>/<stem>.flac``, ``manifest.jsonl``, ``statistics.json``, ``report.csv`` and
    ``summary.md``. Splits, instruments and dry flags are those of the manifests. The bytes do not depend on the
    number of jobs, nor on interruptions.

    Args:
        manifests: to read; the songs of several are taken together.
        output: folder to write to.
        settings: see there.
        progress: called with (pieces of work done, in all, name of the stem).

    Raises:
        DataError: a manifest or statistics file cannot be used, two songs of one name, no training song to fit to,
            or no stem that can be read.
        OutputError: the folder cannot be written.
        UsageError: the folder holds an earlier job and ``resume`` is off, or it holds the sources themselves.
    """
    settings = settings or NormalizeSettings()
    output = Path(output)
    songs = _load(manifests)
    given = load_statistics(settings.statistics) if settings.statistics is not None else None
    _open_folder(output, settings)
    job = _Job(output, settings, songs, progress)
    statistics = given or job.fit()
    write_text(output / STATISTICS, statistics.to_json())
    result = NormalizeResult(statistics, left_out=job.left_out)
    if not settings.fit_only:
        job.apply(statistics, result)
        result.summary = summary(result.reports)
        write_text(output / REPORT, to_csv(result.reports))
        write_text(output / SUMMARY, result.summary)
        save_manifest(output / MANIFEST, result.multitracks)
    return result


def _load(manifests: Sequence[str | Path]) -> list[Multitrack]:
    songs: dict[str, Multitrack] = {}
    for path in manifests:
        for multitrack in load_manifest(path):
            if multitrack.song in songs:
                raise DataError(f"{path}: the song {multitrack.song!r} is in another manifest, too; leave one out")
            songs[multitrack.song] = multitrack
    return list(songs.values())


def _open_folder(output: Path, settings: NormalizeSettings) -> None:
    if settings.jobs < 1:
        raise UsageError(f"jobs must be at least 1, not {settings.jobs}")
    if settings.bits not in (16, 24):
        raise UsageError(f"bits must be 16 or 24, not {settings.bits}")
    if settings.fit_only and settings.statistics is not None:
        raise UsageError("statistics that are given need not be fitted: leave out one of the two")
    if (output / JOURNAL).exists() and not settings.resume:
        raise UsageError(
            f"{output} holds Fx-normalised stems or the beginning of them: resume, or choose another folder"
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        for half_written in output.rglob(f"{UNFINISHED}*"):  # of a run that was killed
            half_written.unlink(missing_ok=True)
    except OSError as problem:
        raise OutputError(f"{output}: cannot be made ({problem.strerror or problem}); choose another folder") from None


class _Job:
    """One call: its stems, what is known of them, and what came of it."""

    def __init__(
        self, output: Path, settings: NormalizeSettings, songs: list[Multitrack], progress: Progress | None
    ) -> None:
        self.output, self.settings, self.songs, self.progress = output, settings, songs, progress
        self.stems = stems_of(songs)
        self.training = [i for i, stem in enumerate(self.stems) if stem.split == "train"]
        self.targets = _targets(self.stems, output)
        self.journal = Journal(output / JOURNAL, settings.resume)
        self.found: dict[int, Measurement] = {}
        self.left_out: dict[str, str] = {}
        passes = 0 if settings.statistics is not None else len(Step) * len(self.training)
        self.total = passes + (0 if settings.fit_only else len(self.stems))
        self.done = 0

    def fit(self) -> Statistics:
        """Fit the statistics to the training songs."""
        if not self.training:
            raise DataError("no song of split train: name other manifests, or statistics that were fitted before")
        members = [Member(self.stems[i].song, self.stems[i].instrument) for i in self.training]
        training = [song for song in self.songs if song.split == "train"]
        return fit(members, self._measure, manifest_hash(training))

    def _measure(
        self, step: Step, averages: Mapping[str, ClassStatistics], todo: Sequence[int]
    ) -> dict[int, Measurement]:
        def measure(position: int) -> Measurement | None:
            i = self.training[position]
            stem = self.stems[i]
            average = averages.get(stem.instrument, ClassStatistics(0, 0))
            key = name_of(_VERSION, step.name, identity(stem), stem.instrument, average.digest())
            found = replace(self.found.get(i, Measurement()))
            known = self.journal.get(key)
            if known is not None:
                add_from_json(found, known)
                return found if found.spectrum is not None else None
            audio = read_stem(stem)
            if not hear(audio, found):
                self.journal.put(key, {})
                return None
            walk(audio, found, average, settings_of(stem.instrument), step)
            self.journal.put(key, measurement_to_json(found, _FIELDS[step]))
            return found

        measured: dict[int, Measurement] = {}
        for position, found in self._each(todo, measure, lambda position: self.stems[self.training[position]]):
            if found is not None:
                measured[position] = found
                self.found[self.training[position]] = found
        self._advance(len(self.training) - len(todo))  # what need not be done counts as done
        return measured

    def apply(self, statistics: Statistics, result: NormalizeResult) -> None:
        """Normalise and write every stem, and put into ``result`` what came of it."""
        rendered: dict[int, tuple[Stem, StemReport]] = {}

        def render(i: int) -> tuple[Stem, StemReport, bool]:
            stem, target = self.stems[i], self.targets[i]
            reference = statistics.of(stem.instrument)
            place = target.relative_to(self.output).as_posix()
            key = name_of(
                _VERSION, "render", identity(stem), stem.instrument, reference.digest(), self.settings.bits, place
            )
            known = self.journal.get(key)
            if known is not None and _is_there(target, known["bytes"]):
                return (*_restored(stem, target, known), True)
            own = stem.instrument in statistics.classes
            found = replace(self.found.pop(i, Measurement()))
            written, report = render_stem(
                stem, target, found, reference, "class" if own else "fallback", self.settings.bits
            )
            self.journal.put(key, _finished(written, report))
            return written, report, False

        for i, (stem, report, before) in self._each(range(len(self.stems)), render, lambda i: self.stems[i]):
            rendered[i] = stem, report
            result.finished_before += before
        if not rendered:
            raise DataError(
                f"none of {len(self.stems)} stems could be read; the first: {next(iter(self.left_out.values()))}"
            )
        result.reports = [rendered[i][1] for i in sorted(rendered)]
        number = 0
        for song in self.songs:
            own_numbers = range(number, number + len(song.stems))
            number += len(song.stems)
            stems = tuple(rendered[i][0] for i in own_numbers if i in rendered)
            if stems:
                result.multitracks.append(replace(song, stems=stems))

    def _each(
        self, numbers: Sequence[int], work: Callable[[int], _Result], stem_of: Callable[[int], Stem]
    ) -> Iterator[tuple[int, _Result]]:
        """Work on stems, some at a time; those that cannot be read are noted and passed over."""
        stopped = threading.Event()

        def unless_stopped(number: int) -> _Result:
            if stopped.is_set():
                raise CancelledError
            try:
                return work(number)
            except _OF_ONE_STEM:
                raise
            except BaseException:
                stopped.set()  # a full disk: whoever comes next shall not try
                raise

        asked = len(numbers)
        numbers = [n for n in numbers if _name(stem_of(n)) not in self.left_out]
        self._advance(asked - len(numbers))
        with ThreadPoolExecutor(self.settings.jobs) as pool:  # transforms, filters and codecs run outside the lock
            tasks = {pool.submit(unless_stopped, number): number for number in numbers}
            try:
                for task in as_completed(tasks):
                    stem = stem_of(tasks[task])
                    try:
                        result = task.result()
                    except _OF_ONE_STEM as problem:
                        self.left_out[_name(stem)] = str(problem)
                    else:
                        yield tasks[task], result
                    self._advance(1, _name(stem))
            except BaseException:
                stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _advance(self, count: int, name: str = "") -> None:
        self.done += count
        if self.progress is not None and count:
            self.progress(self.done, self.total, name)


def _name(stem: Stem) -> str:
    return f"{stem.song}/{stem.name}"


def _targets(stems: Sequence[Stem], output: Path) -> list[Path]:
    """Where each stem goes: ``<song>/<stem>.flac`` with characters that any file system takes, each its own.

    Raises:
        UsageError: a target is one of the sources.
    """
    sources = {path.resolve() for stem in stems for path in stem.recording.paths}
    taken: set[str] = set()
    targets = []
    for stem in stems:
        parts = [re.sub(r'[\x00-\x1f<>:"\\|?*]|^\.+|[. ]+$', "_", part) for part in _name(stem).split("/")]
        place, again = "/".join(part or "_" for part in parts), 2
        while (name := place if again == 2 else f"{place}-{again - 1}").lower() in taken:
            again += 1
        taken.add(name.lower())
        target = output / f"{name}.flac"
        if target.resolve() in sources:
            raise UsageError(f"{target} is one of the sources; choose another folder")
        targets.append(target)
    return targets


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _finished(stem: Stem, report: StemReport) -> dict[str, Any]:
    return {
        "bytes": stem.path.stat().st_size,
        "duration_seconds": stem.duration_seconds,
        "loudness_lufs": stem.loudness_lufs,
        "active": stem.active,
        "sha256": stem.sha256,
        "report": asdict(report),
    }


def _restored(stem: Stem, target: Path, known: dict[str, Any]) -> tuple[Stem, StemReport]:
    restored = replace(
        stem,
        path=target,
        stream=0,
        added_paths=(),
        silence_seconds=0.0,
        duration_seconds=known["duration_seconds"],
        sample_rate=44_100,
        loudness_lufs=known["loudness_lufs"],
        active=tuple((start, end) for start, end in known["active"]),
        sha256=known["sha256"],
    )
    same = {"song": stem.song, "stem": stem.name, "split": stem.split}
    return restored, StemReport(**(known["report"] | same))
