"""A trained encoder hears every wet stem of the pool alone, and leaves what a listener in mixtures shall find."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from fxlens.data.mixture import MIXTURE_LUFS
from fxlens.data.stem_targets import StemTargets, quantised, targets_path, write_targets
from fxlens.data.style_pool import StoredBlock, StylePool
from fxlens.models.fx_encoder import FxEncoder

AT_ONCE = 16
"""Blocks that a process is given at a time."""


def teach(pool: Path, targets: Path, model: Path, blocks: int, jobs: int) -> list[StoredBlock]:
    """Write the targets of the first ``blocks`` blocks of a pool where they are missing.

    Files appear whole: of processes that train together each may call it, at the cost of hearing some blocks twice.

    Args:
        pool: folder of the pool; blocks that are still being rendered are waited for.
        targets: folder of the targets.
        model: folder of the trained encoder.
        blocks: how many.
        jobs: processes, one thread each; 1 is this process itself. The result does not depend on it.

    Returns:
        The blocks.
    """
    stored = StylePool(pool).upto(blocks)
    missing = [b for b in stored if not targets_path(targets, b.number).exists()]
    if missing:
        parts = [missing[k : k + AT_ONCE] for k in range(0, len(missing), AT_ONCE)]
        with tqdm(desc="hearing stems", unit=" blocks", total=len(missing), disable=None) as bar:
            for part, _ in zip(parts, _heard(parts, targets, model, jobs), strict=True):
                bar.update(len(part))
    return stored


def _heard(parts: list[list[StoredBlock]], targets: Path, model: Path, jobs: int) -> Iterator[None]:
    """Hear some blocks after the others."""
    if jobs == 1 or len(parts) == 1:
        threads = torch.get_num_threads()
        try:
            for part in parts:
                _hear_blocks(targets, model, part)
                yield
        finally:
            torch.set_num_threads(threads)
            _ENCODERS.clear()
        return
    # Spawned: a forked copy of a process whose torch has run with threads can wait for ever.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as executor:
        work = [executor.submit(_hear_blocks, targets, model, part) for part in parts]
        for done in work:
            done.result()
            yield


_ENCODERS: dict[Path, FxEncoder] = {}


def _hear_blocks(targets: Path, model: Path, blocks: Sequence[StoredBlock]) -> None:
    torch.set_num_threads(1)
    if model not in _ENCODERS:
        _ENCODERS[model] = FxEncoder.from_pretrained(model)
    for block in blocks:
        write_targets(targets, block.number, hear_block(_ENCODERS[model], block))


@torch.inference_mode()
def hear_block(encoder: FxEncoder, block: StoredBlock) -> StemTargets:
    """Embed every wet clip of a block, and its dry excerpt as a query."""
    audible = np.isfinite(block.lufs)
    clips = np.stack([block.wet(c, k) for c in range(block.chains) for k in (0, 1)])
    gains = np.where(audible, 10.0 ** ((MIXTURE_LUFS - np.where(audible, block.lufs, 0.0)) / 20.0), 0.0)
    clips *= gains.reshape(-1, 1, 1, 1)[:, 0].astype(np.float32)
    heard = encoder.hear(torch.from_numpy(clips))
    embedding = heard.mixture.reshape(block.chains, 2, -1).numpy()
    key = (embedding * audible[..., None]).sum(axis=1)
    key /= np.maximum(np.linalg.norm(key, axis=1, keepdims=True), 1e-9)
    front = encoder.config.frontend
    decibels = (heard.logmel.numpy() + 1.0) * (0.5 * (front.ceiling_db - front.floor_db)) + front.floor_db
    query = encoder.query_encoder.embed_audio(torch.from_numpy(block.dry())[None], encoder.sample_rate)[0].numpy()
    spectra = quantised(decibels).reshape(block.chains, 2, *decibels.shape[1:])
    return StemTargets(key.astype(np.float32), spectra, query, audible)
