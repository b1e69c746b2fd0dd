"""The job: the rows of ``encode``, nothing lost to an interruption, the same bytes in the end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fxlens.embedding import job
from fxlens.embedding.collect import Shard, collect
from fxlens.embedding.job import EmbedSettings, embed_files
from fxlens.embedding.journal import Journal
from fxlens.errors import AudioDecodeError, AudioError, OutputError, UsageError
from fxlens.models.fx_encoder import FxEncoder

RATE = 8000


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


@contextmanager
def interrupted_at(count: int, monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None) -> Iterator[None]:
    """Ctrl-C (or another end) when the file number ``count`` is begun."""
    real, begun, lock = job.Network.entry, [0], threading.Lock()

    def entry(self: Any, file: Path) -> Any:
        with lock:
            begun[0] += 1
            now = begun[0]
        if now >= count:
            raise error or KeyboardInterrupt
        return real(self, file)

    with monkeypatch.context() as patch:
        patch.setattr(job.Network, "entry", entry)
        yield


@pytest.mark.parametrize(
    "settings",
    [
        EmbedSettings(),
        EmbedSettings(query="lead vocals", batch_size=2),
        EmbedSettings(query="drums", hop_seconds=0.5),
        EmbedSettings(pool="none", hop_seconds=0.7),
    ],
    ids=["mixture", "query", "hop", "windows"],
)
def test_rows_are_those_of_encode(encoder: FxEncoder, folder: Path, tmp_path: Path, settings: EmbedSettings) -> None:
    files = collect([folder])
    done = embed_files(encoder, files, tmp_path / "out.npz", settings)
    data = load(tmp_path / "out.npz")
    assert data["embedding"].dtype == np.float32 and len(data["embedding"]) == done.rows == len(data["path"])
    assert str(data["model"]) == encoder.model_id and str(data["query"]) == (settings.query or "")
    for file in files:
        mine = data["path"] == str(file)
        vectors, times = encoder.encode(
            file,
            query=settings.query,
            batch_size=settings.batch_size,
            pool=settings.pool,
            return_times=True,
            hop_seconds=settings.hop_seconds,
        )
        np.testing.assert_array_equal(data["embedding"][mine], np.atleast_2d(vectors))
        start, end = data["start"][mine], data["end"][mine]
        if settings.pool == "mean":
            assert (start, end) == (times[0, 0], times[-1, 1])
        else:
            np.testing.assert_array_equal(np.stack([start, end], 1), times)
    assert list(dict.fromkeys(data["path"].tolist())) == [str(file) for file in files]
    assert not (tmp_path / "out.npz.partial").exists() and not (tmp_path / "out.npz.errors.jsonl").exists()


def test_query_as_audio(encoder: FxEncoder, folder: Path, tmp_path: Path) -> None:
    sound = folder / "0.wav"
    embed_files(encoder, [folder / "1.wav"], tmp_path / "out.npz", EmbedSettings(query_audio=sound))
    data = load(tmp_path / "out.npz")
    np.testing.assert_array_equal(data["embedding"][0], encoder.encode(folder / "1.wav", query_audio=str(sound)))
    assert str(data["query"]) == f"audio:{sound}"


def test_segment_overrides_the_windows_and_leaves_the_model_alone(
    encoder: FxEncoder, folder: Path, tmp_path: Path
) -> None:
    embed_files(encoder, [folder / "5.wav"], tmp_path / "out.npz", EmbedSettings(pool="none", segment_seconds=0.5))
    data = load(tmp_path / "out.npz")
    np.testing.assert_allclose(data["end"] - data["start"], 0.5)
    assert encoder.config.window_seconds == 1.0


def test_jobs_and_repetition_change_no_byte(encoder: FxEncoder, folder: Path, tmp_path: Path) -> None:
    outputs = []
    for number, jobs in enumerate((1, 1, 4)):
        output = tmp_path / f"{number}" / "out.npz"
        embed_files(encoder, collect([folder]), output, EmbedSettings(jobs=jobs))
        outputs.append(output.read_bytes())
    assert outputs[0] == outputs[1] == outputs[2]


def test_shards_together_are_the_whole(encoder: FxEncoder, folder: Path, tmp_path: Path) -> None:
    embed_files(encoder, collect([folder]), tmp_path / "all.npz")
    whole = load(tmp_path / "all.npz")
    rows: dict[str, np.ndarray] = {}
    for number in (1, 2, 3, 4):
        output = tmp_path / f"{number}.npz"
        embed_files(encoder, collect([folder], Shard(number, 4)), output)
        part = load(output)
        rows |= dict(zip(part["path"].tolist(), part["embedding"], strict=True))
    np.testing.assert_array_equal(np.stack([rows[path] for path in whole["path"]]), whole["embedding"])


def test_a_shard_without_files_is_an_empty_table(encoder: FxEncoder, tmp_path: Path) -> None:
    embed_files(encoder, [], tmp_path / "out.npz")
    assert load(tmp_path / "out.npz")["embedding"].shape == (0, encoder.embedding_dim)


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("at", [1, 3, 6])
def test_interrupted_and_resumed_ends_with_the_same_bytes(
    encoder: FxEncoder, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, jobs: int
) -> None:
    files, output, settings = collect([folder]), tmp_path / "out.npz", EmbedSettings(jobs=jobs)
    embed_files(encoder, files, tmp_path / "straight.npz", settings)
    with interrupted_at(at, monkeypatch), pytest.raises(KeyboardInterrupt):
        embed_files(encoder, files, output, settings)
    assert not output.exists()
    kept = output.with_name("out.npz.partial").is_dir()
    assert kept == (at > 1) or jobs > 1
    if kept:
        with pytest.raises(UsageError, match="add --resume"):
            embed_files(encoder, files, output, settings)
    done = embed_files(encoder, files, output, settings, resume=True)
    # With several at once, those in work were given up.
    assert done.resumed == at - 1 if jobs == 1 else done.resumed < at
    assert output.read_bytes() == (tmp_path / "straight.npz").read_bytes()
    assert not output.with_name("out.npz.partial").exists()


def test_ctrl_c_in_the_main_thread_keeps_what_is_finished(encoder: FxEncoder, folder: Path, tmp_path: Path) -> None:
    def progress(done: int, total: int, file: Path) -> None:
        if done == 2:
            raise KeyboardInterrupt

    files, output = collect([folder]), tmp_path / "out.npz"
    with pytest.raises(KeyboardInterrupt):
        embed_files(encoder, files, output, progress=progress)
    assert threading.active_count() == 1 or all("fxlens-embed" not in t.name for t in threading.enumerate())
    assert embed_files(encoder, files, output, resume=True).resumed >= 2


def test_a_torn_line_is_dropped(
    encoder: FxEncoder, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, output = collect([folder]), tmp_path / "out.npz"
    with interrupted_at(5, monkeypatch), pytest.raises(KeyboardInterrupt):
        embed_files(encoder, files, output, EmbedSettings(jobs=1))
    journal = tmp_path / "out.npz.partial" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    assert embed_files(encoder, files, output, resume=True).resumed == 3
    embed_files(encoder, files, tmp_path / "straight.npz")
    assert output.read_bytes() == (tmp_path / "straight.npz").read_bytes()


def test_a_journal_belongs_to_its_call(
    encoder: FxEncoder, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, output = collect([folder]), tmp_path / "out.npz"
    with interrupted_at(3, monkeypatch), pytest.raises(KeyboardInterrupt):
        embed_files(encoder, files, output, EmbedSettings(query="drums"))
    for other, name in (
        (EmbedSettings(query="bass"), "query"),
        (EmbedSettings(query="drums", hop_seconds=0.5), "hop"),
        (EmbedSettings(query="drums", pool="none"), "pool"),
        (EmbedSettings(query="drums", batch_size=3), "batch_size"),
    ):
        with pytest.raises(UsageError, match=f"was begun with {name} "):
            embed_files(encoder, files, output, other, resume=True)
    another = FxEncoder(encoder.config)
    with pytest.raises(UsageError, match="was begun with model 'tiny-"):
        embed_files(another, files, output, EmbedSettings(query="drums"), resume=True)
    assert embed_files(encoder, files, output, EmbedSettings(query="drums", jobs=1), resume=True).files == 6


def test_a_file_that_changed_meanwhile_is_computed_again(
    encoder: FxEncoder, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, output = collect([folder]), tmp_path / "out.npz"
    with interrupted_at(4, monkeypatch), pytest.raises(KeyboardInterrupt):
        embed_files(encoder, files, output, EmbedSettings(jobs=1))
    shutil.copyfile(files[5], files[0])
    assert embed_files(encoder, files, output, resume=True).resumed == 2
    rows = load(output)["embedding"]
    np.testing.assert_array_equal(rows[0], rows[5])


def test_failures_are_listed_and_only_they_are_done_again(
    encoder: FxEncoder, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (folder / "2.wav").read_bytes()
    (folder / "2.wav").write_text("no audio")
    files, output = [*collect([folder]), folder / "missing.wav"], tmp_path / "out.npz"
    for _ in range(2):  # the second call needs no --resume: the first one came to its end
        done = embed_files(encoder, files, output)
        assert (done.files, done.rows, done.resumed) == (5, 5, 0)
        assert [(f.path, f.error) for f in done.failures] == [
            (str(folder / "2.wav"), "AudioDecodeError"),
            (str(folder / "missing.wav"), "AudioMissingError"),
        ]
        assert done.errors is not None
        listed = [json.loads(line) for line in done.errors.read_text().splitlines()]
        assert [set(line) for line in listed] == [{"path", "error", "message"}] * 2
        assert all(line["message"].startswith(line["path"]) for line in listed)
    (folder / "2.wav").write_bytes(good)
    done = embed_files(encoder, files[:-1], output, resume=True)
    assert (done.files, done.resumed, done.errors) == (6, 5, None)
    assert not (tmp_path / "out.npz.errors.jsonl").exists()
    embed_files(encoder, files[:-1], tmp_path / "straight.npz")
    assert output.read_bytes() == (tmp_path / "straight.npz").read_bytes()


def test_all_failed_writes_no_table(encoder: FxEncoder, tmp_path: Path) -> None:
    done = embed_files(encoder, [tmp_path / "x.wav"], tmp_path / "out.npz")
    assert done.files == 0 and len(done.failures) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.npz.errors.jsonl"]


def test_fail_fast_raises_and_keeps(encoder: FxEncoder, folder: Path, tmp_path: Path) -> None:
    (folder / "4.wav").write_text("no audio")
    settings = EmbedSettings(jobs=1)
    with pytest.raises(AudioDecodeError, match=r"4\.wav"):
        embed_files(encoder, collect([folder]), tmp_path / "out.npz", settings, fail_fast=True)
    assert embed_files(encoder, collect([folder]), tmp_path / "out.npz", settings, resume=True).resumed == 4


def test_a_disk_that_fails_while_reading_is_the_files_failure(
    encoder: FxEncoder, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with interrupted_at(6, monkeypatch, OSError(errno.EIO, os.strerror(errno.EIO))):
        done = embed_files(encoder, collect([folder]), tmp_path / "out.npz", EmbedSettings(jobs=1))
    assert done.files == 5 and "Input/output error" in done.failures[0].message


def test_a_full_disk_keeps_what_fitted(encoder: FxEncoder, folder: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    files, output, settings = collect([folder]), tmp_path / "out.npz", EmbedSettings(jobs=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"out\.npz: cannot be written .*\d finished files are kept"):
            embed_files(encoder, files, output, settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "out.npz.partial" / "journal.jsonl").stat().st_size == 1000  # the last line is torn
    assert embed_files(encoder, files, output, settings, resume=True).resumed >= 1
    embed_files(encoder, files, tmp_path / "straight.npz", settings)
    assert output.read_bytes() == (tmp_path / "straight.npz").read_bytes()


def test_an_output_that_cannot_be_written_is_told_before_any_work(
    encoder: FxEncoder, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with interrupted_at(1, monkeypatch), pytest.raises(OutputError, match="cannot be written"):
        embed_files(encoder, collect([folder]), tmp_path / "file" / "out.npz")


def test_two_writers_of_one_output(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with Journal(tmp_path / "out.npz", {}, False), pytest.raises(OutputError, match="another fxlens"):
        Journal(tmp_path / "out.npz", {}, False)


@pytest.mark.parametrize(
    "settings",
    [{"pool": "max"}, {"batch_size": 0}, {"jobs": 0}, {"hop_seconds": -1.0}, {"segment_seconds": 0.0},
     {"query": "bass", "query_audio": Path("x.wav")}],
)  # fmt: skip
def test_impossible_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        EmbedSettings(**settings)


def test_samples_too_large_for_the_model_are_named(encoder: FxEncoder, tmp_path: Path) -> None:
    loud = np.full((RATE * 2, 2), 3e38, np.float32)
    loud[::2] = -3e38
    soundfile.write(tmp_path / "x.wav", loud, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"x\.wav"):
        embed_files(encoder, [tmp_path / "x.wav"], tmp_path / "out.npz", fail_fast=True)
