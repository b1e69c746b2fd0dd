"""Parameter matching as an evaluation: triplets, the distance, resumption, and the order of the lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matching_listeners import open_matcher
from scipy.signal import get_window

from fxlens.audio.loudness import integrated_loudness
from fxlens.errors import DataError, UsageError
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.matching import batch as parameter_matching_batch
from fxlens.evaluation.matching import evaluate as parameter_matching
from fxlens.evaluation.matching.distance import distances, stft_distances
from fxlens.evaluation.matching.evaluate import SEARCH, evaluate_matching
from fxlens.evaluation.matching.triplets import (
    SEVEN,
    TripletSettings,
    draw_triplet,
    render_triplet,
    triplet_recipe,
)
from fxlens.evaluation.results import Result, load_results, save_results
from fxlens.matching.settings import MatchSettings

RATE = 44_100
SMALL = TripletSettings(("drums",), triplets=2, seconds=0.5)
FEW = replace(SEARCH, steps=3, restarts=1, candidates=2)


def written_out(result: np.ndarray, target: np.ndarray) -> float:
    """The published definition, frame by frame in NumPy (window in the middle of its FFT, edges reflected)."""
    parts = []
    for n_fft, hop, window_length in ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)):
        window = np.zeros(n_fft)
        left = (n_fft - window_length) // 2
        window[left : left + window_length] = get_window("hann", window_length)
        magnitudes = []
        for clip in (result, target):
            padded = np.pad(clip.astype(np.float64), ((0, 0), (n_fft // 2, n_fft // 2)), mode="reflect")
            starts = range(0, padded.shape[1] - n_fft + 1, hop)
            frames = np.stack([padded[:, s : s + n_fft] * window for s in starts], axis=1)
            magnitudes.append(np.sqrt(np.maximum(np.abs(np.fft.rfft(frames)) ** 2, 1e-8)))
        found, wanted = magnitudes
        convergence = np.linalg.norm(wanted - found) / np.linalg.norm(wanted)
        parts.append(convergence + np.abs(np.log(found) - np.log(wanted)).mean())
    return float(np.mean(parts))


def pair(seconds: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(0)
    length = round(seconds * RATE)
    noise = 0.1 * rng.standard_normal((2, 2, length))
    noise[1] = 0.5 * noise[0] + 0.3 * np.roll(noise[0], 40, axis=-1) + 0.02 * noise[1]
    return noise.astype(np.float32)


def test_the_distance_is_the_published_one() -> None:
    result, target = pair()
    found = stft_distances(torch.from_numpy(result)[None], torch.from_numpy(target)[None])
    assert float(found) == pytest.approx(written_out(result, target), rel=1e-5)


def test_every_pair_is_measured_alone_and_equal_clips_are_at_nought() -> None:
    first, second = torch.from_numpy(pair())
    both = stft_distances(torch.stack([first, second]), torch.stack([second, second]))
    assert float(both[1]) == 0.0
    assert float(both[0]) == float(stft_distances(first[None], second[None]))


def test_equal_loudness_takes_the_level_away_and_nothing_else() -> None:
    result, target = pair(0.5)
    quiet, loud = distances(result, target, RATE), distances(4.0 * result, target, RATE)
    assert loud["L_d"] == pytest.approx(quiet["L_d"], rel=1e-4)
    assert loud["L_d as rendered"] > quiet["L_d as rendered"] + 0.5


def test_triplets_are_what_they_are_called(material: Material) -> None:
    recipe = triplet_recipe(material.evaluation, SMALL)
    plan = draw_triplet(recipe, "drums", 1)
    assert plan == draw_triplet(recipe, "drums", 1)
    assert plan.chain != draw_triplet(recipe, "drums", 0).chain
    assert plan.clean.stem.song != plan.other.stem.song
    assert tuple(e.type for e in plan.chain.effects) == SEVEN
    assert all(effect.amount() > 0.04 for effect in plan.chain.effects)
    assert len(plan.chain.parameter_names()) == 50
    assert len(plan.chain.parameter_names("paper")) == 47
    triplet = render_triplet(plan, RATE)
    assert float(integrated_loudness(triplet.clean, RATE)) == pytest.approx(-18.0, abs=0.05)
    assert np.array_equal(triplet.target, plan.chain.apply(triplet.clean, RATE))
    assert np.array_equal(triplet.references["same"], triplet.target)
    assert distances(triplet.references["other"], triplet.target, RATE)["L_d"] > 0.5


def test_more_triplets_are_the_same_ones_and_others(material: Material) -> None:
    few, many = (triplet_recipe(material.evaluation, replace(SMALL, triplets=n)) for n in (2, 9))
    assert few.key == many.key
    assert draw_triplet(few, "drums", 1) == draw_triplet(many, "drums", 1)
    assert triplet_recipe(material.evaluation, replace(SMALL, seed=1)).key != few.key


def test_too_little_is_refused(material: Material) -> None:
    with pytest.raises(DataError, match="must be of different songs"):
        triplet_recipe(material.evaluation, replace(SMALL, instruments=("vocals",)))
    for wrong in ({"triplets": 0}, {"seconds": 0.1}, {"instruments": ()}, {"instruments": ("drums", "drums")}):
        with pytest.raises(UsageError):
            replace(SMALL, **wrong)  # type: ignore[arg-type]


def run(
    material: Material,
    cache: Path,
    specs: tuple[str, ...] = ("bands",),
    settings: TripletSettings = SMALL,
    search: MatchSettings = FEW,
    **more: object,
) -> list[Result]:
    conditions = Conditions(cache, 1, opener=open_matcher)
    lines = evaluate_matching(material, settings, specs, conditions, search, ("same",), **more)  # type: ignore[arg-type]
    return [result for line in lines for result in line]


def test_a_run_that_was_killed_goes_on(tmp_path: Path, material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SMALL, triplets=6)  # two batches
    monkeypatch.setattr(parameter_matching_batch, "RANDOM_CHAINS", 1)
    whole = run(material, tmp_path / "whole", settings=settings, oracle=False)
    assert [r.system.spec for r in whole] == ["floor", "middle", "random", "bands"]
    calls = 0
    real = parameter_matching.system_rows

    def interrupted(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(parameter_matching, "system_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(material, tmp_path / "cut", settings=settings, oracle=False)
    calls = 10
    again = run(material, tmp_path / "cut", settings=settings, oracle=False)
    assert calls == 11, "only what was missing was done"
    assert again == whole
    calls = 10
    assert run(material, tmp_path / "cut", settings=settings, oracle=False) == whole
    assert calls == 10
    save_results(tmp_path / "r.json", whole)
    assert load_results(tmp_path / "r.json") == whole


def test_figures_carry_what_a_reader_needs(tmp_path: Path, material: Material) -> None:
    found = run(material, tmp_path, settings=replace(SMALL, instruments=("drums", "bass")), oracle=False)
    by_task = {r.task: r for r in found if r.system.spec == "bands"}
    assert list(by_task) == ["matching/drums", "matching/bass", "matching/mean"]
    one = by_task["matching/drums"]
    assert one.column == "same content"
    assert one.counts == {"triplets": 2, "songs": 2}
    assert one.metrics["embedding loss of truth"] == pytest.approx(0.0, abs=1e-6)
    assert one.metrics["embedding loss"] < one.metrics["embedding loss of clean"]
    low, high = one.intervals["L_d"]
    assert low <= one.metrics["L_d"] <= high
    mean = by_task["matching/mean"].metrics["L_d"]
    assert mean == pytest.approx(np.mean([by_task[f"matching/{n}"].metrics["L_d"] for n in ("drums", "bass")]))


def test_systems_without_gradient_need_evolution(tmp_path: Path, material: Material) -> None:
    refused = [r for r in run(material, tmp_path, ("opaque",), oracle=False) if r.system.spec == "opaque"]
    assert refused[0].missing is not None and "--method cma" in refused[0].missing
    pytest.importorskip("cma")
    search = replace(FEW, method="cma", steps=2)
    evolved = [
        r for r in run(material, tmp_path, ("opaque",), search=search, oracle=False) if r.system.spec == "opaque"
    ]
    assert evolved[0].missing is None
    assert evolved[0].metrics["embedding loss"] < evolved[0].metrics["embedding loss of clean"]


def test_an_embedding_that_is_no_number_stops(tmp_path: Path, material: Material) -> None:
    with pytest.raises(DataError, match="not finite"):
        run(material, tmp_path, ("broken",), oracle=False)


@pytest.mark.slow
def test_the_lines_stand_in_order(tmp_path: Path, material: Material) -> None:
    """Minimising L_d beats matching what hears bands, which beats doing nothing and random chains."""
    search = replace(SEARCH, steps=60, restarts=1, candidates=8, pull=0.02)
    settings = replace(SMALL, triplets=4, seconds=1.0)
    found = {r.system.spec: r.metrics["L_d"] for r in run(material, tmp_path, settings=settings, search=search)}
    assert found["oracle"] < found["bands"] < found["random"]
    assert found["bands"] < found["floor"]
