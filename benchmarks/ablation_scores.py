"""What a trained model of an ablation is judged by: stems, mixtures, one instrument asked for, single effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from bench_scores import earned, over_stems, searched, whole_arrays

from fxlens.evaluation.benchmark.audio_queries import draw_audio_queries
from fxlens.evaluation.benchmark.conditions import Conditions
from fxlens.evaluation.benchmark.material import Material
from fxlens.evaluation.benchmark.pools import single_effect_pools
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, make_recipe
from fxlens.evaluation.benchmark.run import embed_all, load_pool
from fxlens.evaluation.benchmark.system_opening import ReadySystem

MEASURES = ("stems", "mixture", "asked", "single")


def measure(
    ready: ReadySystem, material: Material, settings: BenchmarkSettings, single_styles: int, on: Conditions
) -> dict[str, np.ndarray]:
    """R@10 that every style earns, percent, by measure; a measure that the system cannot be tried by is left out.

    Args:
        ready: the system.
        material: the songs.
        settings: of the benchmark.
        single_styles: styles of each effect alone; 0 leaves them out.
        on: how to work.
    """
    recipe = make_recipe(material.evaluation, settings)
    whole = {task: earned(searched(x, x)) for task, x in whole_arrays(recipe, [ready], on)[0].items()}
    found = {"stems": over_stems(whole)}
    if "mixture" in whole:
        found["mixture"] = whole["mixture"]
        asked = _asked(ready, material, settings, on)
        if asked is not None:
            found["asked"] = asked
    if single_styles:
        alone = replace(settings, pools=single_effect_pools(), styles=single_styles)
        pools = [
            whole_arrays(make_recipe(material.evaluation, alone), [ready], on, place)[0]
            for place in range(len(alone.pools))
        ]
        found["single"] = np.concatenate(
            [over_stems({task: earned(searched(x, x)) for task, x in own.items()}) for own in pools]
        )
    return found


def _asked(ready: ReadySystem, material: Material, settings: BenchmarkSettings, on: Conditions) -> np.ndarray | None:
    """One instrument by its name, in mixtures that share only its chain; None for a system that cannot be asked."""
    recipe = make_recipe(material.evaluation, settings)
    queries = draw_audio_queries(recipe, material.others)
    run = on.run(recipe, queries)
    assert ready.source is not None
    embed_all(run, [ready.source], ("controlled",), on.stage)
    arrays = load_pool(run, ready.source, ("controlled",), settings.pools[0])["controlled"]
    answers = [arrays[f"{name}/text"] for name in settings.instruments]
    if any(isinstance(answer, str) for answer in answers):
        return None
    return np.concatenate([earned(searched(x, x)) for x in map(np.asarray, answers)])
