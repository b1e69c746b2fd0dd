"""Train the ear of the offline query encoder: dry sounds of known instruments meet the vectors of their
classes.

``python -m fxlens.training.query_tower MANIFEST…``. Cross-entropy over the cosines to the
class vectors of the text table. The spectrograms are computed once and kept in memory; gain does not matter
to the tower, so colour (a random tilt and a few smooth bands), time, and stretches of silence are what is
varied. Songs of the split ``train`` only; accuracy is measured on the others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor

from fxlens.data.excerpts import draw_excerpt, load_excerpt
from fxlens.data.manifest import Stem, load_manifest, stems_of
from fxlens.errors import DataError
from fxlens.models.instrument_query import content_id
from fxlens.models.offline_query import SHIPPED, load_text_table
from fxlens.models.query_tower import FRONTEND, SAMPLE_RATE, WINDOW_SECONDS, QueryTower
from fxlens.whole_files import write_bytes, write_text

LEAST_ACTIVE_SECONDS = 2.0
LEAST_RMS = 1e-4


@dataclass(frozen=True)
class TowerTraining:
    """How the tower is trained.

    Args:
        steps: of optimisation.
        excerpts: how many are drawn, the same number of each class.
        batch_size: excerpts a step.
        learning_rate: highest rate of Adam, one cycle.
        temperature: of the cosines.
        smoothing: of the labels.
        seed: of everything random.
    """

    steps: int = 800
    excerpts: int = 3000
    batch_size: int = 64
    learning_rate: float = 3e-3
    temperature: float = 0.1
    smoothing: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Examples:
    """Spectrograms ``float16 [N, 1, mel, frame]`` and the index of each one's class."""

    spectrograms: Tensor
    labels: Tensor


def draw_examples(
    pools: Sequence[Sequence[Stem]],
    classes: Sequence[str],
    count: int,
    tower: QueryTower,
    rng: np.random.Generator,
) -> Examples:
    """Draw excerpts: the classes evenly, of a class the pools evenly, of a pool the stems evenly.

    Args:
        pools: stems of each manifest; a few recordings weigh as much as many synthesised songs.
        classes: names, in the order of the labels.
        count: of excerpts; silent ones are left out.
        tower: its spectrogram is used.
        rng: for all draws.

    Raises:
        DataError: no stem of any class.
    """
    of_class = [[_usable(pool, name) for pool in pools] for name in classes]
    of_class = [[stems for stems in groups if stems] for groups in of_class]
    there = [label for label, groups in enumerate(of_class) if groups]
    if not there:
        raise DataError("the manifests have no stem of a known instrument; fxlens data prepare writes them")
    spectrograms, labels = [], []
    for number in range(count):
        label = there[number % len(there)]
        stems = of_class[label][int(rng.integers(len(of_class[label])))]
        stem = stems[int(rng.integers(len(stems)))]
        audio = load_excerpt(draw_excerpt(stem, WINDOW_SECONDS, rng), SAMPLE_RATE).mean(axis=0)
        if np.sqrt(np.mean(audio**2)) > LEAST_RMS:
            spectrograms.append(tower.spectrogram(torch.from_numpy(audio)[None])[0].half())
            labels.append(label)
    return Examples(torch.stack(spectrograms), torch.tensor(labels))


def _usable(stems: Sequence[Stem], name: str) -> list[Stem]:
    return [s for s in stems if s.instrument == name and s.active_seconds >= LEAST_ACTIVE_SECONDS]


def vary(spectrograms: Tensor, rng: np.random.Generator) -> Tensor:
    """Colour, noise floor and time: ``[B, 1, mel, frame]`` in the tower's scale, 60 dB a unit.

    The effects of a mix must not change what instrument it is.
    """
    batch, _, mels, frames = spectrograms.shape
    scale = 2.0 / (FRONTEND.ceiling_db - FRONTEND.floor_db)
    knots = rng.normal(0.0, 5.0, (batch, 1, 6)) + rng.normal(0.0, 6.0, (batch, 1, 1)) * np.linspace(-1, 1, 6)
    colour_db = F.interpolate(torch.from_numpy(knots).float(), mels, mode="linear", align_corners=True)
    varied = spectrograms + scale * colour_db[..., None]
    floor = torch.from_numpy(rng.uniform(-1.0, -0.45, (batch, 1, 1, 1))).float()
    varied = torch.maximum(varied, floor).clamp(-1.0, 1.0)
    shift = int(rng.integers(frames))
    varied = torch.roll(varied, shift, dims=-1)
    if rng.random() < 0.5:  # shorter queries
        varied = varied[..., : int(rng.integers(frames // 2, frames))]
    start, width = int(rng.integers(mels)), int(rng.integers(1, 9))
    varied[:, :, start : start + width] = -1.0
    return varied


def train(examples: Examples, class_vectors: Tensor, settings: TowerTraining) -> QueryTower:
    """Train a tower on the class vectors ``[C, dim]``."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    tower = QueryTower(class_vectors.shape[1])
    optimizer = torch.optim.AdamW(tower.parameters(), settings.learning_rate, weight_decay=0.02)
    for step in range(settings.steps):
        progress = step / settings.steps
        warm = min(1.0, progress / 0.05) * 0.5 * (1.0 + np.cos(np.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * max(warm, 1e-3)
        rows = torch.from_numpy(rng.integers(len(examples.labels), size=settings.batch_size))
        out = tower(vary(examples.spectrograms[rows].float(), rng))
        logits = out @ class_vectors.T / settings.temperature
        loss = F.cross_entropy(logits, examples.labels[rows], label_smoothing=settings.smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            right = (logits.argmax(1) == examples.labels[rows]).float().mean()
            print(f"step {step}  loss {loss:.3f}  accuracy {right:.2f}", file=sys.stderr)
    return tower.eval()


@torch.no_grad()
def accuracy(tower: QueryTower, examples: Examples, class_vectors: Tensor, classes: Sequence[str]) -> dict[str, float]:
    """Share of excerpts nearest to their own class, for each class there is, and ``mean`` of the classes."""
    outputs = torch.cat([tower(part.float()) for part in examples.spectrograms.split(64)])
    right = ((outputs @ class_vectors.T).argmax(1) == examples.labels).float()
    shares = {
        name: round(float(right[examples.labels == index].mean()), 3)
        for index, name in enumerate(classes)
        if bool((examples.labels == index).any())
    }
    return shares | {"mean": round(float(np.mean(list(shares.values()))), 3)}


def write(tower: QueryTower, folder: Path, report: dict[str, object]) -> None:
    """Write ``model.safetensors`` (float16) beside the text table, and what was measured into its config."""
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in tower.state_dict().items()}
    write_bytes(folder / "model.safetensors", save({k: v.contiguous() for k, v in tensors.items()}))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    files = [folder / n for n in ("vocabulary.txt", "text.safetensors", "model.safetensors")]
    config |= {
        "query_id": content_id("offline", files),
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "audio": report,
    }
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=SHIPPED, help="folder with the text table")
    parser.add_argument("--steps", type=int, default=TowerTraining.steps)
    parser.add_argument("--excerpts", type=int, default=TowerTraining.excerpts)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    settings = TowerTraining(steps=chosen.steps, excerpts=chosen.excerpts, seed=chosen.seed)
    table = load_text_table(chosen.output)
    songs = [load_manifest(path) for path in chosen.manifests]
    rng = np.random.default_rng([settings.seed, 1])
    blank = QueryTower(table.class_vectors.shape[1])
    pools = [stems_of(manifest, "train") for manifest in songs]
    examples = draw_examples(pools, table.classes, settings.excerpts, blank, rng)
    tower = train(examples, table.class_vectors, settings)
    report: dict[str, object] = {
        "trained_by": "fxlens.training.query_tower",
        "excerpts": len(examples.labels),
    }
    for path, manifest in zip(chosen.manifests, songs, strict=True):
        held_out = [s for split in ("validation", "evaluation") for s in stems_of(manifest, split)]
        if any(s.instrument in table.classes for s in held_out):
            unheard = draw_examples([held_out], table.classes, 400, blank, np.random.default_rng(2))
            report[f"accuracy_{path.stem}"] = accuracy(tower, unheard, table.class_vectors, table.classes)
    write(tower, chosen.output, report)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
