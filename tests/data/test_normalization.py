"""Fx-normalisation of manifests: who is fitted, what is written, and what an interruption or damage leaves."""

from __future__ import annotations

import csv
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxlens.audio import io
from fxlens.audio.loudness import integrated_loudness
from fxlens.data.manifest import Multitrack, Stem, load_manifest, manifest_hash, save_manifest
from fxlens.data.normalization import normalize as job
from fxlens.data.normalization import stem as normalization_stem
from fxlens.data.normalization.normalize import NormalizeSettings, normalize_stems
from fxlens.data.stem_analysis import analyse
from fxlens.data.synthesis.synthetic import STEM_INSTRUMENTS, synthesize_song
from fxlens.errors import DataError, OutputError, UsageError
from fxlens.fxnorm.normalize import fx_normalize
from fxlens.fxnorm.statistics import load_statistics

SONGS = {"a/one": "train", "a/two": "train", "three": "validation", "four": "evaluation"}
STEMS = ("drums", "bass")


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training songs, one for validation, and one for evaluation that has an instrument of its own."""
    root = tmp_path_factory.mktemp("material")
    songs = []
    for seed, (song, split) in enumerate(SONGS.items()):
        names = (*STEMS, "keys") if split == "evaluation" else STEMS
        stems = []
        for name, audio in synthesize_song(seed, 2.5, instruments=names).items():
            stems.append(written(root / song / f"{name}.wav", audio, song, split, name))
        songs.append(Multitrack(song, "synth", split, tuple(stems), artist="someone"))
    save_manifest(root / "manifest.jsonl", songs)
    return root


def written(path: Path, audio: np.ndarray, song: str, split: str, name: str) -> Stem:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, 44_100, subtype="PCM_16")
    found = analyse(path)
    return Stem(
        song, split, name, STEM_INSTRUMENTS[name], path, found.duration_seconds, found.sample_rate,
        found.loudness_lufs, found.active, name == "bass", found.sha256, free_name=f"my {name}",
    )  # fmt: skip


@pytest.fixture
def own(material: Path, tmp_path: Path) -> Path:
    """The material, to be changed."""
    shutil.copytree(material, tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture(scope="session")
def finished(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an undisturbed job makes of the material, one stem at a time."""
    out = tmp_path_factory.mktemp("finished") / "out"
    normalize_stems([material / "manifest.jsonl"], out, NormalizeSettings(jobs=1))
    return out


def contents(folder: Path, but: tuple[str, ...] = (job.JOURNAL,)) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files if p.name not in but}


def test_the_new_manifest_says_what_is_there(material: Path, finished: Path) -> None:
    before = {m.song: m for m in load_manifest(material / "manifest.jsonl")}
    after = {m.song: m for m in load_manifest(finished / "manifest.jsonl")}
    assert list(after) == list(before)
    for song, multitrack in after.items():
        assert (multitrack.split, multitrack.collection, multitrack.artist) == (SONGS[song], "synth", "someone")
        for new, old in zip(multitrack.stems, before[song].stems, strict=True):
            assert (new.name, new.instrument, new.dry, new.free_name) == (
                old.name,
                old.instrument,
                old.dry,
                old.free_name,
            )
            assert new.path == finished / song / f"{new.name}.flac"
            measured = analyse(new.path)
            assert new.sha256 == measured.sha256 != old.sha256
            assert new.loudness_lufs == pytest.approx(measured.loudness_lufs, abs=0.01)
            assert new.active == measured.active
            info = io.probe(new.path)
            assert (info.sample_rate, info.channels, info.subtype) == (44_100, 2, "PCM_24")


def test_it_is_the_same_as_in_memory(material: Path, finished: Path) -> None:
    statistics = load_statistics(finished / "statistics.json")
    for stem in load_manifest(material / "manifest.jsonl")[3].stems:
        audio, rate = io.read(stem.path)
        expected = fx_normalize(audio, rate, stem.instrument, statistics)
        result, _ = io.read(finished / "four" / f"{stem.name}.flac")
        np.testing.assert_allclose(result, expected, atol=2.0**-23)


def test_stems_reach_the_loudness_of_their_class(material: Path, finished: Path) -> None:
    statistics = load_statistics(finished / "statistics.json")
    training = [m for m in load_manifest(material / "manifest.jsonl") if m.split == "train"]
    assert set(statistics.classes) == {"drums", "bass"} and statistics.songs == 2
    assert statistics.manifest_sha256 == manifest_hash(training)
    for multitrack in load_manifest(finished / "manifest.jsonl"):
        for stem in multitrack.stems:
            audio, rate = io.read(stem.path)
            target = statistics.of(stem.instrument).loudness_lufs
            assert float(integrated_loudness(audio, rate)) == pytest.approx(target, abs=0.02)


def test_the_report_tells_what_changed(finished: Path) -> None:
    rows = list(csv.DictReader((finished / "report.csv").read_text().splitlines()))
    assert [(r["song"], r["stem"]) for r in rows] == [
        (song, stem) for song in SONGS for stem in ((*STEMS, "keys") if song == "four" else STEMS)
    ]
    assert {r["stem"]: r["treatment"] for r in rows} == {"drums": "class", "bass": "class", "keys": "fallback"}
    changed = [r for r in rows if r["treatment"] == "class"]
    before, after = (np.array([float(r[f"spectrum_{when}_db"]) for r in changed]) for when in ("before", "after"))
    assert after.mean() < 0.6 * before.mean()
    for row in changed:
        allowed = float(row["peaks_allowed_db"])
        assert float(row["peaks_after_db"]) <= max(allowed, float(row["peaks_before_db"])) + 1e-3
        assert (float(row["peaks_before_db"]) > allowed) == (float(row["compressor_ratio"]) > 1.0)
    table = (finished / "summary.md").read_text()
    assert "| drums | 4 |" in table and "| all | 9 |" in table and "1 by the fallback" in table


def test_the_bytes_do_not_depend_on_the_number_of_jobs(material: Path, finished: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    normalize_stems(
        [material / "manifest.jsonl"], tmp_path / "out", NormalizeSettings(jobs=2),
        progress=lambda *what: told.append(what),
    )  # fmt: skip
    assert contents(tmp_path / "out") == contents(finished)
    done = [d for d, _, _ in told]
    assert done == sorted(done) and told[-1][:2] == (25, 25)


def test_a_stem_of_several_files_becomes_one(own: Path, finished: Path) -> None:
    stem = load_manifest(own / "manifest.jsonl")[3].stems[0]
    half = stem.path.with_name("half.wav")
    audio, rate = soundfile.read(stem.path, dtype="int32")
    soundfile.write(half, audio // 2, rate, subtype="PCM_32")
    summed = replace(stem, path=half, added_paths=(half,), sha256="sum")
    save_manifest(own / "sum.jsonl", [Multitrack("four", "synth", "evaluation", (summed,))])
    settings = NormalizeSettings(finished / "statistics.json", jobs=1)
    [song] = normalize_stems([own / "sum.jsonl"], own / "out", settings).multitracks
    assert (song.stems[0].added_paths, song.stems[0].path.name) == ((), f"{stem.name}.flac")
    ours, theirs = (io.read(folder / "four" / f"{stem.name}.flac")[0] for folder in (own / "out", finished))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_evaluation_songs_do_not_count(own: Path, finished: Path) -> None:
    songs = load_manifest(own / "manifest.jsonl")
    changed = written(
        own / "four" / "drums.wav",
        0.01 * synthesize_song(9, 2.5, instruments=["drums"])["drums"],
        "four",
        "evaluation",
        "drums",
    )
    save_manifest(own / "manifest.jsonl", [*songs[:3], replace(songs[3], stems=(changed,))])
    normalize_stems([own / "manifest.jsonl"], own / "out", NormalizeSettings(fit_only=True, jobs=1))
    assert (own / "out" / "statistics.json").read_bytes() == (finished / "statistics.json").read_bytes()
    assert not list((own / "out").rglob("*.flac"))


def test_given_statistics_are_applied(material: Path, finished: Path, tmp_path: Path) -> None:
    only = load_manifest(material / "manifest.jsonl")[3:]
    save_manifest(tmp_path / "m.jsonl", only)
    settings = NormalizeSettings(finished / "statistics.json", jobs=1, bits=16)
    normalize_stems([tmp_path / "m.jsonl"], tmp_path / "out", settings)
    assert (tmp_path / "out" / "statistics.json").read_bytes() == (finished / "statistics.json").read_bytes()
    ours, _ = io.read(tmp_path / "out" / "four" / "drums.flac")
    theirs, _ = io.read(finished / "four" / "drums.flac")
    np.testing.assert_allclose(ours, theirs, atol=2.0**-15)
    with pytest.raises(DataError, match="no song of split train"):
        normalize_stems([tmp_path / "m.jsonl"], tmp_path / "out2", NormalizeSettings(jobs=1))


def counted(monkeypatch: pytest.MonkeyPatch, hook: Callable[[int], None] = lambda n: None) -> list[Path]:
    """Note every file that is read; ``hook`` is told how many there were."""
    seen: list[Path] = []
    original = normalization_stem.stem_audio.read_stem

    def read(stem: Stem) -> tuple[np.ndarray, int]:
        hook(len(seen))
        seen.append(stem.path)
        return original(stem)

    monkeypatch.setattr(normalization_stem.stem_audio, "read_stem", read)
    return seen


@pytest.mark.parametrize("moment", [2, 11, 20])
def test_an_interruption_loses_nothing_that_was_finished(
    moment: int, material: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(count: int) -> None:
        if count == moment:
            raise KeyboardInterrupt

    out, manifest = tmp_path / "out", material / "manifest.jsonl"
    with monkeypatch.context() as patch:
        counted(patch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            normalize_stems([manifest], out, NormalizeSettings(jobs=1))
    assert not (out / "manifest.jsonl").exists()
    assert not [p for p in out.rglob("*") if p.name.startswith(".")]
    with (out / job.JOURNAL).open("a") as journal:
        journal.write('{"key": "cut sho')
    with pytest.raises(UsageError, match="resume"):
        normalize_stems([manifest], out, NormalizeSettings(jobs=1))
    with monkeypatch.context() as patch:
        seen = counted(patch)
        result = normalize_stems([manifest], out, NormalizeSettings(jobs=1, resume=True))
    undisturbed = 4 * 3 + sum(r.compressor_ratio > 1.0 for r in result.reports if r.split == "train") + 9
    assert len(seen) == undisturbed - moment
    assert contents(out) == contents(finished)


def test_finished_work_is_not_done_again_unless_what_it_came_from_changed(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, manifest, again = own / "out", own / "manifest.jsonl", NormalizeSettings(jobs=1, resume=True)
    normalize_stems([manifest], out, NormalizeSettings(jobs=1))
    first = contents(out)
    seen = counted(monkeypatch)
    result = normalize_stems([manifest], out, again)
    assert seen == [] and result.finished_before == 9 and contents(out) == first

    (out / "three" / "bass.flac").unlink()  # an output that is gone is made again, and only that
    normalize_stems([manifest], out, again)
    assert [p.name for p in seen] == ["bass.wav"] and contents(out) == first

    seen.clear()  # an evaluation stem that changed concerns itself alone
    songs = load_manifest(manifest)
    changed = written(
        own / "four" / "drums.wav",
        synthesize_song(9, 2.5, instruments=["drums"])["drums"],
        "four",
        "evaluation",
        "drums",
    )
    save_manifest(manifest, [*songs[:3], replace(songs[3], stems=(changed, *songs[3].stems[1:]))])
    normalize_stems([manifest], out, again)
    assert seen == [own / "four" / "drums.wav"]

    seen.clear()  # a training stem that changed concerns its class, and the fallback
    stem = written(
        own / "a" / "one" / "drums.wav",
        0.5 * synthesize_song(8, 2.5, instruments=["drums"])["drums"],
        "a/one",
        "train",
        "drums",
    )
    songs = load_manifest(manifest)
    save_manifest(manifest, [replace(songs[0], stems=(stem, songs[0].stems[1])), *songs[1:]])
    normalize_stems([manifest], out, again)
    assert {p.name for p in seen} == {"drums.wav", "keys.wav"}


def test_damaged_stems_are_named_and_left_out(own: Path) -> None:
    (own / "a" / "one" / "bass.wav").write_bytes(b"RIFF no audio")
    (own / "three" / "drums.wav").unlink()
    audio, rate = soundfile.read(own / "four" / "keys.wav")
    soundfile.write(own / "four" / "keys.wav", audio[: rate // 2], rate)
    result = normalize_stems([own / "manifest.jsonl"], own / "out", NormalizeSettings(jobs=2))
    assert set(result.left_out) == {"a/one/bass", "three/drums", "four/keys"}
    assert "bass.wav" in result.left_out["a/one/bass"]
    assert "0.50 of 2.50 s" in result.left_out["four/keys"]
    found = {(m.song, s.name) for m in load_manifest(own / "out" / "manifest.jsonl") for s in m.stems}
    assert found == {("a/one", "drums"), ("a/two", "drums"), ("a/two", "bass"), ("three", "bass"),
                     ("four", "drums"), ("four", "bass")}  # fmt: skip
    assert result.statistics.of("bass").songs == 1


def test_when_nothing_can_be_read(own: Path) -> None:
    for path in own.rglob("*.wav"):
        path.write_bytes(b"RIFF no audio")
    with pytest.raises(DataError):
        normalize_stems([own / "manifest.jsonl"], own / "out", NormalizeSettings(jobs=1))


def test_silence_and_mono_and_full_scale(own: Path) -> None:
    quiet = np.random.default_rng(0).standard_normal((2, 2 * 44_100)) * 1e-4
    click = np.zeros((1, 8 * 44_100))
    click[0, ::30_000] = 0.9  # loud peaks, little loudness
    songs = load_manifest(own / "manifest.jsonl")
    more = [
        written(own / "quiet" / "drums.wav", quiet, "quiet", "train", "drums"),
        written(own / "click" / "bass.wav", click, "click", "evaluation", "bass"),
    ]
    save_manifest(own / "manifest.jsonl", [*songs, *(Multitrack(s.song, "synth", s.split, (s,)) for s in more)])
    result = normalize_stems([own / "manifest.jsonl"], own / "out", NormalizeSettings(jobs=1))
    reports = {(r.song, r.stem): r for r in result.reports}
    assert reports["quiet", "drums"].treatment == "left alone" and math.isnan(reports["quiet", "drums"].lufs_after)
    assert result.statistics.of("drums").songs == 2
    same, _ = io.read(own / "out" / "quiet" / "drums.flac")
    np.testing.assert_array_equal(same, io.read(own / "quiet" / "drums.wav")[0])
    clicks, _ = io.read(own / "out" / "click" / "bass.flac")
    np.testing.assert_array_equal(clicks[0], clicks[1])
    assert np.abs(clicks).max() <= 10 ** (-0.1 / 20) + 1e-6
    assert reports["click", "bass"].held_back_db > 0.0
    assert "1 left alone" in result.summary and "under full scale" in result.summary


def test_names_that_are_no_file_names(own: Path) -> None:
    songs = load_manifest(own / "manifest.jsonl")
    first, second = songs[0].stems
    odd = Multitrack(
        "../up/AC: DC?",
        "c",
        "train",
        (replace(first, name=".hid"), replace(second, name="Bass"), replace(second, name="bass")),
    )
    save_manifest(own / "manifest.jsonl", [odd])
    normalize_stems([own / "manifest.jsonl"], own / "out", NormalizeSettings(jobs=1))
    found = sorted(p.relative_to(own / "out").as_posix() for p in (own / "out").rglob("*.flac"))
    assert found == ["_/up/AC_ DC_/Bass.flac", "_/up/AC_ DC_/_hid.flac", "_/up/AC_ DC_/bass-2.flac"]


def test_mistakes_are_named(material: Path, finished: Path, tmp_path: Path) -> None:
    manifest = material / "manifest.jsonl"
    with pytest.raises(DataError, match="is in another manifest, too"):
        normalize_stems([manifest, manifest], tmp_path / "out")
    with pytest.raises(UsageError, match="jobs"):
        normalize_stems([manifest], tmp_path / "out", NormalizeSettings(jobs=0))
    with pytest.raises(UsageError, match="bits"):
        normalize_stems([manifest], tmp_path / "out", NormalizeSettings(bits=8))
    with pytest.raises(UsageError, match="need not be fitted"):
        normalize_stems([manifest], tmp_path / "out", NormalizeSettings(finished / "statistics.json", fit_only=True))
    with pytest.raises(UsageError, match="one of the sources"):
        normalize_stems([finished / "manifest.jsonl"], finished, NormalizeSettings(jobs=1, resume=True))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        normalize_stems([manifest], tmp_path / "file" / "out")


def test_a_full_disk_stops_the_job_and_keeps_what_is_finished(
    material: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, count = tmp_path / "out", 0
    original = normalization_stem.io.write

    def write(path: Path, audio: np.ndarray, rate: int, subtype: str) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise OutputError(f"{path}: cannot be written (No space left on device)")
        original(path, audio, rate, subtype)

    with monkeypatch.context() as patch:
        patch.setattr(normalization_stem.io, "write", write)
        with pytest.raises(OutputError, match="No space left"):
            normalize_stems([material / "manifest.jsonl"], out, NormalizeSettings(jobs=1))
    assert len(list(out.rglob("*.flac"))) == 2
    result = normalize_stems([material / "manifest.jsonl"], out, NormalizeSettings(jobs=1, resume=True))
    assert result.finished_before == 2
    assert contents(out) == contents(finished)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.0, 3.5])
def test_a_killed_job_goes_on(seconds: float, material: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import sys; from fxlens.data.normalization.normalize import *\n"
        "print('ready', flush=True)\n"
        "normalize_stems([sys.argv[1]], sys.argv[2], NormalizeSettings(jobs=2))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(material / "manifest.jsonl"), str(out)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    time.sleep(seconds)
    if hasattr(signal, "SIGKILL"):
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    normalize_stems([material / "manifest.jsonl"], out, NormalizeSettings(jobs=2, resume=True))
    kept = {name: data for name, data in contents(out).items() if not Path(name).name.startswith(".fxlens-")}
    assert kept == contents(finished)
