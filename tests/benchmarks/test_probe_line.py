"""From songs to tables of what an embedding knows, and of altered recordings, with systems whose knowledge is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import embedding_map
import numpy as np
import robustness
from alterations import altered, open_altered
from bench_scores import open_ready, whole_arrays
from effect_map import draw_map
from labelled_clips import labelled_clips

from fxlens.data.chain_labels import EFFECTS
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.pools import balanced_pool
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, Recipe, draw_style, make_recipe

SETTINGS = BenchmarkSettings(("bass", "drums"), balanced_pool((1, 3)), styles=40, seconds=0.5)


def told(recipe: Recipe, noise: float) -> dict[str, np.ndarray]:
    """What a system would give that is told the effects of a chain, and what plays, and little else."""
    rng, found = np.random.default_rng(0), {}
    for number, name in enumerate(recipe.settings.instruments):
        x = noise * rng.standard_normal((recipe.settings.styles, 2, len(EFFECTS) + 4))
        for style in range(recipe.settings.styles):
            chain = draw_style(recipe, name, recipe.settings.pools[0], style).chain
            for effect in chain.effects:
                x[style, :, EFFECTS.index(effect.type)] += 1.0
            x[style, :, -1] += number
        found[f"stem/{name}"] = x
    found["mixture"] = found["stem/bass"] + found["stem/drums"]
    return found


def test_probes_read_what_was_told_and_no_more(material: Material) -> None:
    learn = make_recipe(material.training, embedding_map.train_settings(SETTINGS, 60, SETTINGS.instruments))
    judge = make_recipe(material.evaluation, SETTINGS)
    names = SETTINGS.instruments
    train, test = (labelled_clips(recipe, told(recipe, 0.2), names) for recipe in (learn, judge))
    assert train.embeddings.shape == (2 * 60 * 2, len(EFFECTS) + 4) and not set(train.songs) & set(test.songs)
    figures = embedding_map.probe_figures(train, test)
    assert all(figure.value > 0.95 for figure in figures["presence"].values())
    assert figures["number of effects"].value > 0.7 and figures["instrument"].value > 0.9
    assert all(value > 0.9 for value in figures["by instrument"].values())
    assert all(figure.value < 0.4 for figure in figures["parameters"].values())  # nobody told these
    blind = [
        replace(side, embeddings=np.random.default_rng(1).normal(size=side.embeddings.shape)) for side in (train, test)
    ]
    lost = embedding_map.probe_figures(*blind)
    assert all(0.3 < figure.value < 0.7 for figure in lost["presence"].values())
    assert 0.35 < lost["instrument"].value < 0.65


def test_figures_by_number_of_effects_and_the_map(material: Material, tmp_path: Path) -> None:
    recipe = make_recipe(material.evaluation, SETTINGS)
    arrays = told(recipe, 0.01)
    counts = embedding_map.by_count(recipe, arrays)
    assert set(counts) == {"stems", "mixture"} and set(counts["stems"]) == {"1", "3"}
    assert counts["stems"]["3"].value > counts["stems"]["1"].value - 20.0
    for name in ("a.svg", "b.svg"):
        how = draw_map(["delay", "reverb"], [arrays, arrays], tmp_path / name, "pca")
    assert "principal" in how and (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "delay" in (tmp_path / "a.svg").read_text()


def test_altered_queries_search_unaltered_candidates(material: Material, tmp_path: Path) -> None:
    settings = replace(SETTINGS, styles=6)
    on = Conditions(tmp_path, jobs=1, opener=open_altered)
    specs = ["random-projection", *(altered("random-projection", name) for name in ("quieter", "22k"))]
    ready = open_ready(specs, material, settings, on)
    assert len({system.facts.identity for system in ready}) == 3
    recipe = make_recipe(material.evaluation, settings)
    found = dict(zip((robustness.CLEAN, "quieter", "22k"), whole_arrays(recipe, ready, on), strict=True))
    assert not np.allclose(found["22k"]["mixture"], found[robustness.CLEAN]["mixture"])
    text, facts = robustness.section("random projection", found)
    assert facts["22k"]["stems"]["R@10"][0] == 100.0  # six candidates: everything is among ten
    assert text.count("\n| ") == 5 and "12 dB quieter" in text
