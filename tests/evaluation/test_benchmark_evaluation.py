"""The harness itself is judged: by systems that know everything, nothing, or only what they must not use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_listeners import Learner, Noise, Spectrum, Told, open_listener

from fxlens.errors import DataError, ModelUnavailableError, UsageError
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.evaluate import evaluate_benchmark
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.pools import balanced_pool, pool_for_each
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, make_recipe
from fxlens.evaluation.benchmark.retrieval import score
from fxlens.evaluation.benchmark.run import BenchmarkRun, shard_clips
from fxlens.evaluation.benchmark.task_clips import ShardClips
from fxlens.evaluation.results import Result, save_results
from fxlens.evaluation.systems.system import System

SETTINGS = BenchmarkSettings(("bass", "drums"), balanced_pool((2, 4)), styles=40, seconds=0.8)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def run(material: Material, cache: Path) -> BenchmarkRun:
    return BenchmarkRun(make_recipe(material.evaluation, SETTINGS), cache, jobs=1)


def evaluated(protocol: str, material: Material, cache: Path, system: System, **changes: object) -> dict[tuple, Result]:
    conditions = Conditions(cache, jobs=1, opener=lambda spec, device: system)
    settings = replace(SETTINGS, **changes)
    results = [r for part in evaluate_benchmark(protocol, material, settings, ["x"], conditions) for r in part]
    return {(r.task, r.column, r.pool): r for r in results}


@pytest.fixture(scope="module")
def told(run: BenchmarkRun) -> Told:
    return Told([shard_clips(run, pool, number) for pool, number in run.places()])


def test_an_oracle_that_is_told_the_chains_finds_everything(material: Material, run: BenchmarkRun, told: Told) -> None:
    found = evaluated("retrieval", material, run.cache, told.choosing("oracle", lambda tracks: tracks))
    assert {task for task, *_ in found} == {"stem/bass", "stem/drums", "mixture"}
    assert all(r.metrics["R@1"] == 100.0 for r in found.values())
    assert all(r.metrics["mAP@10"] == 100.0 for r in found.values())


def test_noise_is_at_chance(material: Material, run: BenchmarkRun) -> None:
    """Few styles scatter by 6 points, so all tasks are judged together: there they scatter by 1.5."""
    found = [
        r
        for protocol in ("retrieval", "extraction")
        for r in evaluated(protocol, material, run.cache, Noise()).values()
        if r.pool == "2,4 effects"
    ]
    assert len(found) == 3 + 2 * 2 * 7
    assert np.mean([r.metrics["R@10"] for r in found]) == pytest.approx(25.0, abs=5)
    assert {r.chance["R@10"] for r in found} == {25.0}
    covered = sum(r.intervals["R@10"][0] <= r.chance["R@10"] <= r.intervals["R@10"][1] for r in found)
    assert covered >= 0.8 * len(found)


def test_controlled_extraction_rewards_only_who_hears_the_target(
    material: Material, run: BenchmarkRun, told: Told
) -> None:
    oracle = evaluated("extraction", material, run.cache, told.choosing("target", lambda tracks: tracks[:1]))
    assert oracle["extract-controlled/bass", "text query", "2,4 effects"].metrics["R@1"] == 100.0
    assert oracle["extract-controlled/bass", "audio query -> isolated stems", "2,4 effects"].metrics["R@1"] == 100.0
    assert oracle["extract/drums", "text query", "2,4 effects"].metrics["R@1"] == 100.0


def test_a_query_blind_extractor_scores_in_the_papers_protocol_and_not_in_the_controlled_one(
    material: Material, run: BenchmarkRun, told: Told
) -> None:
    """It knows all chains beside the target's, and gives them whatever it is asked for."""
    blind = evaluated("extraction", material, run.cache, told.choosing("company", lambda tracks: tracks[1:]))
    for name in ("bass", "drums"):
        assert blind[f"extract/{name}", "text query", "2,4 effects"].metrics["R@1"] == 100.0
        controlled = blind[f"extract-controlled/{name}", "text query", "2,4 effects"]
        assert controlled.metrics["R@10"] < controlled.chance["R@10"] + 15  # 3 standard deviations; no audio: below


def test_hearing_the_company_only_is_chance_at_full_size(material: Material) -> None:
    """Many benchmarks of 500 candidates, without audio: who knows all companions' chains gains nothing by it."""
    found = []
    for seed in range(12):
        recipe = make_recipe(material.evaluation, replace(SETTINGS, styles=500, seed=seed))
        rng, rows = np.random.default_rng(seed), [[], []]
        for number, styles in enumerate(recipe.shards()):
            shard = ShardClips(recipe, SETTINGS.pools[0], number, {})
            chains = rng.normal(size=(len(styles), 16))
            for side in (0, 1):
                draws = [shard.draw_company("bass", side, rng)[0][1] for _ in styles]
                rows[side].append(chains[draws])
        query, target = (np.concatenate(parts) for parts in rows)
        found.append(score(query, target).metrics["R@10"])
    # Companions drawn from all rows of a shard got 5.0; ties between equal companions cost a little.
    assert np.mean(found) == pytest.approx(2.0, abs=0.6)


def test_a_system_that_cannot_be_asked_gets_a_reason(material: Material, run: BenchmarkRun) -> None:
    found = evaluated("extraction", material, run.cache, Spectrum())
    assert found["extract/bass", "text query", "2,4 effects"].missing == "it cannot be asked for an instrument"
    assert found["extract/bass", "no query", "2,4 effects"].missing is None
    with pytest.raises(UsageError, match="company"):
        evaluated("extraction", material, run.cache, Spectrum(), instruments=("bass",))


def test_hearing_something_beats_chance(material: Material, run: BenchmarkRun) -> None:
    found = evaluated("retrieval", material, run.cache, Spectrum())
    r = found["stem/drums", "", "2,4 effects"]
    assert r.intervals["R@10"][0] > r.chance["R@10"]
    assert set(r.per_song["R@10"]) == {"song0", "song1"}
    assert np.mean(list(r.per_song["R@10"].values())) == pytest.approx(r.metrics["R@10"])
    assert r.counts == {"styles": 40, "candidates": 40}
    parts = [found["stem/drums", "", f"{n} of 2,4 effects"] for n in (2, 4)]
    assert np.mean([p.metrics["R@5"] for p in parts]) == pytest.approx(r.metrics["R@5"])


def test_pools_for_each_count_have_a_mean(material: Material, run: BenchmarkRun) -> None:
    found = evaluated("retrieval", material, run.cache, Spectrum(), pools=pool_for_each((2, 4)), styles=12)
    each = [found["mixture", "", label].metrics["R@1"] for label in ("2 effects", "4 effects")]
    mean = found["mixture", "", "mean"]
    assert mean.metrics["R@1"] == pytest.approx(np.mean(each))
    assert mean.counts == {"styles": 24, "candidates": 12}


def test_nan_stops(material: Material, run: BenchmarkRun) -> None:
    with pytest.raises(DataError, match="broken, stem/bass, query: query embedding 0 is not finite"):
        evaluated("retrieval", material, run.cache, open_listener("broken", "cpu"))


def test_a_system_that_learns_gets_pairs_of_training_songs(
    material: Material, run: BenchmarkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxlens.evaluation.benchmark.system_opening.PAIRS", 12)
    learner = Learner()
    with_two = replace(
        material, training=tuple(replace(s, song=f"train-{k}") for k in range(2) for s in material.training)
    )
    found = evaluated("retrieval", with_two, run.cache, learner, seconds=0.5, styles=8)
    assert learner.identity.startswith("learner-12-")
    assert found["stem/bass", "", "2,4 effects"].missing is None
    without = evaluated("retrieval", material, run.cache, Learner())
    assert "learns from training songs" in str(without["stem/bass", "", "2,4 effects"].missing)


def test_a_system_that_cannot_be_had_is_said_and_the_others_go_on(material: Material, run: BenchmarkRun) -> None:
    def opener(spec: str, device: str) -> System:
        if spec == "absent":
            raise ModelUnavailableError("no weights; get them there")
        return Spectrum()

    said: list[str] = []
    conditions = Conditions(run.cache, 1, opener=opener, say=said.append)
    parts = list(evaluate_benchmark("retrieval", material, SETTINGS, ["absent", "spectrum"], conditions))
    assert {r.missing for r in parts[0]} == {"no weights; get them there"}
    assert all(r.missing is None for r in parts[1])
    assert "absent: no weights; get them there" in said


def test_an_interrupted_evaluation_goes_on_and_gives_the_same(material: Material, tmp_path: Path) -> None:
    class Interrupted(Spectrum):
        calls, limit = 0, 9

        def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
            Interrupted.calls += 1
            if Interrupted.calls == Interrupted.limit:
                raise KeyboardInterrupt
            return super().embed(clips, sample_rate)

    for cache, keep in ((tmp_path / "kept", True), (tmp_path / "passing", False)):
        Interrupted.calls, Interrupted.limit = 0, 30
        conditions = Conditions(cache, 1, keep_audio=keep, opener=lambda spec, device: Interrupted())
        arguments = ("retrieval", material, SETTINGS, ["x"], conditions)
        with pytest.raises(KeyboardInterrupt):
            list(evaluate_benchmark(*arguments))
        assert not list(cache.rglob(".*"))
        assert len(list(cache.rglob("*.npz"))) == 1  # of two shards
        Interrupted.calls, Interrupted.limit = 0, -1
        save_results(cache / "r.json", [r for part in evaluate_benchmark(*arguments) for r in part])
        assert Interrupted.calls == 18  # one shard: 3 tasks, 2 sides, 20 clips in batches of 8
        assert bool(list(cache.rglob("*.flac"))) == keep
    assert (tmp_path / "kept/r.json").read_bytes() == (tmp_path / "passing/r.json").read_bytes()


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_processes(material: Material, tmp_path: Path) -> None:
    settings = replace(SETTINGS, styles=34, seconds=0.5)
    for jobs in (1, 2):
        conditions = Conditions(tmp_path / f"cache{jobs}", jobs, keep_audio=jobs == 1, opener=open_listener)
        for part in evaluate_benchmark("retrieval", material, settings, ["spectrum"], conditions):
            save_results(tmp_path / f"{jobs}.json", part)
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    one, two = (sorted((tmp_path / f"cache{jobs}").rglob("*.npz")) for jobs in (1, 2))
    assert [p.name for p in one] == [p.name for p in two] == ["00-0000.npz", "00-0001.npz"]
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
