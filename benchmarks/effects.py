"""Time the effects side by side and rewrite docs/benchmarks/effects.md.

    python benchmarks/effects.py --peers DIR               # everything: half an hour on two quiet cores
    python benchmarks/effects.py --peers DIR --peer-reverb # and a reverb that takes a minute a run
    python benchmarks/effects.py --quick -o /tmp/quick.md  # a second of audio, one round: does it run?

DIR comes from ``pip install --target DIR --no-deps dasp-pytorch torchcomp torchlpc``; without it these contestants
are skipped. Contestants take turns, round after round, so that whatever else the machine does meets them all; numbers
are medians of the rounds. Errors are the largest absolute difference from our float64 reference for the first item.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import effects_contestants as table
import numpy as np
import torch
from effects_contestants import EFFECTS, SEVEN, Case, Contestant

from fxlens.audio.loudness import normalize_loudness
from fxlens.dsp.compilation import compile_kernels

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "effects.md"
RATE = 44_100
_SHORTEST_SECONDS = 0.03
Setting = tuple[int, int]
"""Batch and threads."""


def music(batch: int, seconds: float) -> np.ndarray:
    """Decaying chords and noise at -18 LUFS, another for each item: ``float32 [B, 2, T]``."""
    t = np.arange(int(seconds * RATE)) / RATE
    clips = []
    for item in range(batch):
        rng = np.random.default_rng(item)
        beat = t % 0.5
        clip = np.zeros((2, t.size))
        for channel in clip:
            for hz in rng.uniform(50.0, 2_000.0, 6):
                channel += np.exp(-beat * rng.uniform(2.0, 12.0)) * np.sin(2.0 * np.pi * hz * t)
            channel += np.exp(-beat * 30.0) * rng.standard_normal(t.size)
        clips.append(normalize_loudness(clip, RATE, -18.0)[0])
    return np.stack(clips).astype(np.float32)


def field_of(arguments: argparse.Namespace) -> list[Contestant]:
    """Everybody who takes part."""
    found = table.contestants()
    if arguments.peers is None or not (arguments.peers / "dasp_pytorch").is_dir():
        print("dasp-pytorch and torchcomp are skipped: --peers names no folder that has them", flush=True)
        return found
    import effects_peers

    return found + effects_peers.contestants(effects_peers.Peers(arguments.peers), arguments.peer_reverb)


def clock(run: Callable[[], Any], repeats: int) -> float:
    """Seconds a call, over some calls."""
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def race(entrants: list[Contestant], case: Case, rounds: int) -> dict[str, float]:
    """Median seconds of each, by name; they take turns."""
    runs: dict[str, Callable[[], Any]] = {}
    times: dict[str, list[float]] = {}
    repeats: dict[str, int] = {}
    for entrant in entrants:
        run = entrant.prepare(case)
        first = clock(run, 1)
        if entrant.once:
            times[entrant.name] = [first]
            continue
        runs[entrant.name], times[entrant.name] = run, []
        repeats[entrant.name] = max(1, round(_SHORTEST_SECONDS / max(clock(run, 1), 1e-6)))
    for turn in range(rounds):
        order = list(runs) if turn % 2 == 0 else list(runs)[::-1]
        for name in order:
            # Torch's threads are global: whoever was prepared last would set them for all.
            torch.set_num_threads(case.threads)
            times[name].append(clock(runs[name], repeats[name]))
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def error_of(entrant: Contestant, case: Case) -> float | None:
    """Largest difference of the first item from the reference, or None where there is nothing to compare."""
    if not entrant.same:
        return None
    out = np.asarray(entrant.prepare(case)())
    return float(np.abs(out[0] - table.expected(entrant.effect, case)).max())


def gradient_steps(arguments: argparse.Namespace, audio: np.ndarray, threads: int) -> dict[str, float]:
    """Median seconds for loss and gradient of the seven-effect chain, batch 1, ours and theirs in turn."""
    torch.set_num_threads(threads)
    x, target = torch.from_numpy(audio), torch.from_numpy(np.roll(audio, 100, axis=-1).copy())
    chain = table.chain_of(SEVEN)
    unit = chain.unit().requires_grad_()
    runs: dict[str, Callable[[], Any]] = {
        "fxlens differentiable": lambda: (chain.forward(x, RATE, unit) - target).square().mean().backward()
    }
    if arguments.peers is not None and (arguments.peers / "dasp_pytorch").is_dir():
        import effects_peers

        peers = effects_peers.Peers(arguments.peers)
        values = {type: effects_peers.values_of(type, 1, True) for type in SEVEN}

        def theirs() -> None:
            y = x
            for type in SEVEN:
                y = peers.apply(type, y, RATE, values[type])
            (y - target).square().mean().backward()

        runs["dasp-pytorch + torchcomp"] = theirs
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(arguments.rounds):
        for name, run in runs.items():
            times[name].append(clock(run, 1))
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def resident_mib(peak: bool) -> float:
    """This process's memory from Linux's own books, now or at its highest, MiB.

    Not ru_maxrss: a child inherits the maximum of whoever started it.
    """
    label = "VmHWM:" if peak else "VmRSS:"
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(label):
            return int(line.split()[1]) / 1024.0
    raise SystemExit("memory can only be measured where /proc/self/status is; add --no-memory")


def measure_memory(arguments: argparse.Namespace) -> None:
    """In a process of its own: run one contestant, print how much memory it took beyond what was there before."""
    effect, name = arguments.memory_of
    (entrant,) = [c for c in field_of(arguments) if (c.effect, c.name) == (effect, name)]
    entrant.prepare(Case(music(1, 0.5), RATE, 1))()  # compiles, loads
    run = entrant.prepare(Case(music(8, arguments.seconds), RATE, 2))
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # or the call would be given memory that is free but still counted
    before = resident_mib(peak=False)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # start the maximum anew
    run()
    print(json.dumps({"mib": resident_mib(peak=True) - before}))


def memory_of(entrant: Contestant, arguments: argparse.Namespace) -> float:
    command = [sys.executable, __file__, "--memory-of", entrant.effect, entrant.name]
    command += ["--seconds", str(arguments.seconds)]
    command += ["--peers", str(arguments.peers)] if arguments.peers else []
    command += ["--peer-reverb"] if arguments.peer_reverb else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["mib"])


def effect_table(
    effect: str, entrants: list[Contestant], settings: list[Setting], arguments: argparse.Namespace
) -> str:
    """Run one effect's contestants; return its part of the page."""
    times: dict[Setting, dict[str, float]] = {}
    for batch, threads in settings:
        taking_part = [c for c in entrants if batch <= c.largest_batch and (not c.once or (batch, threads) == (8, 2))]
        times[batch, threads] = race(taking_part, Case(arguments.audio[:batch], RATE, threads), arguments.rounds)
    rows = []
    compared = [setting for setting in settings if setting[0] == 8] or settings
    for c in entrants:
        cells = [_ms(times[s].get(c.name)) for s in settings]
        ratio = " / ".join(_ratio(times[s].get(c.name), times[s].get("fxlens fast")) for s in compared)
        error = None if c.once else error_of(c, Case(arguments.audio[:1], RATE, 1))
        memory = "" if arguments.no_memory or c.once else f"{memory_of(c, arguments):.0f}"
        rows.append([c.name, *cells, ratio, "" if error is None else f"{error:.1e}", memory, c.note])
        print(" | ".join([effect, *rows[-1]]), flush=True)
    head = ["", *(f"{b} × {t}" for b, t in settings), "ratio", "max error", "MiB", ""]
    lines = [head, ["---"] * len(head), *rows]
    return f"## {effect}\n\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1e3 * seconds:.3g}" if seconds < 1.0 else f"{1e3 * seconds:.0f}"


def _ratio(theirs: float | None, ours: float | None) -> str:
    return "–" if theirs is None or ours is None else f"{theirs / ours:.3g}"


def _version(name: str, folder: Path | None = None) -> str:
    if folder is not None:
        found = sorted(folder.glob(f"{name.replace('-', '_')}-*.dist-info"))
        return found[0].name.split("-")[1].removesuffix(".dist") if found else "absent"
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def introduction(arguments: argparse.Namespace, load: tuple[float, float]) -> str:
    """What was measured, where, and how busy it was."""
    versions = [
        f"{n} {_version(n)}" for n in ("fxlens", "torch", "numba", "numpy", "scipy", "pedalboard", "pyloudnorm")
    ]
    versions += [f"{n} {_version(n, arguments.peers)}" for n in ("dasp-pytorch", "torchcomp") if arguments.peers]
    peers = " --peers DIR" if arguments.peers else ""
    reverb = " --peer-reverb" if arguments.peer_reverb else ""
    return (
        "# The effects, side by side\n\nWritten by "
        f"`python benchmarks/effects.py{peers}{reverb} --rounds {arguments.rounds}`. Milliseconds for "
        f"{arguments.seconds:g} s of 44.1 kHz stereo, medians of {arguments.rounds} interleaved rounds; columns are "
        "batch × threads. *ratio*: to our fast face at batch 8 and as many threads, 1 / 2 / …. *max error*: largest "
        "absolute difference from our float64 reference (SciPy's recursion for the equaliser), where the definitions "
        "agree. *MiB*: peak memory beyond that before the call, batch 8, in a process of its own. Settings stand in "
        "`benchmarks/effects_contestants.py`; pedalboard has no crossovers and no stereo imager.\n\n"
        f"Machine: {os.cpu_count()} logical cores ({platform.machine()}); load before {load[0]:.1f}, after "
        f"{load[1]:.1f}. Versions: {', '.join(versions)}; Python {platform.python_version()}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="folder with dasp-pytorch, torchcomp and torchlpc")
    parser.add_argument("--peer-reverb", action="store_true", help="run dasp's reverb too, once at batch 8")
    parser.add_argument("--effects", nargs="+", choices=EFFECTS, default=list(EFFECTS), metavar="EFFECT")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one second, one round, batch 1 and 8")
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory (a process a contestant)")
    parser.add_argument("--output", "-o", type=Path, default=PAGE)
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        measure_memory(arguments)
        return
    if arguments.quick:
        arguments.seconds, arguments.rounds, arguments.batches = 1.0, 1, [1, 8]
        if arguments.output == PAGE:
            parser.error("--quick measures nothing worth keeping: name another file with -o")
    before = os.getloadavg()[0]
    compile_kernels()
    arguments.audio = music(max(arguments.batches), arguments.seconds)
    everybody = field_of(arguments)
    settings = [(batch, threads) for batch in arguments.batches for threads in arguments.threads]
    parts = [
        effect_table(effect, [c for c in everybody if c.effect == effect], settings, arguments)
        for effect in arguments.effects
    ]
    steps = {threads: gradient_steps(arguments, arguments.audio[:1], threads) for threads in arguments.threads}
    rows = [
        f"| {name} | " + " | ".join(_ms(steps[t][name]) for t in steps) + " |" for name in steps[arguments.threads[0]]
    ]
    head = "| | " + " | ".join(f"{t} thread{'s' * (t > 1)}" for t in steps) + " |\n| --- |" + " --- |" * len(steps)
    parts.append(
        "## One gradient step of the chain of seven\n\nForward, squared error, backward to all parameters; batch 1.\n\n"
        + "\n".join([head, *rows])
        + "\n"
    )
    text = "\n".join([introduction(arguments, (before, os.getloadavg()[0])), *parts])
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")
    print(f"written: {arguments.output}")


if __name__ == "__main__":
    main()
