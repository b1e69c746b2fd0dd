"""Time the encoder side by side and rewrite docs/benchmarks/encoder.md and encoder.json.

    python benchmarks/encoder.py --peers DIR               # everything: a quarter of an hour on two quiet cores
    python benchmarks/encoder.py --quick -o /tmp/quick.md  # short audio, one round, a narrow network: does it run?

DIR comes from ``pip install --target DIR --no-deps fxencoder-plusplus torchlibrosa librosa lazy_loader pooch audioread
decorator msgpack platformdirs openvino``; who is not in it is skipped. Contestants have equal weights and take turns,
round after round; numbers are medians of the rounds. Then ``python benchmarks/encoder_capacity.py`` puts the rates into
docs/scale.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import encoder_contestants as table
import numpy as np
import torch
from encoder_files import rates

from fxlens.cli.allocation import keep_freed_memory
from fxlens.models.folding import native_bfloat16
from fxlens.whole_files import write_text

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "encoder.md"
RATE = 44_100
FILES = "## The shipped model, from files on disk"


def music(batch: int, seconds: float) -> np.ndarray:
    """Beats of decaying tones and noise, another for each item: ``float32 [B, 2, T]``."""
    t = np.arange(int(seconds * RATE)) / RATE
    clips = []
    for item in range(batch):
        rng = np.random.default_rng(item)
        beat = t % rng.uniform(0.3, 0.8)
        tones = sum(np.sin(2 * np.pi * hz * t) for hz in rng.uniform(50.0, 4_000.0, 6))
        noise = rng.standard_normal((2, t.size)) * np.exp(-beat * rng.uniform(10.0, 60.0))
        clips.append(0.05 * (tones * np.exp(-beat * rng.uniform(1.0, 12.0)) + rng.uniform(0.1, 3.0) * noise))
    return np.stack(clips).astype(np.float32)


def race(runs: dict[str, Callable[[], Any]], rounds: int, threads: int) -> dict[str, float]:
    """Median seconds of each, by name; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        torch.set_num_threads(threads)
        run()  # compiles, chooses its kernels
    for turn in range(rounds):
        for name in list(runs) if turn % 2 == 0 else list(runs)[::-1]:
            torch.set_num_threads(threads)
            start = time.perf_counter()
            runs[name]()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def table_of(
    title: str, note: str, makers: dict[str, Any], arguments: argparse.Namespace, clips: np.ndarray
) -> tuple[str, dict[str, Any]]:
    """Race some contestants at every batch and number of threads; the first is what the others are compared with."""
    settings = [(batch, threads) for batch in arguments.batches for threads in arguments.threads]
    times: dict[tuple[int, int], dict[str, float]] = {}
    for batch, threads in settings:
        audio = clips[:batch]
        times[batch, threads] = race(
            {name: make(audio, threads) for name, make in makers.items()}, arguments.rounds, threads
        )
        gc.collect()
    outputs = {name: np.asarray(make(clips, arguments.threads[-1])(), np.float64) for name, make in makers.items()}
    first = next(iter(makers))
    head = ["", *(f"{b} × {t}" for b, t in settings), "times as fast", "max difference", "lowest cosine"]
    rows, found = [head, ["---"] * len(head)], {}
    for name, out in outputs.items():
        ratios = [times[s][first] / times[s][name] for s in settings]
        a, b = (x.reshape(len(x), -1) for x in (outputs[first], out))
        cosine = float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())
        difference = float(np.abs(a - b).max())
        cells = [f"{1e3 * times[s][name] / s[0]:.3g}" for s in settings]
        rows.append([name, *cells, " / ".join(f"{r:.2f}" for r in ratios), f"{difference:.1e}", f"{cosine:.6f}"])
        found[name] = {
            "seconds_per_clip": {f"{b}x{t}": times[b, t][name] / b for b, t in settings},
            "times_as_fast": {f"{b}x{t}": r for (b, t), r in zip(settings, ratios, strict=True)},
            "max_difference": difference,
            "lowest_cosine": cosine,
        }
        print(" | ".join(rows[-1]), flush=True)
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
    return f"## {title}\n\n{note}\n\n{text}\n", found


def _version(name: str, folder: Path | None) -> str:
    found = sorted(folder.glob(f"{name.replace('-', '_')}-*.dist-info")) if folder else []
    if found:
        return found[0].name.split("-")[1].removesuffix(".dist")
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def introduction(arguments: argparse.Namespace, load: tuple[float, float]) -> str:
    """What was measured, where, and how busy it was."""
    names = ("fxlens", "torch", "numpy", "onnxruntime", "openvino", "fxencoder-plusplus", "torchlibrosa")
    versions = ", ".join(f"{name} {_version(name, arguments.peers)}" for name in names)
    bf16 = "multiplies" if native_bfloat16(torch.device("cpu")) else "does not multiply"
    peers = " --peers DIR" if arguments.peers else ""
    return (
        f"# The encoder, side by side\n\nWritten by `python benchmarks/encoder.py{peers} --rounds {arguments.rounds}`. "
        f"Milliseconds a clip of {arguments.seconds:g} s of 44.1 kHz stereo, medians of {arguments.rounds} interleaved "
        "rounds; columns are batch × threads. *times as fast*: as the first row, in the order of the columns. *max "
        "difference*, *lowest cosine*: of the results to those of the first row, over all clips. All keep freed memory "
        "(`fxlens.cli.allocation`), as `fxlens` itself does.\n\n"
        f"Machine: {os.cpu_count()} logical cores ({platform.machine()}) that {bf16} bfloat16 themselves; load before "
        f"{load[0]:.1f}, after {load[1]:.1f}. Versions: {versions}; Python {platform.python_version()}.\n"
    )


def files_page(found: list[dict[str, Any]]) -> str:
    rows = ["| model | what | precision | jobs | times real time |", "| --- | --- | --- | --- | --- |"]
    for rate in found:
        rows.append(
            f"| {rate['model']} | {rate['what']} | {rate['precision']} | {rate['jobs']} | {rate['real_time']:.0f} |"
        )
    note = (
        f"`fxlens embed` of {found[0]['files']} FLAC files of {found[0]['file_seconds']:g} s, 44.1 kHz stereo, "
        "decoding and loudness included; loading the model is not."
    )
    return f"{FILES}\n\n{note}\n\n" + "\n".join(rows) + "\n"


def measure_files_again(arguments: argparse.Namespace, file_seconds: float) -> None:
    """Replace the last part of a page that is there."""
    facts = json.loads(arguments.output.with_suffix(".json").read_text(encoding="utf-8"))
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="fxlens-bench-") as scratch:
        facts["files"] = rates(Path(scratch), arguments.files, file_seconds)
    kept = arguments.output.read_text(encoding="utf-8").split(FILES)[0]
    text = files_page(facts["files"]) + f"\nMeasured with `--files-only`, load before {before:.1f}.\n"
    write_text(arguments.output, kept + text)
    write_text(arguments.output.with_suffix(".json"), json.dumps(facts, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="folder with the packages of others")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--files", type=int, default=12, help="files of three minutes for the last part")
    parser.add_argument("--files-only", action="store_true", help="the last part again, for new weights; others stay")
    parser.add_argument("--quick", action="store_true", help="a second, one round, one thread, no peers' network")
    parser.add_argument("--output", "-o", type=Path, default=PAGE)
    arguments = parser.parse_args()
    file_seconds, width = 180.0, 64
    if arguments.quick:
        arguments.seconds, arguments.rounds, arguments.batches, arguments.threads = 1.0, 1, [2], [1]
        arguments.files, file_seconds, width = 2, 15.0, 8
        if arguments.output == PAGE:
            parser.error("--quick measures nothing worth keeping: name another file with -o")
    keep_freed_memory()  # as the command does; it serves all contestants
    if arguments.files_only:
        measure_files_again(arguments, file_seconds)
        return
    before = os.getloadavg()[0]
    clips = music(max(arguments.batches), arguments.seconds)
    with tempfile.TemporaryDirectory(prefix="fxlens-bench-") as scratch:
        field = table.Field(Path(scratch), arguments.peers, width)
        paper, paper_found = table_of(
            "The paper's configuration",
            "CNN14, 64 mel bands, 80 M parameters; mixture embeddings, equal weights."
            + ("" if field.theirs else " The original is absent."),
            field.networks(),
            arguments,
            clips,
        )
        mel, mel_found = table_of(
            "Its spectrogram", "Log-mel of both channels, 64 bands, hop 512.", field.spectrograms(), arguments, clips
        )
        shipped = rates(Path(scratch), arguments.files, file_seconds)
    text = "\n".join([introduction(arguments, (before, os.getloadavg()[0])), paper, mel, files_page(shipped)])
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")
    facts = {"paper": paper_found, "spectrogram": mel_found, "files": shipped, "cores": os.cpu_count()}
    arguments.output.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"written: {arguments.output}")


if __name__ == "__main__":
    main()
