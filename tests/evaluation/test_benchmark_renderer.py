"""Another engine may render a benchmark: what is drawn stays, the cache and the results know."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
from evaluation_listeners import open_listener

from fxlens.effects.chain import EffectChain
from fxlens.errors import AudioNotFiniteError
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.evaluate import evaluate_benchmark
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.pools import balanced_pool
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, draw_style, make_recipe
from fxlens.evaluation.benchmark.renderer import Renderer
from fxlens.evaluation.benchmark.shard_rendering import render_shard

SETTINGS = BenchmarkSettings(("drums",), balanced_pool((1, 2)), styles=4, seconds=0.5)


@dataclass(frozen=True)
class Plain(Renderer):
    """Applies chains exactly as fxlens' references do, and makes the second side quieter by what is drawn."""

    identity: str = "plain"  # type: ignore[misc]
    broken: bool = False

    def render(
        self, chain: EffectChain, audio: np.ndarray, sample_rate: int, side: int, rng: np.random.Generator
    ) -> np.ndarray:
        assert audio.dtype == np.float32
        drawn = 0.2 + 0.6 * rng.random()
        wet = chain.apply(audio, sample_rate) * np.float32(drawn if side else 1.0)
        return wet * np.float32(np.nan) if self.broken else wet


def test_our_own_benchmarks_keep_their_names(material: Material) -> None:
    recipe = make_recipe(material.evaluation, SETTINGS)
    stems = {name: [[s.song, s.name, s.sha256] for s in own] for name, own in recipe.stems.items()}
    told = json.dumps([asdict(SETTINGS), stems], sort_keys=True)
    assert recipe.key == hashlib.sha256(told.encode()).hexdigest()[:16]
    assert len({recipe.key, *(make_recipe(material.evaluation, SETTINGS, Plain(n)).key for n in ("a", "b"))}) == 3


def test_the_same_chains_on_the_same_music(material: Material) -> None:
    own, other = (make_recipe(material.evaluation, SETTINGS, r) for r in (None, Plain()))
    pool = SETTINGS.pools[0]
    assert all(draw_style(own, "drums", pool, k) == draw_style(other, "drums", pool, k) for k in range(4))
    first, second = (render_shard(r, "drums", pool, 0) for r in (own, other))
    for style in range(4):
        for side in (0, 1):
            a, b = first.clip(style, side), second.clip(style, side)  # both at full scale: the level falls out
            assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.999


def test_what_is_not_finite_is_refused(material: Material) -> None:
    recipe = make_recipe(material.evaluation, SETTINGS, Plain(broken=True))
    with pytest.raises(AudioNotFiniteError, match="plain"):
        render_shard(recipe, "drums", SETTINGS.pools[0], 0)


def test_results_say_who_rendered(material: Material, tmp_path: Path) -> None:
    conditions = Conditions(tmp_path, jobs=1, opener=open_listener)
    keys = set()
    for renderer in (None, Plain()):
        found = [
            r
            for part in evaluate_benchmark("retrieval", material, SETTINGS, ["spectrum"], conditions, renderer=renderer)
            for r in part
        ]
        assert found[0].origin.settings.get("renderer") == (None if renderer is None else "plain")
        keys.add(found[0].origin.key)
    assert len(keys) == 2
