"""Retrieval on held-out songs: stems, mixtures, and one instrument inside a mixture.

    python benchmarks/retrieval.py MANIFEST... --model FOLDER --cache CACHE --output docs/benchmarks/retrieval.md

Songs of split ``evaluation`` only. Every task has 500 candidates, effects 1-8 balanced. Rewrites the table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from fxlens.audio.loudness import normalize_loudness
from fxlens.data.excerpts import draw_excerpt, load_excerpt
from fxlens.data.manifest import load_manifest, manifest_hash, stems_of
from fxlens.evaluation.baselines import HandMadeFeatures
from fxlens.evaluation.benchmark import BenchmarkSettings, build_benchmark
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
        feature_map = self.encoder.feature_map(torch.from_numpy(clips))
        return self.encoder.mixture_embedding(feature_map).numpy()

    @torch.inference_mode()
    def parts(self, clips: np.ndarray, queries: torch.Tensor) -> np.ndarray:
        """``[B, 1 + K, D]``: no query first, then each of ``queries`` ``[K, Q]``."""
        feature_map = self.encoder.feature_map(torch.from_numpy(clips))
        mixture = self.encoder.mixture_embedding(feature_map)
        out = [mixture]
        for query in queries:
            q = query.expand(len(clips), -1)
            out.append(self.encoder.instrument_embedding(feature_map, q, mixture))
        return torch.stack(out, dim=1).numpy()


def line(task: str, system: str, s: RetrievalScore) -> str:
    low, high = s.interval[10]
    return (
        f"| {task} | {system} | {s.recall[1]:.1f} | {s.recall[5]:.1f} | {s.recall[10]:.1f} "
        f"[{low:.1f}, {high:.1f}] | {s.map10:.1f} | {s.median_rank:.0f} |"
    )


def dry_query(manifests: list[Path], instrument: str, exclude: set[str], seconds: float) -> np.ndarray:
    """A dry excerpt of the instrument from a song outside the benchmark (the training songs hold enough)."""
    stems = [s for m in manifests for s in stems_of(load_manifest(m)) if s.instrument == instrument]
    stems = [s for s in stems if s.song not in exclude and s.active_seconds > seconds]
    stem = sorted(stems, key=lambda s: (s.dry, s.song, s.name))[0]
    excerpt = draw_excerpt(stem, seconds, np.random.default_rng(1))
    audio, _ = normalize_loudness(load_excerpt(excerpt), 44100, -18.0)
    return np.asarray(audio, dtype=np.float32)


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

    encoder = FxEncoder.from_pretrained(arguments.model)
    torch.manual_seed(0)
    untrained = Model(FxEncoder(encoder.config))
    model, hand = Model(encoder), HandMadeFeatures()
    counts = bench.effect_counts()
    rows: list[str] = []
    results: dict[str, object] = {
        "model": encoder.model_id,
        "manifest": manifest_hash(tracks),
        "settings": {"styles": arguments.styles, "ranges": arguments.ranges, "seed": arguments.seed},
        "songs": {n: sorted(s) for n, s in songs_of.items()},
    }

    def report(task: str, system: str, s: RetrievalScore, detail: dict[str, float] | None = None) -> None:
        rows.append(line(task, system, s))
        results[f"{task}/{system}"] = {
            "recall": s.recall,
            "interval": s.interval,
            "map10": s.map10,
            "detail": detail,
        }
        print(rows[-1], flush=True)

    tasks: list[tuple[str, Callable[[int], Iterable[np.ndarray]]]] = [
        (f"stem: {n}", lambda side, n=n: bench.stem(n, side)) for n in instruments
    ]
    tasks.append(("mixture", bench.mixture))
    means: dict[str, list[float]] = {}
    for task, clips in tasks:
        systems: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        systems[encoder.config.name] = (in_batches(clips(0), model.whole), in_batches(clips(1), model.whole))
        if not arguments.model_only:
            a, b = HandMadeFeatures.standardize(in_batches(clips(0), hand.embed), in_batches(clips(1), hand.embed))
            systems["hand-made"] = (a, b)
            systems["untrained"] = (
                in_batches(clips(0), untrained.whole),
                in_batches(clips(1), untrained.whole),
            )
        for name, (query, target) in systems.items():
            s = score(query, target)
            both = np.stack([ranks(query, target), ranks(target, query)])
            report(task, name, s, per_group(both, counts))
            means.setdefault(name, []).append(s.recall[10])
    for name, values in means.items():
        print(f"mean stem R@10 {name}: {np.mean(values[:-1]):.1f}, mixture {values[-1]:.1f}", flush=True)

    queries = encoder.query_encoder
    for target in instruments:
        dry = dry_query(arguments.manifests, target, songs_of[target], 8.0)
        vectors = torch.cat([queries.embed_text([target]), queries.embed_audio(torch.from_numpy(dry)[None], 44100)])
        oracle = [in_batches(bench.stem(target, side), model.whole) for side in (0, 1)]
        for protocol, controlled in (("extract-controlled", True), ("extract", False)):
            if arguments.model_only and not controlled:
                continue
            parts = [
                in_batches(bench.extraction(target, side, controlled), lambda c, v=vectors: model.parts(c, v))
                for side in (0, 1)
            ]
            for k, name in enumerate(("no query", "text query", "audio query")):
                report(f"{protocol}: {target}", name, score(parts[0][:, k], parts[1][:, k]))
            # Second column: search the isolated wet stems with what was extracted.
            crossed = np.stack([ranks(parts[0][:, 1], oracle[1]), ranks(parts[1][:, 1], oracle[0])])
            report(f"{protocol}: {target}", "text query -> isolated stems", summarize(crossed, len(counts)))
        report(f"extract-controlled: {target}", "oracle stem", score(*oracle))
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
