"""Retrieval on held-out songs: stems, mixtures, and one instrument inside a mixture.

    python benchmarks/retrieval.py MANIFEST... --model FOLDER --cache CACHE --output docs/benchmarks/retrieval.md

Songs of split ``evaluation`` only. Every task has 500 candidates, effects 1-8 balanced. Rewrites the table.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from fxlens.audio.loudness import normalize_loudness
from fxlens.data.excerpts import draw_excerpt, load_excerpt
from fxlens.data.manifest import load_manifest, manifest_hash, stems_of
from fxlens.evaluation.baselines import HandMadeFeatures
from fxlens.evaluation.benchmark import Benchmark, BenchmarkSettings, build_benchmark
from fxlens.evaluation.retrieval import RetrievalScore, per_group, ranks, score, summarize
from fxlens.models.fx_encoder import FxEncoder

Embed = Callable[[np.ndarray], np.ndarray]


def in_batches(clips: Iterable[np.ndarray], embed: Embed, size: int = 16) -> np.ndarray:
    out, batch = [], []
    for clip in clips:
        batch.append(clip)
        if len(batch) == size:
            out.append(embed(np.stack(batch)))
            batch = []
    if batch:
        out.append(embed(np.stack(batch)))
    return np.concatenate(out)


class Model:
    """A model's mixture embedding, and the embeddings for a set of queries, from one pass of the trunk."""

    def __init__(self, encoder: FxEncoder) -> None:
        self.encoder = encoder.eval()

    @torch.inference_mode()
    def whole(self, clips: np.ndarray) -> np.ndarray:
        return self.encoder.hear(torch.from_numpy(clips)).mixture.numpy()

    @torch.inference_mode()
    def parts(self, clips: np.ndarray, queries: torch.Tensor) -> np.ndarray:
        """``[B, 1 + K, D]``: no query first, then each of ``queries`` ``[K, Q]``."""
        heard = self.encoder.hear(torch.from_numpy(clips))
        out = [heard.mixture]
        out += [self.encoder.instrument_embedding(heard, query.expand(len(clips), -1)) for query in queries]
        return torch.stack(out, dim=1).numpy()


def line(task: str, system: str, s: RetrievalScore) -> str:
    low, high = s.interval[10]
    return (
        f"| {task} | {system} | {s.recall[1]:.1f} | {s.recall[5]:.1f} | {s.recall[10]:.1f} "
        f"[{low:.1f}, {high:.1f}] | {s.map10:.1f} | {s.median_rank:.0f} |"
    )


def dry_query(manifests: Sequence[Path], instrument: str, exclude: set[str], seconds: float) -> np.ndarray:
    """A dry excerpt of the instrument from a song outside the benchmark (the training songs hold enough)."""
    stems = [s for m in manifests for s in stems_of(load_manifest(m)) if s.instrument == instrument]
    stems = [s for s in stems if s.song not in exclude and s.active_seconds > seconds]
    stem = sorted(stems, key=lambda s: (s.dry, s.song, s.name))[0]
    excerpt = draw_excerpt(stem, seconds, np.random.default_rng(1))
    audio, _ = normalize_loudness(load_excerpt(excerpt), 44100, -18.0)
    return np.asarray(audio, dtype=np.float32)


@dataclass(frozen=True)
class Recipe:
    """What every process of the benchmark needs to know."""

    bench: Path
    settings: BenchmarkSettings
    model: str | None
    manifests: tuple[Path, ...]
    songs_of: dict[str, set[str]]
    model_only: bool


Row = tuple[str, str, RetrievalScore, dict[str, float] | None]


@lru_cache(maxsize=1)
def systems(place: str | None) -> tuple[Model, Model, HandMadeFeatures]:
    """The model, the same untrained, and hand-made features."""
    torch.set_num_threads(1)
    encoder = FxEncoder.from_pretrained(place)
    torch.manual_seed(0)
    return Model(encoder), Model(FxEncoder(encoder.config)), HandMadeFeatures()


def whole(recipe: Recipe, task: str) -> list[Row]:
    """Stems of one instrument, or mixtures, by every system."""
    bench = Benchmark(recipe.bench, recipe.settings)
    model, untrained, hand = systems(recipe.model)

    def clips(side: int) -> Iterable[np.ndarray]:
        return bench.mixture(side) if task == "mixture" else bench.stem(task.removeprefix("stem: "), side)

    pairs = {model.encoder.config.name: tuple(in_batches(clips(side), model.whole) for side in (0, 1))}
    if not recipe.model_only:
        pairs["hand-made"] = HandMadeFeatures.standardize(*(in_batches(clips(side), hand.embed) for side in (0, 1)))
        pairs["untrained"] = tuple(in_batches(clips(side), untrained.whole) for side in (0, 1))
    rows: list[Row] = []
    for name, (query, target) in pairs.items():
        both = np.stack([ranks(query, target), ranks(target, query)])
        rows.append((task, name, score(query, target), per_group(both, bench.effect_counts())))
    return rows


def extraction(recipe: Recipe, target: str, controlled: bool) -> list[Row]:
    """One instrument inside mixtures: no query, text, audio; and the isolated stem as the limit."""
    bench = Benchmark(recipe.bench, recipe.settings)
    model, *_ = systems(recipe.model)
    queries = model.encoder.query_encoder
    dry = dry_query(recipe.manifests, target, recipe.songs_of[target], 8.0)
    vectors = torch.cat([queries.embed_text([target]), queries.embed_audio(torch.from_numpy(dry)[None], 44100)])
    oracle = [in_batches(bench.stem(target, side), model.whole) for side in (0, 1)]
    parts = [
        in_batches(bench.extraction(target, side, controlled), lambda c: model.parts(c, vectors)) for side in (0, 1)
    ]
    task = f"{'extract-controlled' if controlled else 'extract'}: {target}"
    rows: list[Row] = [
        (task, name, score(parts[0][:, k], parts[1][:, k]), None)
        for k, name in enumerate(("no query", "text query", "audio query"))
    ]
    # Second column: search the isolated wet stems with what was extracted.
    crossed = np.stack([ranks(parts[0][:, 1], oracle[1]), ranks(parts[1][:, 1], oracle[0])])
    rows.append((task, "text query -> isolated stems", summarize(crossed, recipe.settings.styles), None))
    if controlled:
        rows.append((task, "oracle stem", score(*oracle), None))
    return rows


def run(arguments: argparse.Namespace) -> tuple[list[str], dict[str, object]]:
    tracks = [t for m in arguments.manifests for t in load_manifest(m)]
    stems = stems_of(tracks, "evaluation")
    songs_of: dict[str, set[str]] = {}
    for s in stems:
        if s.active_seconds >= 8.0:
            songs_of.setdefault(s.instrument, set()).add(s.song)
    instruments = tuple(sorted(n for n, songs in songs_of.items() if len(songs) >= 2 and n != "other"))
    used = [s for s in stems if s.instrument in instruments and s.active_seconds >= 8.0]
    settings = BenchmarkSettings(instruments, styles=arguments.styles, ranges=arguments.ranges, seed=arguments.seed)
    start = time.monotonic()
    bench = build_benchmark(used, settings, arguments.cache, jobs=arguments.jobs)
    print(f"benchmark ready after {time.monotonic() - start:.0f} s: {instruments}", flush=True)

    model = FxEncoder.from_pretrained(arguments.model).model_id
    recipe = Recipe(bench.folder, settings, arguments.model, tuple(arguments.manifests), songs_of, arguments.model_only)
    rows: list[str] = []
    results: dict[str, object] = {
        "model": model,
        "manifest": manifest_hash(tracks),
        "settings": {"styles": arguments.styles, "ranges": arguments.ranges, "seed": arguments.seed},
        "songs": {n: sorted(s) for n, s in songs_of.items()},
    }
    r10: dict[tuple[str, str], list[float]] = {}
    with ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("spawn")) as pool:
        work = [pool.submit(whole, recipe, task) for task in (*(f"stem: {n}" for n in instruments), "mixture")]
        for controlled in (True,) if arguments.model_only else (True, False):
            work += [pool.submit(extraction, recipe, n, controlled) for n in instruments]
        for done in work:
            for task, system, s, detail in done.result():
                rows.append(line(task, system, s))
                results[f"{task}/{system}"] = {
                    "recall": s.recall, "interval": s.interval, "map10": s.map10, "detail": detail
                }  # fmt: skip
                r10.setdefault((task.split(":")[0], system), []).append(s.recall[10])
                print(rows[-1], flush=True)
    for (task, system), values in r10.items():
        rows.append(f"| {task}: mean | {system} | | | {np.mean(values):.1f} | | |")
        print(rows[-1], flush=True)
    return rows, results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("--model", default=None)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=None)
    parser.add_argument("--styles", type=int, default=500)
    parser.add_argument("--ranges", default="default", choices=["default", "paper"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--model-only", action="store_true", help="leave out the baselines and the paper's protocol")
    arguments = parser.parse_args()
    rows, results = run(arguments)
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.with_suffix(".json").write_text(json.dumps(results, indent=1), encoding="utf-8")
        head = (
            f"# Retrieval of effects on held-out songs\n\nModel `{results['model']}`, {arguments.styles} candidates, "
            f"1-8 effects balanced, parameter ranges: {arguments.ranges}, seed {arguments.seed}. Songs: "
            f"{json.dumps(results['songs'])}. R@k in percent, 95 % bootstrap interval over styles in brackets; chance: "
            f"R@1 {100 / arguments.styles:.1f}, R@10 {1000 / arguments.styles:.1f}. Made by "
            "`python benchmarks/retrieval.py`.\n\n| task | system | R@1 | R@5 | R@10 | mAP@10 | median rank |\n"
            "| --- | --- | --- | --- | --- | --- | --- |\n"
        )
        arguments.output.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
