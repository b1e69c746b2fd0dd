"""One run of an ablation: its settings under a common budget, its pool, its training in a process of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fxlens import config
from fxlens.cli import console
from fxlens.config import EXTENDS, dump, load, to_dict
from fxlens.data.style_block import StemShelf
from fxlens.data.style_pool import fill_pool, load_rooms
from fxlens.dsp.compilation import compile_kernels
from fxlens.errors import ConfigError, FxLensError
from fxlens.training.rendering import load_stems, pool_weights
from fxlens.training.settings import TrainSettings
from fxlens.whole_files import write_text

CONFIGS = Path(config.__file__).parent / "configs"
POOL_SEED = 20_240
_FIRST_STEPS, _TIMED_STEPS = 10, 70
_FINISHED = "finished.json"


@dataclass(frozen=True)
class Budget:
    """What every run may use.

    Args:
        steps: optimiser steps; 0 where minutes decide.
        minutes: of training; how many steps that is is measured once for each configuration.
        blocks: style blocks of the pool, all rendered before the first step.
    """

    steps: int
    minutes: float
    blocks: int


def find_config(name: str) -> Path:
    """A file, the name of a shipped configuration, or of one under ``configs/ablations``.

    Raises:
        ConfigError: neither.
    """
    for path in (Path(name), CONFIGS / f"{name}.yaml", CONFIGS / "ablations" / f"{name}.yaml"):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in (CONFIGS / "ablations").glob("*.yaml")))
    raise ConfigError(f"{name}: no such configuration file; ablations are {known}")


def description(path: Path) -> str:
    """The first line of a configuration, which says what it is."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip() if first.startswith("#") else path.stem


def extended(path: Path) -> str | None:
    """Name of the configuration that one is laid over, which is what it is to be compared with."""
    import yaml

    below = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get(EXTENDS)
    return None if below is None else Path(below).stem


def under_budget(settings: TrainSettings, steps: int, blocks: int, seed: int) -> TrainSettings:
    """The same recipe in so many steps: what is stated in steps is scaled with them, and the pool is there at once.

    Effects are drawn alike throughout: the effect probabilities would depend on the run that renders a common pool.
    """
    share = steps / settings.steps
    optimizer, batch, loss = settings.optimizer, settings.batch, settings.loss
    freeze = optimizer.freeze_norm_from
    return dataclasses.replace(
        settings,
        steps=steps,
        seed=seed,
        checkpoint_every=max(1, min(100, steps // 4)),
        log_every=max(1, min(settings.log_every, steps // 20)),
        validation_blocks=0,
        optimizer=dataclasses.replace(
            optimizer,
            warmup_steps=max(1, round(share * optimizer.warmup_steps)),
            freeze_norm_from=None if freeze is None else round(share * freeze),
        ),
        loss=dataclasses.replace(loss, ramp_steps=round(share * loss.ramp_steps)),
        batch=dataclasses.replace(
            batch,
            hard_from_batch=round(share * batch.hard_from_batch),
            company_batches=round(share * batch.company_batches),
            initial_blocks=blocks,
            total_blocks=blocks,
            window_blocks=blocks,
        ),
    )


def pool_of(settings: TrainSettings, manifest_sha256: str, work: Path) -> Path:
    """Where the pool of a run is: runs whose blocks are drawn alike have one in common."""
    material = settings.material
    rooms = [] if material.rooms is None else sorted(path.name for path in material.rooms.glob("*"))
    told = [to_dict(settings.block), material.instrument_weights, rooms, manifest_sha256, POOL_SEED]
    return work / "pools" / hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def render_pool(settings: TrainSettings, pool: Path, blocks: int, jobs: int) -> None:
    """Render the blocks that are missing."""
    material = settings.material
    shelf = StemShelf(load_stems(material.manifests, "train"))
    weights = pool_weights(shelf, material.instrument_weights)
    rooms = load_rooms(material.rooms, settings.block.sample_rate)
    compile_kernels()
    fill_pool(pool, shelf, settings.block, POOL_SEED, weights, range(blocks), rooms, jobs)


@dataclass(frozen=True)
class Run:
    """One training: a configuration and a seed.

    Args:
        name: of the configuration.
        settings: under budget, with pool.
        folder: of the run.
    """

    name: str
    settings: TrainSettings
    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def finished(self) -> bool:
        return (self.folder / _FINISHED).is_file()

    def train(self) -> None:
        """Train, or go on where it was interrupted; nothing is done twice.

        Raises:
            ConfigError: the folder holds a run with other settings.
            FxLensError: training failed; what it had to say is above.
        """
        plan = self.folder / "plan.yaml"
        if plan.exists() and load(TrainSettings, plan) != self.settings:
            raise ConfigError(f"{self.folder} holds a run with other settings; choose another --work folder")
        if self.finished():
            return
        dump(self.settings, plan)
        began = time.monotonic()
        _train(plan, self.folder)
        facts = {"steps": self.settings.steps, "seconds": round(time.monotonic() - began, 1)}
        write_text(self.folder / _FINISHED, json.dumps(facts) + "\n")


def steps_in(minutes: float, settings: TrainSettings, folder: Path) -> int:
    """How many steps a configuration takes in so many minutes here; measured once and kept in ``folder``."""
    kept = folder / "seconds_per_step.json"
    if not kept.exists():
        console.say(f"{folder.name}: timing {_TIMED_STEPS} steps")
        shutil.rmtree(folder / "timed", ignore_errors=True)  # one that was interrupted would begin in its middle
        seconds = []
        for stop in (_FIRST_STEPS, _TIMED_STEPS):  # the start-up of both is alike, and falls out of the difference
            timed = dataclasses.replace(settings, stop_at_step=stop, checkpoint_every=_FIRST_STEPS)
            dump(timed, folder / "timed.yaml")
            began = time.monotonic()
            _train(folder / "timed.yaml", folder / "timed")
            seconds.append(time.monotonic() - began)
        step = max(seconds[1] - seconds[0], 1e-3) / (_TIMED_STEPS - 2 * _FIRST_STEPS)
        write_text(kept, json.dumps({"seconds": step}) + "\n")
    return max(1, round(60.0 * minutes / float(json.loads(kept.read_text(encoding="utf-8"))["seconds"])))


def _train(plan: Path, folder: Path) -> None:
    command: Sequence[str] = [sys.executable, "-m", "fxlens.cli", "train", "--config", str(plan), "-o", str(folder)]
    resume = ["--resume"] if (folder / "checkpoints" / "last.ckpt").exists() else []
    done = subprocess.run([*command, *resume], check=False, stdout=subprocess.DEVNULL)
    if done.returncode in (130, -2):
        raise KeyboardInterrupt
    if done.returncode:
        raise FxLensError(f"{folder}: training ended with code {done.returncode}; see its message above")
