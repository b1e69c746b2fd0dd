"""The examples run, without a warning, and show what they say."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from fxlens.effects.chain import EffectChain

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = {"embed_a_mix", "search_a_library", "match_a_track", "train_a_model"}

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="examples are not here: tests of an sdist")


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_tested_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == NAMES


def test_embed_a_mix(capsys: pytest.CaptureFixture[str]) -> None:
    moved = example("embed_a_mix").main()
    others = [distance for name, distance in moved.items() if name not in ("drums", "whole mixture")]
    assert moved["drums"] > 2.0 * max(others)  # only the drums have changed
    printed = capsys.readouterr().out
    assert all(f"{name:14} {distance:.3f}" in printed for name, distance in moved.items())


def test_search_a_library(tmp_path: Path) -> None:
    found = example("search_a_library").main(tmp_path)
    assert set(found) == {"dry", "telephone", "hall"}
    for chain, best in found.items():
        assert best.startswith(chain)


def test_match_a_track(tmp_path: Path) -> None:
    found = example("match_a_track").main(tmp_path)
    assert found.distance_after < 0.95 * found.distance_before
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["distance_after"] == pytest.approx(found.distance_after, abs=1e-5)
    dry, rate = soundfile.read(tmp_path / "dry.wav", dtype="float32", always_2d=True)
    wet, _ = soundfile.read(tmp_path / "match.wav", dtype="float32", always_2d=True)
    again = EffectChain.load(tmp_path / "preset.json").apply(dry.T, rate)
    assert np.abs(again - wet.T).max() <= 1e-4  # the preset gives what was written


def test_train_a_model(tmp_path: Path) -> None:
    pytest.importorskip("pytorch_lightning")
    encoder = example("train_a_model").main(tmp_path)
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert encoder.config.name == "tiny" and not encoder.training
    steps = {line.split(",")[0] for line in (tmp_path / "run" / "metrics.csv").read_text().splitlines()}
    assert {"1", "4"} <= steps
