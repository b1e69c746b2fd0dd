"""A job divided among processes that a launcher started, and put together again: the bytes of one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fxlens.cli.merge_command import merge as merge_command
from fxlens.embedding.collect import Shard, collect
from fxlens.embedding.job import embed_files
from fxlens.embedding.merge import merge, read_table
from fxlens.errors import DataError, UsageError
from fxlens.models.fx_encoder import FxEncoder


@pytest.mark.parametrize(
    ("told", "shard"),
    [
        ({"RANK": "3", "WORLD_SIZE": "8"}, Shard(4, 8)),
        ({"RANK": "0", "WORLD_SIZE": "2", "SLURM_PROCID": "5", "SLURM_NTASKS": "6"}, Shard(1, 2)),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "6"}, Shard(6, 6)),
        ({"SLURM_PROCID": "0", "SLURM_ARRAY_TASK_ID": "14", "SLURM_ARRAY_TASK_MIN": "10",
          "SLURM_ARRAY_TASK_STEP": "2", "SLURM_ARRAY_TASK_COUNT": "4"}, Shard(3, 4)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_MIN": "1",
          "SLURM_ARRAY_TASK_COUNT": "3"}, Shard(4, 6)),
    ],
)  # fmt: skip
def test_what_launchers_tell(told: dict[str, str], shard: Shard) -> None:
    assert Shard.of_process(told) == shard


def test_nobody_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "SLURM_PROCID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="neither torchrun nor SLURM"):
        Shard.of_process()
    with pytest.raises(UsageError, match="make no sense"):
        Shard.of_process({"RANK": "one", "WORLD_SIZE": "2"})


def test_names_of_parts_sort_as_their_numbers() -> None:
    names = [Shard(number, 12).path(Path("a/songs.npz")) for number in range(1, 13)]
    assert names[1] == Path("a/songs.02-of-12.npz") and sorted(names) == names


def test_two_processes_of_a_launcher(encoder: FxEncoder, model: Path, folder: Path, tmp_path: Path) -> None:
    """As srun starts them: the same call, other variables."""
    embed_files(encoder, collect([folder]), tmp_path / "whole.npz")
    call = [sys.executable, "-m", "fxlens.cli", "embed", folder, "-o", tmp_path / "songs.npz", "-m", model]
    call += ["--shard", "auto", "-d", "cpu"]
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    environment |= {"OMP_NUM_THREADS": "1", "SLURM_NTASKS": "2"}
    running = [
        subprocess.Popen([str(word) for word in call], env={**environment, "SLURM_PROCID": str(rank)})
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    parts = [tmp_path / f"songs.{number}-of-2.npz" for number in (1, 2)]
    assert [len(read_table(part).path) for part in parts] == [3, 3]
    merge_command(parts[::-1], tmp_path / "merged.npz")
    assert (tmp_path / "merged.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.slow
def test_under_torchrun(encoder: FxEncoder, model: Path, folder: Path, tmp_path: Path) -> None:
    embed_files(encoder, collect([folder]), tmp_path / "whole.npz")
    call = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "fxlens.cli"]
    call += ["embed", str(folder), "-o", str(tmp_path / "songs.npz"), "-m", str(model), "--shard", "auto", "-d", "cpu"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    merge(sorted(tmp_path.glob("songs.*-of-2.npz")), tmp_path / "merged.npz")
    assert (tmp_path / "merged.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_parts_of_windows(encoder: FxEncoder, folder: Path, tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra [parquet]")
    from fxlens.embedding.settings import EmbedSettings

    settings, files = EmbedSettings(pool="none", query="drums"), collect([folder])
    embed_files(encoder, files, tmp_path / f"whole.{suffix}", settings)
    parts = []
    for number in (1, 2, 3):
        shard = Shard(number, 3)
        parts.append(shard.path(tmp_path / f"songs.{suffix}"))
        embed_files(encoder, collect([folder], shard), parts[-1], settings)
    merge(parts, tmp_path / f"merged.{suffix}")
    assert (tmp_path / f"merged.{suffix}").read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()
    table = read_table(tmp_path / f"merged.{suffix}")
    assert table.query == "drums" and table.model == encoder.model_id
    with pytest.raises(UsageError, match=r"part 2 of 3 is missing; embed it with --shard 2/3"):
        merge([parts[0], parts[2]], tmp_path / "x.npz")


def test_parts_that_do_not_belong_together(encoder: FxEncoder, folder: Path, tmp_path: Path) -> None:
    files = collect([folder])
    embed_files(encoder, files[:2], tmp_path / "a.npz")
    embed_files(encoder, files[1:3], tmp_path / "b.npz")
    embed_files(FxEncoder(encoder.config), files[3:], tmp_path / "c.npz")
    (tmp_path / "d.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-100])
    np.savez(tmp_path / "e.npz", embedding=np.zeros((1, 2)))
    for parts, message in (
        ("ab", "both hold .*1.wav"),
        ("ac", "its model is"),
        ("ad", "d.npz: is no table"),
        ("ae", "e.npz: is no table"),
        ("x", "no such file"),
    ):
        with pytest.raises(DataError, match=message):
            merge([tmp_path / f"{part}.npz" for part in parts], tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()
