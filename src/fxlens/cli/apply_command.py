"""``fxlens apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fxlens.cli import console


def apply(
    chain: Annotated[Path, typer.Argument(metavar="CHAIN.json", help="The effect chain.")],
    source: Annotated[Path, typer.Argument(metavar="IN", help="Audio file to process.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Audio file to write.")],
) -> None:
    """Process a file with an effect chain.

    Sample rate and sample format stay those of the input where the output's format has them; the result is
    stereo. The whole file is held in memory.
    """
    from fxlens.audio import io
    from fxlens.audio.waveform import as_stereo
    from fxlens.effects.chain import EffectChain
    from fxlens.errors import UsageError

    effects = EffectChain.load(chain)
    info = io.probe(source, exact=False)
    audio, sample_rate = io.read(source)
    processed = effects.apply(as_stereo(audio, source), sample_rate)
    # A lossy source has no sample format worth keeping.
    subtype = info.subtype if info.subtype.startswith("PCM_") or info.subtype in ("FLOAT", "DOUBLE") else None
    try:
        io.write(output, processed, sample_rate, subtype)
    except UsageError:  # the format of the output does not have it (or is none, then this says so)
        io.write(output, processed, sample_rate)
    console.result(str(output))
