"""Measure many stems: in parallel, resumable, every file decoded once.

Results are kept in a file, keyed by path, size and time of change of the audio, so that an interrupted
preparation goes on where it stopped and a second one only reads what is new.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from fxlens.data.recording import Recording
from fxlens.data.stem_analysis import StemAnalysis, analyse_together, by_files, silent_error
from fxlens.errors import AudioError, AudioMissingError, OutputError

_VERSION = 1  # of the measurements; results of another version are not used


def analyse_all(
    recordings: Sequence[Recording],
    cache: str | Path | None = None,
    *,
    jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[Recording, StemAnalysis], dict[Recording, AudioError]]:
    """Measure many stems.

    Args:
        recordings: stems; those of one container are decoded in one pass.
        cache: file that keeps the results, one JSON line each, written as they come; None keeps nothing.
        jobs: files (or groups of files that are summed) read at once; each needs memory for the whole decoded
            length of its streams, 21 MB for a minute of stereo at 44.1 kHz.
        progress: called with (stems done, stems in all).

    Returns:
        The measurements, and what is wrong with the stems that could not be measured or are silent
        (:class:`fxlens.errors.AudioSilentError`); together they have every recording.

    Raises:
        OutputError: the cache cannot be written.
    """
    cache = Path(cache) if cache is not None else None
    known = _read_cache(cache)
    found: dict[Recording, StemAnalysis] = {}
    failed: dict[Recording, AudioError] = {}
    keys: dict[Recording, str] = {}
    for recording in recordings:
        try:
            keys[recording] = _key(recording)
        except OSError as problem:
            path = problem.filename or recording.paths[0]
            failed[recording] = AudioMissingError(path, f"cannot be opened ({problem.strerror or problem})")
            continue
        if keys[recording] in known:
            _sort_in(recording, known[keys[recording]], found, failed)
    todo = [r for r in recordings if r in keys and r not in found and r not in failed]
    done = len(recordings) - len(todo)
    if progress is not None:
        progress(done, len(recordings))
    if cache is not None and todo:
        _append(cache, "\n" if _is_cut_short(cache) else "")  # a read-only folder is told before hours of work
    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:  # decoding and loudness run outside the lock
        tasks = [pool.submit(analyse_together, group) for group in by_files(todo)]
        try:
            for task in as_completed(tasks):
                for recording, result in task.result().items():
                    if cache is not None and not isinstance(result, AudioError):
                        _append(cache, _line(keys[recording], result))
                    _sort_in(recording, result, found, failed)
                    done += 1
                if progress is not None:
                    progress(done, len(recordings))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return found, failed


def _sort_in(
    recording: Recording,
    result: StemAnalysis | AudioError,
    found: dict[Recording, StemAnalysis],
    failed: dict[Recording, AudioError],
) -> None:
    if isinstance(result, AudioError):
        failed[recording] = result
    elif result.silent:
        failed[recording] = silent_error(str(recording))
    else:
        found[recording] = result


def _key(recording: Recording) -> str:
    files = []
    for path in recording.paths:
        status = path.stat()
        files.append(f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}")
    return "|+|".join(files) + (f"|stream {recording.stream}" if recording.stream else "")


def _read_cache(cache: Path | None) -> dict[str, StemAnalysis]:
    known: dict[str, StemAnalysis] = {}
    if cache is None or not cache.is_file():
        return known
    for line in cache.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            if entry.pop("version") != _VERSION:
                continue
            key, loudness = entry.pop("key"), entry.pop("loudness_lufs")
            active = tuple((float(start), float(end)) for start, end in entry.pop("active"))
            known[key] = StemAnalysis(
                loudness_lufs=-math.inf if loudness is None else float(loudness), active=active, **entry
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a line that an interruption cut short: the file is read again
    return known


def _is_cut_short(cache: Path) -> bool:
    """Whether an interruption left half a line at the end."""
    written = cache.read_bytes() if cache.is_file() else b""
    return bool(written) and not written.endswith(b"\n")


def _line(key: str, analysis: StemAnalysis) -> str:
    entry = {"version": _VERSION, "key": key} | asdict(analysis)
    if not math.isfinite(analysis.loudness_lufs):
        entry["loudness_lufs"] = None
    return json.dumps(entry) + "\n"


def _append(cache: Path, text: str) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with cache.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        raise OutputError(
            f"{cache}: cannot be written ({problem.strerror or problem}); is the folder read-only or the disk full?"
        ) from problem
