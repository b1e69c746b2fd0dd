from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fxlens.audio.loudness import integrated_loudness
from fxlens.errors import DataError
from fxlens.evaluation.benchmark.audio_queries import draw_audio_queries, load_query
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.pools import balanced_pool
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, Recipe, draw_style, generator, make_recipe
from fxlens.evaluation.benchmark.run import BenchmarkRun, render_all, shard_clips
from fxlens.evaluation.benchmark.shard_rendering import bytes_needed, fits_on_disk, read_shard, render_shard, shard_path
from fxlens.evaluation.benchmark.task_clips import ShardClips

SETTINGS = BenchmarkSettings(("bass", "drums"), balanced_pool((1, 3)), styles=6, seconds=1.5)


@pytest.fixture(scope="module")
def recipe(material: Material) -> Recipe:
    return make_recipe(material.evaluation, SETTINGS)


@pytest.fixture(scope="module")
def shard(recipe: Recipe) -> ShardClips:
    pool = SETTINGS.pools[0]
    return ShardClips(recipe, pool, 0, {n: render_shard(recipe, n, pool, 0) for n in SETTINGS.instruments})


def test_a_clip_is_its_excerpt_through_its_chain(shard: ShardClips) -> None:
    """Against the exact reference face of the effects, not the one that rendered it."""
    from fxlens.audio.loudness import normalize_loudness
    from fxlens.data.excerpts import load_excerpt

    for row in (0, 3):
        plan = draw_style(shard.recipe, "drums", shard.pool, row)
        for side, clip in ((0, None), (1, None)):
            clip = list(shard.stem("drums", side))[row]
            dry, _ = normalize_loudness(load_excerpt(plan.excerpts[side], 44100), 44100, -18.0)
            wet, _ = normalize_loudness(plan.chain.apply(np.asarray(dry, np.float32), 44100), 44100, -18.0)
            assert np.abs(clip - wet).max() < 2e-3 * np.abs(wet).max()


def test_every_task_has_one_loudness(shard: ShardClips) -> None:
    for clips in (shard.stem("drums", 0), shard.mixture(1), shard.controlled("bass", 0)):
        values = [float(integrated_loudness(clip, 44100)) for clip in clips]
        assert values == pytest.approx([-18.0] * 6, abs=0.05)


def test_mixtures_hold_all_instruments_and_company_of_queries_and_targets_has_no_style_in_common(
    shard: ShardClips,
) -> None:
    residual = []
    for row, mixture in enumerate(shard.mixture(0)):
        tracks = np.stack([shard.shards[n].clip(row, 0).ravel() for n in SETTINGS.instruments], axis=1)
        weights, *_ = np.linalg.lstsq(tracks, mixture.ravel(), rcond=None)
        assert (weights > 0).all()
        residual.append(np.abs(tracks @ weights - mixture.ravel()).max())
    assert max(residual) < 1e-4
    chosen: dict[int, list[tuple[str, int]]] = {0: [], 1: []}
    for side in (0, 1):
        for row in range(6):
            rng = generator(shard.recipe, "controlled", "bass", shard.pool.label, row, side)
            chosen[side] += shard.draw_company("bass", side, rng)
    assert {name for name, _ in chosen[0] + chosen[1]} == {"drums"}
    assert len(set(chosen[0])) > 1
    assert not set(chosen[0]) & set(chosen[1])


def test_kept_shards_are_the_rendered_ones(recipe: Recipe, shard: ShardClips, tmp_path: Path) -> None:
    run = BenchmarkRun(recipe, tmp_path, jobs=1)
    render_all(run, lambda _: None)
    kept = shard_clips(run, shard.pool, 0)
    for name in SETTINGS.instruments:
        np.testing.assert_array_equal(kept.shards[name].clips, shard.shards[name].clips)
        np.testing.assert_array_equal(kept.shards[name].lufs, shard.shards[name].lufs)
    assert sum(p.stat().st_size for p in tmp_path.rglob("*.flac")) < 1.2 * bytes_needed(recipe)
    assert fits_on_disk(recipe, tmp_path / "not" / "there" / "yet")


def test_finished_shards_are_not_rendered_again(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = BenchmarkRun(recipe, tmp_path, jobs=1)
    render_all(run, lambda _: None)
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    monkeypatch.setattr("fxlens.evaluation.benchmark.run.render_shard", None)
    render_all(run, lambda _: None)
    assert times == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}


def test_a_damaged_shard_is_named(recipe: Recipe, tmp_path: Path) -> None:
    run = BenchmarkRun(recipe, tmp_path, jobs=1)
    render_all(run, lambda _: None)
    path = shard_path(run.folder, recipe, "bass", SETTINGS.pools[0], 0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="damaged"):
        read_shard(path)


def test_audio_queries_are_of_other_songs(recipe: Recipe, material: Material) -> None:
    from_training = draw_audio_queries(recipe, material.others)
    assert [e.stem.song for e in from_training.excerpts["bass"]] == ["song2"]
    among_themselves = draw_audio_queries(recipe, ())
    assert len(among_themselves.excerpts["bass"]) == 2
    for song, partner in (("song0", "song1"), ("song1", "song0")):
        for queries in (from_training, among_themselves):
            assert queries.excerpts["bass"][queries.place("bass", song, partner)].stem.song != song
    three = replace(
        among_themselves, excerpts={"bass": (*among_themselves.excerpts["bass"], *from_training.excerpts["bass"])}
    )
    assert three.excerpts["bass"][three.place("bass", "song0", "song1")].stem.song == "song2"
    assert from_training.key != among_themselves.key
    audio = load_query(from_training.excerpts["bass"][0], 44100)
    assert audio.shape == (2, round(1.5 * 44100))
    assert float(integrated_loudness(audio, 44100)) == pytest.approx(-18.0, abs=0.05)
