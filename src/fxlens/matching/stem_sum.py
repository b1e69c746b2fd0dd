"""The sum of matched stems: a mix, in constant memory and at a safe level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from fxlens.audio import io
from fxlens.effects.streaming_file import BLOCK_FRAMES
from fxlens.errors import UsageError
from fxlens.matching.dry_track import blocks_of
from fxlens.matching.levelling import CEILING_DBFS


def sum_stems(stems: Sequence[tuple[Path, float]], output: Path) -> float:
    """Add stems sample by sample from their beginnings; the sum is as long as the longest.

    Args:
        stems: files, each with a gain in dB.
        output: file to write; its suffix decides the format.

    Returns:
        By how many dB the sum was lowered, so that no peak passes -1 dBFS.

    Raises:
        UsageError: no stem, stems of different sample rates, or the output is one of them.
        AudioError: a stem cannot be read.
        OutputError: the sum cannot be written.
    """
    if not stems:
        raise UsageError("there is no stem to sum")
    rates = {io.probe(path, exact=False).sample_rate for path, _ in stems}
    if len(rates) > 1:
        raise UsageError(
            f"the stems have different sample rates ({', '.join(map(str, sorted(rates)))} Hz) and cannot be summed; "
            "export them at one"
        )
    if any(output.exists() and path.samefile(output) for path, _ in stems):
        raise UsageError(f"{output}: is one of the stems; choose another file for the sum")
    rate = rates.pop()
    peak = max((float(np.abs(block).max()) for block in _sums(stems, rate) if block.size), default=0.0)
    lowered_db = max(20.0 * np.log10(max(peak, 1e-9)) - CEILING_DBFS, 0.0)
    frames = max(io.probe(path, exact=False).frames for path, _ in stems)
    with io.BlockWriter(output, rate, 2, frames=frames) as writer:
        for block in _sums(stems, rate):
            writer.write(block * np.float32(10.0 ** (-lowered_db / 20.0)))
    return float(lowered_db)


def _sums(stems: Sequence[tuple[Path, float]], rate: int) -> Iterator[np.ndarray]:
    nothing = np.zeros((2, 0), np.float32)
    for blocks in zip_longest(*(_whole_blocks(path, rate) for path, _ in stems), fillvalue=nothing):
        total = np.zeros((2, max(block.shape[1] for block in blocks)), np.float32)
        for block, (_, gain_db) in zip(blocks, stems, strict=True):
            total[:, : block.shape[1]] += block * np.float32(10.0 ** (gain_db / 20.0))
        yield total


def _whole_blocks(path: Path, rate: int) -> Iterator[np.ndarray]:
    """Blocks of ``BLOCK_FRAMES``, whatever a decoder hands out; the last may be shorter."""
    held: list[np.ndarray] = []
    for block in blocks_of(path, rate):
        held.append(block)
        while sum(piece.shape[1] for piece in held) >= BLOCK_FRAMES:
            joined = np.concatenate(held, axis=1)
            yield joined[:, :BLOCK_FRAMES]
            held = [joined[:, BLOCK_FRAMES:]]
    rest = np.concatenate(held, axis=1) if held else np.zeros((2, 0), np.float32)
    if rest.shape[1]:
        yield rest
