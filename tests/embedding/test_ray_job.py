"""Ray gives the rows of ``fxlens embed``; what fails says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fxlens.embedding.collect import collect
from fxlens.embedding.job import embed_files
from fxlens.embedding.ray_job import EmbedBytes, main
from fxlens.embedding.settings import EmbedSettings
from fxlens.models.fx_encoder import FxEncoder


def bytes_of(folder: Path) -> dict[str, np.ndarray]:
    files = collect([folder])
    content = np.empty(len(files), dtype=object)
    content[:] = [file.read_bytes() for file in files]
    return {"path": np.asarray([str(file) for file in files], dtype=object), "bytes": content}


@pytest.mark.parametrize("settings", [EmbedSettings(), EmbedSettings(pool="none", query="drums", hop_seconds=0.5)])
def test_an_actor_makes_the_rows_of_embed(
    encoder: FxEncoder, model: Path, folder: Path, tmp_path: Path, settings: EmbedSettings
) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra [ray]")
    embed_files(encoder, collect([folder]), tmp_path / "whole.npz", settings)
    rows = EmbedBytes(str(model), settings, device="cpu")(bytes_of(folder))
    with np.load(tmp_path / "whole.npz") as whole:
        np.testing.assert_array_equal(np.asarray(rows["embedding"].to_pylist(), np.float32), whole["embedding"])
        np.testing.assert_array_equal(rows["end"], whole["end"])
        assert rows["path"] == whole["path"].tolist()
    assert set(rows["model"]) == {encoder.model_id} and set(rows["error"]) == {""}


def test_a_broken_file_is_a_row_that_says_so(model: Path, folder: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra [ray]")
    (folder / "2.wav").write_text("no audio")
    rows = EmbedBytes(str(model), EmbedSettings(), device="cpu")(bytes_of(folder))
    assert rows["embedding"].to_pylist()[2] is None and len(rows["path"]) == 6
    assert rows["error"][2].startswith(f"AudioDecodeError: {folder / '2.wav'}: ")
    assert [bool(error) for error in rows["error"]].count(True) == 1


def test_without_ray_the_extra_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["songs", "-o", "out"]) == 4
    assert "pip install 'fxlens[ray]'" in capsys.readouterr().err


@pytest.mark.slow
def test_on_ray_in_local_mode(encoder: FxEncoder, model: Path, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray.data", reason="needs the extra [ray]")
    (folder / "broken.wav").write_text("no audio")
    embed_files(encoder, collect([folder]), tmp_path / "whole.npz")
    call = [sys.executable, "-m", "fxlens.embedding.ray_job", str(folder), "-o", str(tmp_path / "out")]
    call += ["-m", str(model), "--actors", "2", "--cpus", "0.5", "--files", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(call, capture_output=True, text=True, timeout=400, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "out").sort_by("path")
    good = [row for row in table.to_pylist() if not row["error"]]
    with np.load(tmp_path / "whole.npz") as whole:
        assert [row["path"] for row in good] == whole["path"].tolist()
        np.testing.assert_array_equal(np.asarray([row["embedding"] for row in good], np.float32), whole["embedding"])
    assert [Path(row["path"]).name for row in table.to_pylist() if row["error"]] == ["broken.wav"]
    again = subprocess.run(call, capture_output=True, text=True, timeout=400, env=environment)
    assert again.returncode == 2 and "holds parquet files already" in again.stderr
