"""What a manifest says about a stem: length, loudness, where it sounds, and a hash of the bytes it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxlens.audio import io, waveform
from fxlens.audio.loudness import integrated_loudness
from fxlens.data.recording import Recording
from fxlens.errors import AudioError, AudioMissingError, AudioSilentError

FRAME_SECONDS = 0.5
THRESHOLD_DBFS = -50.0
LOWEST_THRESHOLD_DBFS = -70.0
BELOW_LOUD_DB = 40.0
BRIDGED_SECONDS = 1.0
SHORTEST_SECONDS = 2.0


@dataclass(frozen=True)
class StemAnalysis:
    """Measurements of one stem; the fields are those of :class:`fxlens.data.multitrack.Stem`.

    ``silent`` tells that it is silent from beginning to end.
    """

    duration_seconds: float
    sample_rate: int
    loudness_lufs: float
    active: tuple[tuple[float, float], ...]
    sha256: str
    silent: bool = False


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
    return tuple((float(start), float(end)) for start, end in regions if end - start >= SHORTEST_SECONDS - 1e-9)


def silent_error(path: str | Path) -> AudioSilentError:
    """Make the error for a stem in which nothing sounds."""
    return AudioSilentError(path, "the stem is silent from beginning to end; leave it out")


def analyse(path: str | Path) -> StemAnalysis:
    """Read and measure one file.

    Raises:
        AudioError: the file is missing, damaged, empty, silent, or holds samples that are not finite.
    """
    recording = Recording((Path(path),))
    result = analyse_together([recording])[recording]
    if isinstance(result, AudioError):
        raise result
    if result.silent:
        raise silent_error(path)
    return result


def by_files(recordings: Iterable[Recording]) -> list[list[Recording]]:
    """Group the recordings that lie in the same files, which are then decoded only once."""
    groups: dict[tuple[Path, ...], list[Recording]] = {}
    for recording in recordings:
        groups.setdefault(recording.paths, []).append(recording)
    return list(groups.values())


def analyse_together(recordings: Sequence[Recording]) -> dict[Recording, StemAnalysis | AudioError]:
    """Read and measure recordings that lie in the same files; a single pass decodes all streams of a container.

    Args:
        recordings: one of :func:`by_files`' groups.

    Returns:
        The measurements of each, or why it has none.
    """
    first = recordings[0]
    try:
        if len(recordings) > 1 and len(first.paths) == 1:
            pieces, rate = io.read_streams(first.paths[0], [recording.stream for recording in recordings])
        else:
            pieces, rates = zip(*(recording.read() for recording in recordings), strict=True)
            rate = rates[0]
        digests = {path: _sha256(path) for path in first.paths}
    except AudioError as problem:
        return dict.fromkeys(recordings, problem)
    found: dict[Recording, StemAnalysis | AudioError] = {}
    for recording, audio in zip(recordings, pieces, strict=True):
        try:
            found[recording] = _measure(audio, rate, recording, recording.digest(digests.__getitem__))
        except AudioError as problem:
            found[recording] = problem
    return found


def _measure(audio: np.ndarray, rate: int, recording: Recording, sha256: str) -> StemAnalysis:
    waveform.check(audio, recording.paths[0])
    stereo = audio if audio.shape[0] == 2 else np.repeat(audio, 2, axis=0)  # mono is heard from both sides
    return StemAnalysis(
        duration_seconds=audio.shape[1] / rate,
        sample_rate=int(rate),
        loudness_lufs=float(integrated_loudness(stereo, rate)),
        active=active_regions(audio, rate),
        sha256=sha256,
        silent=waveform.is_silent(audio),
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as problem:
        raise AudioMissingError(path, f"it cannot be read ({problem.strerror or problem})") from problem
    return digest.hexdigest()
