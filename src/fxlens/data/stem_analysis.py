"""What a manifest says about a file: length, loudness, where it sounds, and a hash of its bytes.

Files are read once: results are kept beside the manifest, keyed by path, size and time of change, so that an
interrupted preparation goes on where it stopped and a second one only reads what is new.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fxlens.audio import io, waveform
from fxlens.audio.loudness import integrated_loudness
from fxlens.errors import AudioError, AudioSilentError, OutputError

FRAME_SECONDS = 0.5
THRESHOLD_DBFS = -50.0
LOWEST_THRESHOLD_DBFS = -70.0
BELOW_LOUD_DB = 40.0
BRIDGED_SECONDS = 1.0
SHORTEST_SECONDS = 2.0

_VERSION = 1  # of the measurements; results of another version are not used


@dataclass(frozen=True)
class StemAnalysis:
    """Measurements of one file; the fields are those of :class:`fxlens.data.manifest.Stem`."""

    duration_seconds: float
    sample_rate: int
    loudness_lufs: float
    active: tuple[tuple[float, float], ...]
    sha256: str


def active_regions(audio: np.ndarray, sample_rate: float) -> tuple[tuple[float, float], ...]:
    """Find where a stem sounds.

    A frame of 0.5 s counts when its RMS passes -50 dBFS; for quiet stems the threshold follows their loud
    frames (the 95th percentile of frame levels) 40 dB below, down to -70 dBFS. Pauses of up to 1 s do not end
    a region; regions under 2 s are dropped.

    Args:
        audio: ``[C, T]``.
        sample_rate: Hz.

    Returns:
        (start, end) in seconds, in order.
    """
    frame = max(round(FRAME_SECONDS * sample_rate), 1)
    duration = audio.shape[-1] / sample_rate
    power = np.mean(np.square(audio, dtype=np.float64), axis=0)
    edges = np.arange(0, power.size, frame)
    sizes = np.diff(np.append(edges, power.size))
    with np.errstate(divide="ignore"):
        level_db = 10.0 * np.log10(np.add.reduceat(power, edges) / sizes)
    sounding = level_db[level_db > LOWEST_THRESHOLD_DBFS]
    if sounding.size == 0:
        return ()
    loud_db = float(np.percentile(sounding, 95))
    threshold_db = min(max(loud_db - BELOW_LOUD_DB, LOWEST_THRESHOLD_DBFS), THRESHOLD_DBFS)
    regions: list[list[float]] = []
    for index in np.flatnonzero(level_db > threshold_db):
        start, end = index * frame / sample_rate, min((index + 1) * frame / sample_rate, duration)
        if regions and start - regions[-1][1] <= BRIDGED_SECONDS + 1e-9:
            regions[-1][1] = end
        else:
            regions.append([start, end])
    return tuple((start, end) for start, end in regions if end - start >= SHORTEST_SECONDS - 1e-9)


def analyse(path: str | Path) -> StemAnalysis:
    """Read and measure one stem.

    Raises:
        AudioError: the file is missing, damaged, empty, silent, or holds samples that are not finite.
    """
    path = Path(path)
    audio, rate = io.read(path)
    waveform.check(audio, path)
    if waveform.is_silent(audio):
        raise AudioSilentError(path, "the stem is silent from beginning to end; leave it out")
    stereo = audio if audio.shape[0] == 2 else np.repeat(audio, 2, axis=0)  # mono is heard from both sides
    return StemAnalysis(
        duration_seconds=audio.shape[1] / rate,
        sample_rate=int(rate),
        loudness_lufs=float(integrated_loudness(stereo, rate)),
        active=active_regions(audio, rate),
        sha256=_sha256(path),
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def analyse_all(
    paths: Sequence[Path],
    cache: str | Path | None = None,
    *,
    jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[Path, StemAnalysis], dict[Path, str]]:
    """Measure many stems, in parallel and resumable.

    Args:
        paths: audio files.
        cache: file that keeps the results, one JSON line each, written as they come; None keeps nothing.
        jobs: files read at once; each needs memory for its whole decoded length.
        progress: called with (files done, files in all).

    Returns:
        The measurements, and the reasons of the files that could not be measured; together they have every
        path.

    Raises:
        OutputError: the cache cannot be written.
    """
    cache = Path(cache) if cache is not None else None
    known = _read_cache(cache)
    found: dict[Path, StemAnalysis] = {}
    damaged: dict[Path, str] = {}
    keys: dict[Path, str] = {}
    for path in paths:
        try:
            keys[path] = _key(path)
        except OSError as problem:
            damaged[path] = f"{path}: cannot be opened ({problem.strerror or problem})"
            continue
        if keys[path] in known:
            found[path] = known[keys[path]]
    todo = [path for path in paths if path in keys and path not in found]
    done = len(paths) - len(todo)
    if progress is not None:
        progress(done, len(paths))
    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:  # decoding and loudness run outside the lock
        tasks = {pool.submit(analyse, path): path for path in todo}
        try:
            for task in as_completed(tasks):
                path, done = tasks[task], done + 1
                try:
                    found[path] = task.result()
                    if cache is not None:
                        _append(cache, keys[path], found[path])
                except AudioError as problem:
                    damaged[path] = str(problem)
                if progress is not None:
                    progress(done, len(paths))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return found, damaged


def _key(path: Path) -> str:
    status = path.stat()
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"


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


def _append(cache: Path, key: str, analysis: StemAnalysis) -> None:
    entry = {"version": _VERSION, "key": key} | asdict(analysis)
    if not math.isfinite(analysis.loudness_lufs):
        entry["loudness_lufs"] = None
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with cache.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
    except OSError as problem:
        raise OutputError(
            f"{cache}: cannot be written ({problem.strerror or problem}); is the folder read-only or the disk full?"
        ) from problem
