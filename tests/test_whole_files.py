"""Files are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fxlens.errors import DataError, OutputError
from fxlens.whole_files import remove_left_overs, whole_file, write_bytes, write_text

needs_modes = pytest.mark.skipif(os.name == "nt", reason="files have no modes there")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_is_made_with_its_folders_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "text.txt"
    write_text(path, "Stück\r\nof\n")
    assert path.read_bytes() == "Stück\r\nof\n".encode()  # line ends as they are
    write_bytes(str(path), b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert names(path.parent) == ["text.txt"]


def test_the_scratch_file_is_beside_hidden_and_of_the_same_suffix(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.npz"
    path.write_text("old")
    with whole_file(path) as scratch:
        assert scratch.parent == path.parent and scratch.name.startswith(".table.csv.npz.")
        assert scratch.suffix == ".npz" and scratch.read_bytes() == b""
        scratch.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and names(tmp_path) == [path.name]


@needs_modes
@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_the_mode_is_that_of_an_ordinary_file(tmp_path: Path, umask: int, expected: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "plain", "x")
        with whole_file(tmp_path / "private") as scratch:  # as safetensors and mkstemp do
            scratch.unlink()
            os.close(os.open(scratch, os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        os.umask(before)
    assert mode(tmp_path / "plain") == mode(tmp_path / "private") == expected


def test_it_is_on_the_disk_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr("fxlens.whole_files.os.fsync", lambda file: (calls.append("fsync"), fsync(file)))
    monkeypatch.setattr("fxlens.whole_files.os.replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    write_bytes(tmp_path / "a", b"new")
    assert calls == ["fsync", "replace"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), DataError("no"), ValueError("no")], ids=repr)
def test_what_ends_the_block_passes_and_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(type(error)) as raised, whole_file(path) as scratch:
        scratch.write_text("half")
        raise error
    assert raised.value is error
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_an_interruption_while_renaming_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fxlens.whole_files.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new")
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("place", ["open", "fsync", "replace"])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"fxlens.whole_files.os.{place}", full)
    with pytest.raises(
        OutputError, match=r"a\.txt: cannot be written \(No space left on device\); check .* free space"
    ):
        write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_an_error_without_a_reason_of_the_system_is_told_in_its_own_words(tmp_path: Path) -> None:
    message = r"a: cannot be written \(100 requested and 3 written\); check"  # as NumPy tells of a full disk
    with pytest.raises(OutputError, match=message), whole_file(tmp_path / "a"):
        raise OSError("100 requested and 3 written")
    assert names(tmp_path) == []


@needs_modes
def test_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write_text(folder / "a", "old")
    folder.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user can write everywhere")
        with pytest.raises(OutputError, match=r"a: cannot be written \(Permission denied\); check permissions"):
            write_text(folder / "a", "new")
    finally:
        folder.chmod(0o755)
    assert (folder / "a").read_text() == "old" and names(folder) == ["a"]


@pytest.mark.parametrize("below", ["a", "b/a"])
def test_a_folder_that_is_a_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("somebody's")
    path = tmp_path / "file" / below
    with pytest.raises(OutputError, match=r"a: cannot be written \(.* is no folder\); choose another place") as raised:
        write_text(path, "new")
    assert str(path) in str(raised.value)
    assert (tmp_path / "file").read_text() == "somebody's"


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="a: cannot be written"):
        write_text(tmp_path / "a", "new")
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == []


def test_writers_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    path, texts = tmp_path / "a.txt", [letter * 20_000 for letter in "abcdefgh"]
    seen: set[str] = set()

    def write(text: str) -> None:
        for _ in range(10):
            with whole_file(path) as scratch, open(scratch, "w") as file:
                file.write(text[:10_000])
                file.flush()
                file.write(text[10_000:])
            seen.add(path.read_text())

    with ThreadPoolExecutor(len(texts)) as pool:
        list(pool.map(write, texts))
    assert seen <= set(texts) and path.read_text() in texts
    assert names(tmp_path) == ["a.txt"]


def test_the_one_that_ends_last_has_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with whole_file(path) as first:
        with whole_file(path) as second:
            assert first != second
            second.write_text("second")
        assert path.read_text() == "second"
        first.write_text("first")
    assert path.read_text() == "first"


@pytest.mark.parametrize("name", ["x.json", "x", "x.tar.gz", "[x].npz"])
def test_left_overs_of_killed_writers_are_known_by_their_names(tmp_path: Path, name: str) -> None:
    """What :func:`whole_file` names is what :func:`remove_left_overs` finds, and nothing else."""
    path = tmp_path / name
    with whole_file(path) as scratch:
        left = scratch.name
    kept = [name, f"{name}.partial", f".{name}", f".other-{left[1:]}", f"{left}.more", f".{name}.partial{path.suffix}"]
    for one in (*kept, left):
        (tmp_path / one).touch()
    remove_left_overs(path)
    assert names(tmp_path) == sorted(kept)


def test_young_left_overs_may_be_somebodys_work(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with whole_file(path) as young, whole_file(path) as old:
        os.utime(old, (1.0, 1.0))
        remove_left_overs(path, older_than_seconds=60.0)
        assert young.exists() and not old.exists()
        old.touch()


def test_left_overs_of_a_folder_that_is_not_there_are_none(tmp_path: Path) -> None:
    remove_left_overs(tmp_path / "nowhere" / "a")
    assert names(tmp_path) == []
