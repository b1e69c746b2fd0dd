"""From what an adapter found to a manifest: measure every stem, leave out what cannot be used, say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fxlens.data.adapters.found import Found, FoundSong, FoundStem
from fxlens.data.analysis_job import analyse_all
from fxlens.data.manifest import Multitrack, Stem, save_manifest
from fxlens.data.splits import assign_splits
from fxlens.data.stem_analysis import StemAnalysis
from fxlens.errors import AudioSilentError, DataError


@dataclass
class Scan:
    """What became of a folder.

    Args:
        multitracks: the songs with at least one usable stem.
        left_out: path -> reason, for every file that should be in them and cannot be used.
        passed_over: ``song: stem`` -> reason, for stems that are whole but not wanted: silent, or with bleed.
    """

    multitracks: list[Multitrack] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitWish:
    """How to divide the songs, see :func:`fxlens.data.splits.assign_splits`."""

    evaluation_songs: Sequence[str] = ()
    validation_songs: Sequence[str] = ()
    evaluation_share: float = 0.0
    validation_share: float = 0.0
    seed: int = 0


def scan(
    found: Found,
    *,
    keep_bleed: bool = False,
    cache: str | Path | None = None,
    jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Measure the stems of a folder; every song keeps the split that its layout gives it.

    Args:
        found: by an adapter.
        keep_bleed: whether stems in which other instruments are known to be heard are kept, flagged.
        cache: see :func:`fxlens.data.analysis_job.analyse_all`.
        jobs: files measured at once.
        progress: called with (stems done, stems in all).

    Raises:
        DataError: no stem can be used.
        OutputError: the cache cannot be written.
    """
    result = Scan(left_out=dict(found.left_out))
    wanted: dict[FoundSong, list[FoundStem]] = {}
    for song in found.songs:
        wanted[song] = [stem for stem in song.stems if keep_bleed or not stem.bleed]
        for stem in song.stems:
            if stem not in wanted[song]:
                result.passed_over[f"{song.song}: {stem.name}"] = "other instruments bleed into it"
    recordings = [stem.recording for stems in wanted.values() for stem in stems]
    measured, failed = analyse_all(recordings, cache, jobs=jobs, progress=progress)
    for song, stems in wanted.items():
        for stem in stems:
            problem = failed.get(stem.recording)
            if isinstance(problem, AudioSilentError) and not found.silence_is_damage:
                result.passed_over[f"{song.song}: {stem.name}"] = "silent from beginning to end"
            elif problem is not None:
                result.left_out[Path(problem.source)] = str(problem)
        usable = [(stem, measured[stem.recording]) for stem in stems if stem.recording in measured]
        if usable:
            result.multitracks.append(_multitrack(song, usable))
    if not result.multitracks:
        reasons = [*result.left_out.values(), *(f"{name}: {why}" for name, why in result.passed_over.items())]
        first = reasons[0] if reasons else "it lists none"
        raise DataError(f"{found.root}: none of its {len(recordings)} audio files can be used; the first: {first}")
    return result


def _multitrack(song: FoundSong, usable: Sequence[tuple[FoundStem, StemAnalysis]]) -> Multitrack:
    longest = max(analysis.duration_seconds for _, analysis in usable) if song.padded else 0.0
    stems = tuple(
        Stem(
            song=song.song,
            split=song.split,
            name=stem.name,
            instrument=stem.instrument,
            path=stem.recording.paths[0],
            duration_seconds=max(analysis.duration_seconds, longest),
            sample_rate=analysis.sample_rate,
            loudness_lufs=analysis.loudness_lufs,
            active=analysis.active,
            dry=stem.dry,
            sha256=analysis.sha256,
            free_name=stem.free_name,
            bleed=stem.bleed,
            stream=stem.recording.stream,
            added_paths=stem.recording.paths[1:],
            silence_seconds=max(longest - analysis.duration_seconds, 0.0),
        )
        for stem, analysis in usable
    )
    return Multitrack(song.song, song.collection, song.split, stems, song.artist)


def write_manifest(
    found: Found,
    output: str | Path,
    split: SplitWish | None,
    *,
    keep_bleed: bool = False,
    jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Measure, divide and write; measurements are kept in ``<output>.cache`` for the next time.

    Args:
        found: by an adapter.
        output: the manifest to write.
        split: how to divide the songs; None keeps the splits of the layout.
        keep_bleed, jobs, progress: see :func:`scan`.

    Returns:
        The songs as written, and what was left out with the reason.

    Raises:
        DataError, UsageError, OutputError: see :func:`scan`, ``assign_splits`` and ``save_manifest``.
    """
    output = Path(output)
    cache = output.with_name(output.name + ".cache")
    result = scan(found, keep_bleed=keep_bleed, cache=cache, jobs=jobs, progress=progress)
    if split is not None:
        result.multitracks = assign_splits(
            result.multitracks,
            evaluation_songs=split.evaluation_songs,
            validation_songs=split.validation_songs,
            evaluation_share=split.evaluation_share,
            validation_share=split.validation_share,
            seed=split.seed,
        )
    save_manifest(output, result.multitracks)
    return result
