"""How much faster than it plays music is embedded from files on disk, by the shipped model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from fxlens.embedding.collect import collect
from fxlens.embedding.job import EmbedSettings, embed_files
from fxlens.models.folding import native_bfloat16
from fxlens.models.fx_encoder import FxEncoder

RATE = 44_100


def rates(scratch: Path, files: int, file_seconds: float) -> list[dict[str, Any]]:
    """Embed the same files in every way, whole mixtures and one instrument.

    Args:
        scratch: folder for the files.
        files: how many.
        file_seconds: length of each.

    Returns:
        A row for each way, with ``real_time``: seconds of music a second.
    """
    folder = write_files(scratch / "files", files, file_seconds)
    paths = collect([folder])
    torch.set_num_threads(max(1, torch.get_num_threads()))
    precisions = ["float32"] + (["bfloat16"] if native_bfloat16(torch.device("cpu")) else [])
    rows = []
    for precision in precisions:
        encoder = FxEncoder.from_pretrained(precision=precision)  # type: ignore[arg-type]
        for what, query in (("mixture", None), ("instrument", "drums")):
            for jobs in (1, 2):
                settings = EmbedSettings(query=query, jobs=jobs)
                embed_files(encoder, paths[:1], scratch / "warm.npz", settings)
                start = time.perf_counter()
                embed_files(encoder, paths, scratch / "rate.npz", settings)
                seconds = time.perf_counter() - start
                rows.append(
                    {
                        "model": encoder.config.name,
                        "what": what,
                        "precision": precision,
                        "jobs": jobs,
                        "files": files,
                        "file_seconds": file_seconds,
                        "real_time": files * file_seconds / seconds,
                    }
                )
                print(rows[-1], flush=True)
    return rows


def write_files(folder: Path, files: int, file_seconds: float) -> Path:
    """FLAC files of beats and noise, which compress about as music does."""
    folder.mkdir()
    t = np.arange(int(file_seconds * RATE)) / RATE
    for number in range(files):
        rng = np.random.default_rng(number)
        beat = t % 0.5
        tone = np.sin(2 * np.pi * rng.uniform(60.0, 600.0) * t) * np.exp(-3.0 * beat)
        noise = rng.standard_normal((2, t.size)) * np.exp(-20.0 * beat)
        clip = 0.2 * tone + 0.1 * noise + 0.002 * rng.standard_normal((2, t.size))
        soundfile.write(folder / f"{number:03d}.flac", clip.T, RATE, subtype="PCM_16")
    return folder
