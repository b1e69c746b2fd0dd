"""Match synthetic pairs whose truth is known, and rewrite docs/benchmarks/matching-pairs.md and .json.

    python benchmarks/matching_pairs.py                    # 50 pairs; an hour or so on one core
    python benchmarks/matching_pairs.py --pairs 4 --steps 5 -o /tmp/quick.md

A pair is a dry stem and a chain of two to five effects in the order of the default chain of ``fxlens match``. The
reference is the chain on the same stem ("same music") or on the same instrument in another song ("other music"); both
are matched from nothing, as the command does it. What counts is L_d, the multi-resolution STFT distance (auraloss,
extra ``evaluate``) at equal loudness, to the chain on the dry stem: before, of the dry stem, and after, of the result.
Finished pairs are kept beside the page (``.partial.jsonl``) until it is written, so a run that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fxlens import __version__
from fxlens.audio.loudness import normalize_loudness
from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.effects.chain import EffectChain
from fxlens.effects.sampling import draw_effect
from fxlens.evaluation.matching.distance import distances
from fxlens.matching.chain_parts import MIX_CHAIN, chain_of
from fxlens.matching.match import DEFAULT, match
from fxlens.models.fx_encoder import FxEncoder
from fxlens.whole_files import write_text

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "matching-pairs.md"
STEMS = ("drums", "bass", "keys", "lead", "vocals")
SONGS = 900_000
"""Seed of the first song: far from those that training draws."""

WORKING_LUFS = -18.0
RESAMPLES = 2000


def levelled(audio: np.ndarray, rate: int) -> np.ndarray:
    return np.asarray(normalize_loudness(audio, rate, WORKING_LUFS)[0], dtype=np.float32)


def draw_truth(rng: np.random.Generator) -> EffectChain:
    """Two to five audible effects in the order of the default chain, the others neutral."""
    while True:
        chosen = set(rng.choice(len(MIX_CHAIN), size=int(rng.integers(2, 6)), replace=False).tolist())
        neutral = chain_of(MIX_CHAIN).effects
        effects = tuple(draw_effect(rng, one.type) if n in chosen else one for n, one in enumerate(neutral))
        if EffectChain(effects).audible_count() >= 2:
            return EffectChain(effects)


def matched_pair(number: int, encoder: FxEncoder, arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of one pair, for both references."""
    rate = encoder.sample_rate
    rng = np.random.default_rng([arguments.seed, 0x9A1B, number])
    stem = STEMS[number % len(STEMS)]
    song = SONGS + 1000 * arguments.seed + 2 * number
    own, other = (levelled(synthesize_song(song + k, arguments.seconds, rate, [stem])[stem], rate) for k in (0, 1))
    truth = draw_truth(rng)
    target = truth.apply(own, rate)
    settings = replace(DEFAULT, steps=arguments.steps, restarts=arguments.restarts, seed=arguments.seed)
    row: dict[str, Any] = {"pair": number, "stem": stem, "effects": [truth.effects[p].type for p in
                           truth.audible_positions()], "before": distances(own, target, rate)["L_d"]}  # fmt: skip
    for name, reference in (("same music", target), ("other music", truth.apply(other, rate))):
        began = time.monotonic()
        found = match(own, reference, encoder, sample_rate=rate, seconds=arguments.seconds, settings=settings)
        row[name] = {
            "after": distances(found.audio, target, rate)["L_d"],
            "distance_before": found.distance_before,
            "distance_after": found.distance_after,
            "seconds": time.monotonic() - began,
        }
    return row


def interval(values: np.ndarray, statistic: Any) -> tuple[float, float, float]:
    """A statistic and its 95 % bootstrap interval over pairs."""
    rng = np.random.default_rng(0)
    drawn = [statistic(values[rng.integers(len(values), size=len(values))]) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(statistic(values)), float(low), float(high)


def table(rows: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    lines = ["", "pairs", "L_d before", "L_d after", "share that falls", "median fall", "distance before",
             "distance after", "seconds a pair"]  # fmt: skip
    text = ["| " + " | ".join(lines) + " |", "| --- |" + " --- |" * (len(lines) - 1)]
    found: dict[str, Any] = {}
    before = np.array([row["before"] for row in rows])
    for name in ("same music", "other music"):
        after = np.array([row[name]["after"] for row in rows])
        share = interval(100.0 * (after < before), np.mean)
        fall = interval(before - after, np.median)
        heard = [
            np.median([row[name][key] for row in rows]) for key in ("distance_before", "distance_after", "seconds")
        ]
        text.append(
            f"| {name} | {len(rows)} | {np.median(before):.2f} | {np.median(after):.2f} | {share[0]:.0f} % "
            f"[{share[1]:.0f}, {share[2]:.0f}] | {fall[0]:.2f} [{fall[1]:.2f}, {fall[2]:.2f}] | {heard[0]:.3f} | "
            f"{heard[1]:.3f} | {heard[2]:.0f} |"
        )
        found[name] = {"share": share, "fall": fall}
    return "\n".join(text), found


def page(rows: list[dict[str, Any]], encoder: FxEncoder, arguments: argparse.Namespace) -> str:
    made, _ = table(rows)
    return f"""# Matching where the truth is known

Written by `python benchmarks/matching_pairs.py{_options(arguments)}`. {len(rows)} pairs: a stem of fxlens' own
synthesiser ({", ".join(STEMS)}; {arguments.seconds:g} s), and a chain of two to five effects out of the default chain
of `fxlens match`. The reference is that chain on the same stem, or on the same instrument of another song. The search
begins with all effects neutral, {arguments.steps} steps and {arguments.restarts} restart(s).

{made}

Medians; shares and falls with their 95 % bootstrap intervals over pairs. L_d is the multi-resolution STFT distance to
the true chain on the dry stem, both at -18 LUFS: *before* of the dry stem, *after* of the result. *Distance* is
1 - cosine to the reference's embedding. A share is of pairs whose L_d the match brings down.

Model {encoder.model_id}; fxlens {__version__}, torch {torch.__version__}, {platform.machine()},
{torch.get_num_threads()} thread(s); the seconds are those of a machine that had other work.
"""


def _options(arguments: argparse.Namespace) -> str:
    plain = _parser().parse_args([])
    given = {k: v for k, v in vars(arguments).items() if k not in ("output", "model") and v != getattr(plain, k)}
    return "".join(f" --{k.replace('_', '-')}" + ("" if v is True else f" {v}") for k, v in given.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("-m", "--model", help="folder or name; the shipped model if not given")
    parser.add_argument("-o", "--output", type=Path, default=PAGE)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(words: list[str] | None = None) -> None:
    """Match, and write the page and the rows beside it."""
    arguments = _parser().parse_args(words)
    encoder = FxEncoder.from_pretrained(arguments.model)
    partial = arguments.output.with_suffix(".partial.jsonl")
    key = [encoder.model_id, {k: v for k, v in vars(arguments).items() if k not in ("output", "pairs", "model")}]
    kept = [json.loads(line) for line in partial.read_text().splitlines()] if partial.exists() else []
    rows = {row["pair"]: row for told, row in kept if told == key and row["pair"] < arguments.pairs}
    with partial.open("a") as file:
        for number in range(arguments.pairs):
            if number not in rows:
                rows[number] = matched_pair(number, encoder, arguments)
                file.write(json.dumps([key, rows[number]]) + "\n")
                file.flush()
                print(json.dumps(rows[number]), flush=True)
    done = [rows[number] for number in sorted(rows)]
    write_text(arguments.output, page(done, encoder, arguments))
    write_text(arguments.output.with_suffix(".json"), json.dumps({"made_with": key, "pairs": done}, indent=1) + "\n")
    partial.unlink()
    print(table(done)[0])


if __name__ == "__main__":
    main()
