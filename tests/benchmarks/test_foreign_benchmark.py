"""The renderer test from songs to table, on synthesised songs and two engines that need no program."""

from __future__ import annotations

from pathlib import Path

import foreign_engines
import numpy as np
import pytest
from bench_scores import open_ready
from engines.foreign_renderer import ForeignRenderer, present_engines
from engines.sox_engine import SoxEngine

from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.pools import balanced_pool
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, make_recipe
from fxlens.evaluation.systems.system import System

SETTINGS = BenchmarkSettings(("bass", "drums"), balanced_pool((1, 2)), styles=8, seconds=0.6)
ENGINES = {"pedalboard": "0", "scipy": "0"}


class Bands(System):
    """Log levels of bands: hears equalisers, whoever built them."""

    name, identity, licence = "bands", "bands-1", "none"

    def embed(self, clips: np.ndarray, sample_rate: int) -> np.ndarray:
        power = np.abs(np.fft.rfft(clips, axis=-1)) ** 2
        bands = np.stack([b.mean(axis=-1) for b in np.array_split(power, 24, axis=-1)], axis=-1)
        return np.log(bands + 1e-6).reshape(len(clips), -1).astype(np.float32)


def open_bands(spec: str, device: str) -> System:
    return Bands()


def test_three_cases_and_a_fourth_from_songs_to_table(material: Material, tmp_path: Path) -> None:
    on = Conditions(tmp_path, jobs=1, opener=open_bands)
    ready = open_ready(["bands"], material, SETTINGS, on)
    cases = foreign_engines.cases_of(material, SETTINGS, ready, ENGINES, on)[0]
    names = [case.name for case in cases]
    assert names == [foreign_engines.OWN, foreign_engines.SAME, foreign_engines.DIFFERENT, foreign_engines.ACROSS]
    assert all(set(case.ranks) == {"stem/bass", "stem/drums", "mixture"} for case in cases)
    own, same = cases[0].ranks, cases[1].ranks
    assert own["mixture"].shape == (2, 8) and own["mixture"].min() >= 1 and own["mixture"].max() <= 8
    assert any((own[task] != same[task]).any() for task in own)
    recipe = make_recipe(material.evaluation, SETTINGS)
    drawn = foreign_engines.engines_drawn(recipe, "bass", list(ENGINES))
    rows = foreign_engines.by_engine(recipe, cases, ENGINES)
    assert sum(n for *_, n in rows) == 16
    assert {name for name, *_ in rows} >= set(drawn.tolist())
    text, facts = foreign_engines.section(ready[0], cases, recipe, ENGINES)
    assert facts["mean of stems"][foreign_engines.OWN]["change"] == [0.0, 0.0, 0.0]
    assert text.count("\n| ") >= 6 and "mixture" in text
    before = len(list(tmp_path.rglob("*.npz")))
    foreign_engines.cases_of(material, SETTINGS, ready, ENGINES, on)
    assert len(list(tmp_path.rglob("*.npz"))) == before  # nothing is made twice


def test_the_engine_that_is_named_is_the_one_that_renders() -> None:
    told = tuple(ENGINES.items())
    chain = EffectChain((Effect("delay", True, {"time_ms": 33.33, "wet": 0.5}),))
    noise = (0.1 * np.random.default_rng(0).standard_normal((2, 8_000))).astype(np.float32)
    for seed in range(4):
        rngs = [np.random.default_rng(seed) for _ in range(3)]
        same, other = ForeignRenderer(told), ForeignRenderer(told, differ=True)
        assert same.drawn(rngs[0])[0] == other.drawn(rngs[1])[0]
        sides = [other.render(chain, noise, 44_100, side, np.random.default_rng(seed)) for side in (0, 1)]
        assert not np.array_equal(*sides)
        np.testing.assert_array_equal(sides[0], same.render(chain, noise, 44_100, 1, rngs[2]))


@pytest.mark.parametrize("missing", [True, False])
def test_an_engine_that_is_not_here_is_named(missing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SoxEngine, "missing", lambda self: "apt-get install sox" if missing else None)
    monkeypatch.setattr(SoxEngine, "version", lambda self: "14")
    there, lacking = present_engines()
    assert ("sox" in lacking) is missing and ("sox" in there) is not missing
