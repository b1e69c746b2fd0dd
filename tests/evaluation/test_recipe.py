from __future__ import annotations

from dataclasses import replace

import pytest

from fxlens.errors import DataError, UsageError
from fxlens.evaluation.benchmark.instrument_stems import instruments_with_songs, stems_of_instrument
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.pools import balanced_pool, effect_count, pool_for_each, single_effect_pools
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, draw_songs, draw_style, make_recipe

SETTINGS = BenchmarkSettings(("bass", "drums"), balanced_pool((2, 4)), styles=70, seconds=2.0)


def test_a_style_is_one_chain_on_two_songs(material: Material) -> None:
    recipe = make_recipe(material.evaluation, SETTINGS)
    pool = SETTINGS.pools[0]
    for style in range(12):
        plan = draw_style(recipe, "drums", pool, style)
        songs = tuple(e.stem.song for e in plan.excerpts)
        assert songs[0] != songs[1]
        assert songs == draw_songs(recipe, "drums", pool, style)
        assert plan.chain.audible_count() == effect_count(pool, style) == (2, 4)[style % 2]
        assert plan == draw_style(recipe, "drums", pool, style)
    assert draw_style(recipe, "drums", pool, 0).chain != draw_style(recipe, "bass", pool, 0).chain


def test_training_songs_are_never_evaluated_on(material: Material) -> None:
    recipe = make_recipe(material.evaluation, SETTINGS)
    assert recipe.songs() == {"bass": ["song0", "song1"], "drums": ["song0", "song1"]}
    assert {s.song for s in material.training} == {"song2"}


@pytest.mark.parametrize("styles", [2, 31, 32, 33, 65, 500])
def test_shards_hold_every_style_once_and_none_holds_one_only(material: Material, styles: int) -> None:
    shards = make_recipe(material.evaluation, replace(SETTINGS, styles=styles)).shards()
    assert [style for shard in shards for style in shard] == list(range(styles))
    assert min(map(len, shards)) >= 2
    assert max(map(len, shards)) <= 32


def test_the_key_names_settings_and_stems(material: Material) -> None:
    recipe = make_recipe(material.evaluation, SETTINGS)
    assert recipe.key == make_recipe(material.evaluation[::-1], SETTINGS).key
    assert recipe.key != make_recipe(material.evaluation, replace(SETTINGS, seed=1)).key
    changed = [replace(s, sha256="0" * 64) for s in material.evaluation]
    assert recipe.key != make_recipe(changed, SETTINGS).key


def test_one_song_is_refused_with_its_name(material: Material) -> None:
    stems = [s for s in material.evaluation if s.song == "song0"]
    with pytest.raises(DataError, match=r"bass: 1 song\(s\) \(song0\)"):
        make_recipe(stems, SETTINGS)


def test_stems_with_bleed_are_not_used(material: Material) -> None:
    stems = [replace(s, bleed=s.song == "song0") for s in material.evaluation]
    assert instruments_with_songs(stems, 2.0) == ()
    assert instruments_with_songs(material.evaluation, 2.0) == ("bass", "drums")


def test_instruments_may_be_free_names(material: Material) -> None:
    stems = [replace(s, free_name="Slap Bass") if s.instrument == "bass" else s for s in material.evaluation]
    assert [s.instrument for s in stems_of_instrument(stems, "slap bass")] == ["bass", "bass"]
    assert stems_of_instrument(stems, "mandolin") == []
    assert make_recipe(stems, replace(SETTINGS, instruments=("slap bass",))).songs() == {
        "slap bass": ["song0", "song1"]
    }


def test_pools_say_what_they_hold() -> None:
    assert [p.label for p in balanced_pool(range(1, 9))] == ["1-8 effects"]
    assert [p.label for p in balanced_pool((1, 2, 5))] == ["1,2,5 effects"]
    assert [p.label for p in pool_for_each((1, 2))] == ["1 effect", "2 effects"]
    assert "gain only" not in [p.label for p in single_effect_pools()]
    assert len(single_effect_pools()) == 7


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(UsageError):
        BenchmarkSettings(("bass",), styles=1)
    with pytest.raises(UsageError, match="once"):
        BenchmarkSettings(("bass", "bass"))
