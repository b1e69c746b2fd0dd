"""``fxlens embed`` killed in the middle, again and again: --resume ends with the bytes of a run that was left alone."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from killed_process import kill_often, launcher, needs_proc, seconds_of_work, write_songs

from fxlens.embedding.collect import collect
from fxlens.embedding.job import embed_files
from fxlens.models.fx_encoder import FxEncoder


def whole_lines(journal: Path) -> list[str]:
    """Paths of finished files, in the order in which they were finished; a torn last line is none."""
    if not journal.is_file():
        return []
    lines = journal.read_bytes().split(b"\n")[1:-1]
    return [json.loads(line)["path"] for line in lines]


@needs_proc
@pytest.mark.parametrize("suffix", ["npz", "parquet"])
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_and_resumed(model: Path, tmp_path: Path, kind: signal.Signals, suffix: str, kills: int) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="parquet needs fxlens[parquet]")
    if kills < 10 and (suffix == "parquet") == (kind is signal.SIGKILL):
        pytest.skip("with many kills only: the other kind of file is killed so")
    files = 24 if kills == 10 else 8
    songs = write_songs(tmp_path / "songs", files)
    straight, output = tmp_path / "straight" / f"e.{suffix}", tmp_path / "killed" / f"e.{suffix}"
    journal = output.with_name(output.name + ".partial") / "journal.jsonl"
    known: list[str] = []

    def call(target: Path, resume: bool) -> Sequence[object]:
        plain = ["embed", songs, "-m", model, "-o", target, "--hop", "0.02", "--pool", "none", "-d", "cpu"]
        return [*plain, "--resume"] if resume else plain

    def finished() -> int:
        """Count them, and see that none of those before is lost and none is there twice."""
        there = whole_lines(journal)
        assert there[: len(known)] == known and len(set(there)) == len(there)
        known[:] = there
        return len(there)

    def forget() -> None:
        shutil.rmtree(output.parent)
        known.clear()

    with launcher() as start:
        begins = straight.with_name(straight.name + ".partial") / "journal.jsonl"
        work = seconds_of_work(start, call(straight, False), begins)
        shown = kill_often(
            start, lambda on: call(output, on), journal, work / files, files, kills, kind,
            lambda: len(whole_lines(journal)), finished, forget, seed=1,
        )  # fmt: skip
        if not output.exists():  # else the last kill came when all was written
            last = start(call(output, bool(known)))
            out, err = last.wait()
            assert last.returncode == 0, err
            assert (f"from {files} files, {len(known)} of them before" in out) == bool(known), out
    print(f"{kind.name}, {work:.2f} s of work: finished after each kill {shown.finished}, {shown.starts} start(s)")
    assert len({count for count in shown.finished if 0 < count < files}) >= (4 if kills == 10 else 1), shown
    assert output.read_bytes() == straight.read_bytes()
    assert sorted(path.name for path in output.parent.iterdir()) == [output.name]


def test_what_a_kill_while_writing_left_is_removed(encoder: FxEncoder, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.npz"
    embed_files(encoder, collect([folder]), output)
    before, another = output.read_bytes(), ".another.npz.0123abcd.partial.npz"
    for name in (".out.npz.0123abcd.partial.npz", ".out.npz.errors.jsonl.89abcdef.partial.jsonl", another):
        (tmp_path / name).write_bytes(b"half")
    embed_files(encoder, collect([folder]), output)
    left = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert left == [another, "out.npz"] and output.read_bytes() == before
