"""A chain from file to file, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from fxlens.audio import io
from fxlens.audio.waveform import as_stereo
from fxlens.effects.chain import EffectChain
from fxlens.effects.streaming import measure, open_stream, passes
from fxlens.errors import UsageError

BLOCK_FRAMES = 65_536
"""Samples per channel that are read, processed and written at a time."""


def render_file(
    chain: EffectChain,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    advance: Callable[[float], None] | None = None,
) -> None:
    """Process an audio file of any length.

    The samples are those of :meth:`EffectChain.apply` for the whole file. Sample rate, sample format (where
    the target's format has it; a lossy source has none worth keeping) and tags are kept; the result is
    stereo. The target appears once it is whole; until then a file of that name stays as it was.

    Args:
        chain: what to do.
        source: the file to read, as often as :func:`fxlens.effects.streaming.passes` says.
        target: the file to write; its suffix decides the format.
        advance: called as the work goes on with seconds of audio done since the last call; they add up to the
            length of the file.

    Raises:
        AudioError: of the source: missing, damaged, empty, not finite, more than two channels.
        OutputError: the target cannot be written.
        UsageError: the target is the source, or has a suffix that cannot be written.

    Warns:
        MonoWarning: the source is mono; both channels of the result begin with it.
        ClippingWarning: the target's sample format cannot hold peaks above 1.0; they were limited.
    """
    source, target = Path(source), Path(target)
    require_another_file(source, target)
    info = io.probe(source, exact=False)
    # A few samples stand in for all: one warning for mono, one error for surround.
    as_stereo(np.zeros((info.channels, 8), np.float32), source)
    shares = passes(chain) * info.sample_rate

    def read() -> Iterator[np.ndarray]:
        for block in io.blocks(source, BLOCK_FRAMES / info.sample_rate):
            yield np.repeat(block, 2, axis=0) if info.channels == 1 else block
            if advance is not None:
                advance(block.shape[1] / shares)

    writer = io.BlockWriter(
        target, info.sample_rate, 2, _subtype(info.subtype, target), frames=info.frames, tags=io.read_tags(source)
    )
    with writer:
        stream = open_stream(chain, info.sample_rate, measure(chain, info.sample_rate, read))
        for block in read():
            writer.write(stream.process(block))
        writer.write(stream.finish())


def require_another_file(source: Path, target: Path) -> None:
    """Refuse to write a file over the one it is made of.

    Raises:
        UsageError: they are the same file.
    """
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"{target}: is the input itself; choose another output")


def _subtype(subtype: str, target: Path) -> str | None:
    """Return the sample format if it is one that the target can have; None for the target's own."""
    kept = subtype.startswith("PCM_") or subtype in ("FLOAT", "DOUBLE")
    return subtype if kept and io.can_write(target, subtype) else None
