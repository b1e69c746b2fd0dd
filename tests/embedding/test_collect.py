"""Files and folders to a list: order, uniqueness, shards that are a partition."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fxlens.embedding.collect import Shard, collect
from fxlens.errors import AudioMissingError, UsageError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b/2.WAV", "b/10.flac", "a.mp3", "ü/ß.ogg", "notes.txt", ".hidden/x.wav", "b/._2.wav"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    return tmp_path


def names(files: list[Path], root: Path) -> list[str]:
    return [file.relative_to(root).as_posix() for file in files]


def test_folders_are_searched_at_any_depth_in_order(tree: Path) -> None:
    assert names(collect([tree]), tree) == ["a.mp3", "b/10.flac", "b/2.WAV", "ü/ß.ogg"]


def test_files_keep_the_order_given_whatever_they_are(tree: Path) -> None:
    given = [tree / "notes.txt", tree / "missing.wav", tree / "a.mp3"]
    assert collect(given) == given


def test_a_file_named_twice_is_listed_once_under_its_first_name(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert collect(["a.mp3", "./b/../a.mp3", str(tree / "a.mp3")]) == [Path("a.mp3")]
    assert names(collect([tree / "b" / "2.WAV", tree]), tree)[0] == "b/2.WAV"
    assert len(collect([tree / "b" / "2.WAV", tree])) == 4


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_are_a_partition_that_no_order_of_arguments_changes(tree: Path, count: int) -> None:
    whole = collect([tree])
    parts = [collect([tree], Shard(number, count)) for number in range(1, count + 1)]
    assert sorted(file for part in parts for file in part) == sorted(whole)
    assert sum(map(len, parts)) == len(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for number, part in enumerate(parts, start=1):
        assert collect(list(reversed(whole)), Shard(number, count)) == part


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_impossible_shards_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="shard"):
        Shard.parse(text)
    assert Shard.parse(" 2/3 ") == Shard(2, 3)


def test_nothing_to_do_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioMissingError, match=f"{tmp_path}: there is no audio file in it"):
        collect([tmp_path])
    with pytest.raises(AudioMissingError, match="no file or folder"):
        collect([])


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    (tmp_path / name).touch()
    assert [file.name for file in collect([tmp_path])] == [name]
