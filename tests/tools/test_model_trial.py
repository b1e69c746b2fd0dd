"""The whole recipe of the shipped model in small, on synthesised songs: ended in the middle, gone on with, done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fxlens.describing.head_files import load_heads
from fxlens.describing.reading import describe
from fxlens.evaluation.results import load_results
from fxlens.models.fx_encoder import FxEncoder

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="no SIGTERM")]
STEPS = [
    "real",
    "midi",
    "small",
    "small-other",
    "small-joint",
    "small-listening",
    "ship",
    "describe",
    "evaluate",
    "report",
]


def started(tools: Path, work: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("FXLENS_DATA", None)
    call = [sys.executable, str(tools / "make_model.py"), "--trial", "--work", str(work), "--jobs", "2"]
    with log.open("wb") as file:
        return subprocess.Popen(call, stdout=file, stderr=subprocess.STDOUT, env=environment)


def test_the_recipe_in_small(tools: Path, tmp_path: Path) -> None:
    pytest.importorskip("pytorch_lightning", reason="needs the extra [train]")
    pytest.importorskip("matplotlib", reason="needs the extra [plot]")
    work = tmp_path / "work"
    first = started(tools, work, tmp_path / "first.log")
    checkpoint, deadline = work / "small" / "checkpoints" / "last.ckpt", time.monotonic() + 1200.0
    while not checkpoint.exists():
        assert first.poll() is None and time.monotonic() < deadline, (tmp_path / "first.log").read_text()
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    assert first.wait(300.0) == 143, (tmp_path / "first.log").read_text()
    assert "the same call goes on" in (tmp_path / "first.log").read_text()

    assert started(tools, work, tmp_path / "second.log").wait(1200.0) == 0, (tmp_path / "second.log").read_text()
    told = (tmp_path / "second.log").read_text()
    assert "1/10 real: there already" in told and "2/10 midi: there already" in told
    assert "3/10 small: learns what effects sound like (goes on; " in told
    assert "--resume" in (work / "logs" / "small.log").read_text()
    for run in ("small", "small-other", "small-joint", "small-listening"):
        steps = [int(row.split(",")[0]) for row in (work / run / "metrics.csv").read_text().splitlines()[1:]]
        assert max(steps) == 6

    model = work / "fxlens-small"
    encoder = FxEncoder.from_pretrained(model)
    head = json.loads((model / "config.json").read_text())
    assert head["weights"]["dtype"] == "float16" and (model / "model.safetensors").stat().st_size < 20e6
    assert [run["objective"] for run in head["metadata"]["runs"]] == ["contrast", "contrast", "contrast", "listening"]
    assert load_heads(model, encoder.model_id).metadata["sessions"] == 14
    song = next((work / "stems" / "real").glob("*/drums.flac"))
    assert describe(song, encoder, "drums").findings
    results = load_results(work / "results.json")
    found = {(result.system.spec.split(":")[0], result.task.split("/")[0]) for result in results}
    assert {("fxlens", "stem"), ("fxlens", "mixture"), ("fxlens", "extract-controlled")} <= found
    assert ("hand-made-wccn", "stem") in found
    assert "fxlens" in (work / "report" / "table2.md").read_text()
    assert "AUC" in (work / "report" / "describe.md").read_text()

    begun = time.monotonic()
    assert started(tools, work, tmp_path / "third.log").wait(300.0) == 0
    told = (tmp_path / "third.log").read_text()
    assert [line for line in told.splitlines() if "there already" in line] == [
        f"{k}/10 {name}: there already" for k, name in enumerate(STEPS, start=1)
    ]
    assert time.monotonic() - begun < 60.0
