"""What an embedding knows: linear probes on frozen embeddings, retrieval by number of effects, and a map.

    python benchmarks/embedding_map.py --manifest real.jsonl --manifest midi.jsonl --cache cache -s fxlens:MODEL

Probes are fitted on stems of training songs and judged on stems of evaluation songs, with other chains. It writes
docs/benchmarks/embedding.md, its figures as JSON and a map of single effects as SVG, and puts the tables into
docs/model.md. The evaluation's clips are those of ``fxlens evaluate retrieval`` with the same options and cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_options import add_options, command_line, conditions_of, material_of, settings_of, systems_of
from bench_pages import MODEL_PAGE, origin, put_into, table, write_page
from bench_scores import Figure, earned, mean_figure, open_ready, over_stems, searched, whole_arrays
from effect_map import draw_map
from labelled_clips import Labelled, labelled_clips
from probes import auc, balanced_accuracy, fit_probe, r_squared, with_interval

from fxlens.cli import console
from fxlens.cli.evaluate_options import Stages
from fxlens.data.chain_labels import EFFECTS, PARAMETERS
from fxlens.evaluation.benchmark.instrument_stems import instruments_with_songs
from fxlens.evaluation.benchmark.pools import effect_count, single_effect_pools
from fxlens.evaluation.benchmark.recipe import BenchmarkSettings, Recipe, make_recipe
from fxlens.evaluation.benchmark.system_opening import ReadySystem

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "embedding.md"
PROBE_SEED = 2_000_003
"""Added to the seed: the probes' training chains are not those of the evaluation."""

MAIN: tuple[tuple[str, str], ...] = (
    ("equalizer", "low_shelf_gain_db"),
    ("equalizer", "band0_gain_db"),
    ("equalizer", "band1_gain_db"),
    ("equalizer", "high_shelf_gain_db"),
    ("distortion", "drive_db"),
    ("multiband_compressor", "mix"),
    ("multiband_compressor", "mid_threshold_db"),
    ("limiter", "threshold_db"),
    ("gain", "gain_db"),
    ("stereo_imager", "width"),
    ("delay", "time_ms"),
    ("delay", "feedback"),
    ("delay", "wet"),
    ("reverb", "decay_seconds"),
    ("reverb", "damping"),
    ("reverb", "predelay_ms"),
    ("reverb", "wet"),
)
"""Parameters that the table shows; the JSON has all."""

INTRODUCTION = """# What the embedding knows

Linear probes (ridge regression, its penalty chosen by leaving training songs out) on frozen embeddings of single
stems: fitted on training songs, judged on evaluation songs under other chains. *AUC*: probability that a clip with the
effect scores above one without; 0.5 knows nothing. *R²*: share of a parameter's variance that is told, on its scale of
drawing, among clips that have the effect; 0 knows nothing. *Instrument*: balanced accuracy of telling what plays, which
an embedding of effects should not know; chance {chance:.2f}. Brackets: 95 % bootstrap intervals over styles.
"""


def probe_figures(train: Labelled, test: Labelled) -> dict[str, Any]:
    """All that probes tell of one system: figures by name."""
    found: dict[str, Any] = {}
    truth = np.stack([labels.effects for labels in train.labels])
    counts = truth.sum(axis=1, keepdims=True)
    names = sorted(set(train.instruments))
    kinds = np.array([[float(own == name) for name in names] for own in train.instruments])
    probe = fit_probe(train.embeddings, np.concatenate([truth, counts, kinds], axis=1), train.songs)
    scores = probe(test.embeddings)
    actual = np.stack([labels.effects for labels in test.labels])
    own = np.array([names.index(name) for name in test.instruments])
    found["presence"] = {
        effect: with_interval(auc, scores[:, k], actual[:, k], test.styles) for k, effect in enumerate(EFFECTS)
    }
    number = actual.sum(axis=1)
    found["number of effects"] = with_interval(r_squared, scores[:, len(EFFECTS)], number, test.styles)
    found["instrument"] = with_interval(balanced_accuracy, scores[:, len(EFFECTS) + 1 :], own, test.styles)
    found["by instrument"] = {
        name: float(np.nanmean([auc(scores[own == k, e], actual[own == k, e]) for e in range(len(EFFECTS))]))
        for k, name in enumerate(names)
    }
    found["parameters"] = {
        name: figure for k, name in enumerate(PARAMETERS) if (figure := _parameter(train, test, k)) is not None
    }
    return found


def _parameter(train: Labelled, test: Labelled, place: int) -> Figure | None:
    values, actual = (np.array([labels.parameters[place] for labels in side.labels]) for side in (train, test))
    seen, there = np.isfinite(values), np.isfinite(actual)
    if seen.sum() < 20 or there.sum() < 10:
        return None
    songs = [song for song, known in zip(train.songs, seen, strict=True) if known]
    probe = fit_probe(train.embeddings[seen], values[seen, None], songs)
    return with_interval(r_squared, probe(test.embeddings[there])[:, 0], actual[there], test.styles[there])


def by_count(recipe: Recipe, arrays: dict[str, np.ndarray]) -> dict[str, dict[str, Figure]]:
    """R@10 of stems and of mixtures by the number of effects, all searched together."""
    pool = recipe.settings.pools[0]
    counts = np.array([effect_count(pool, style) for style in range(recipe.settings.styles)])
    gained = {task: earned(searched(x, x)) for task, x in arrays.items()}
    found: dict[str, dict[str, Figure]] = {"stems": {}, "mixture": {}}
    for n in sorted(set(pool.counts)):
        own = {task: values[counts == n] for task, values in gained.items()}
        if not (counts == n).any():
            continue
        found["stems"][str(n)] = mean_figure(over_stems(own))
        if "mixture" in own:
            found["mixture"][str(n)] = mean_figure(own["mixture"])
    return {kind: figures for kind, figures in found.items() if figures}


def tables(systems: Sequence[ReadySystem], figures: Sequence[dict[str, Any]], counts: Sequence[Any]) -> str:
    """The page's tables: one column a system."""
    names = [system.facts.name for system in systems]
    presence = [[effect.replace("_", " "), *(_two(f["presence"][effect]) for f in figures)] for effect in EFFECTS]
    presence.append(["number of effects (R²)", *(_two(f["number of effects"]) for f in figures)])
    presence.append(["instrument (should be chance)", *(_two(f["instrument"]) for f in figures)])
    for name in figures[0]["by instrument"]:
        presence.append([f"mean AUC on {name}", *(f"{f['by instrument'][name]:.2f}" for f in figures)])
    known = [name for name in MAIN if all(name in f["parameters"] for f in figures)]
    parameters = [
        [f"{effect.replace('_', ' ')}: {name}", *(_two(f["parameters"][effect, name]) for f in figures)]
        for effect, name in known
    ]
    rows = []
    for kind in counts[0]:
        for name, found in zip(names, counts, strict=True):
            rows.append([f"{name}, {kind}", *(str(figure) for figure in found[kind].values())])
    numbers = list(counts[0]["stems"])
    return "\n\n".join(
        [
            "### Which effects are there (AUC)",
            table(["", *names], presence),
            "### With which settings (R²)",
            table(["", *names], parameters),
            "### Found among all candidates, by number of effects (R@10, percent)",
            table(["", *numbers], rows),
        ]
    )


def _two(figure: Figure) -> str:
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


def _plain(value: Any) -> Any:
    """Figures as lists, names of parameters as text."""
    if isinstance(value, Figure):
        return value.told()
    if isinstance(value, dict):
        return {": ".join(key) if isinstance(key, tuple) else key: _plain(item) for key, item in value.items()}
    return value


def train_settings(settings: BenchmarkSettings, styles: int, names: Sequence[str]) -> BenchmarkSettings:
    """The recipe of the clips that probes are fitted on."""
    return replace(settings, instruments=tuple(names), styles=styles, seed=settings.seed + PROBE_SEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, PAGE)
    parser.add_argument(
        "--train-styles", type=int, default=300, help="styles of each instrument that probes learn from"
    )
    parser.add_argument("--map-styles", type=int, default=16, help="styles of each effect and instrument on the map")
    parser.add_argument("--projection", choices=("auto", "tsne", "pca"), default="auto", help="auto: t-SNE if there")
    arguments = parser.parse_args()
    material = material_of(arguments)
    settings = settings_of(arguments, material)
    recipe = make_recipe(material.evaluation, settings)
    there = instruments_with_songs(material.training, settings.seconds)
    names = [name for name in settings.instruments if name in there]
    to_learn = make_recipe(material.training, train_settings(settings, arguments.train_styles, names))
    single = replace(settings, pools=single_effect_pools(), styles=max(2, arguments.map_styles))
    to_draw = make_recipe(material.evaluation, single)
    with Stages() as stages:
        on = conditions_of(arguments, stages)
        ready = open_ready(systems_of(arguments), material, settings, on)
        learnt, judged = (whole_arrays(r, ready, on) for r in (to_learn, recipe))
        drawn = [whole_arrays(to_draw, ready[:1], on, pool)[0] for pool in range(len(single.pools))]
    figures = [
        probe_figures(labelled_clips(to_learn, a, names), labelled_clips(recipe, b, names))
        for a, b in zip(learnt, judged, strict=True)
    ]
    counts = [by_count(recipe, arrays) for arrays in judged]
    text = tables(ready, figures, counts)
    picture = arguments.output.with_name(f"{arguments.output.stem}-map.svg")
    kind = draw_map([pool.types[0] for pool in single.pools], drawn, picture, arguments.projection)
    shown = f"![Map of single effects]({picture.name})\n\nStems with one effect, {ready[0].facts.name}, by {kind}."
    head = INTRODUCTION.format(chance=1.0 / len(names))
    source = origin(recipe, material.manifest_sha256, [system.facts for system in ready], command_line())
    facts = {
        system.facts.identity: _plain({"probes": f, "R@10 by number of effects": c})
        for system, f, c in zip(ready, figures, counts, strict=True)
    }
    write_page(arguments.output, "\n".join([head, text, "", shown, "", source]), facts)
    if arguments.output.resolve() == PAGE.resolve():
        put_into(MODEL_PAGE, "embedding", text + "\n\n" + shown.replace(picture.name, f"benchmarks/{picture.name}"))
    console.result(text)
    console.result(f"written: {arguments.output}, {picture}")


if __name__ == "__main__":
    main()
