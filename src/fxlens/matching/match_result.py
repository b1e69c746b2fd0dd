"""The result of a match: a preset, what it gives at a safe level, and figures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from fxlens.audio.output import write
from fxlens.effects.chain import EffectChain
from fxlens.effects.streaming_file import render_file
from fxlens.errors import OutputError
from fxlens.matching.dry_track import DryTrack, mono_was_said
from fxlens.matching.optimise import Optimised
from fxlens.matching.reference import Target
from fxlens.whole_files import write_text

Level: TypeAlias = Literal["dry", "reference"] | float


@dataclass(frozen=True)
class Match:
    """A matched track.

    Attributes:
        track: the dry track.
        chain: all that was done, gains before and after included: applied to the dry track it gives :attr:`audio`.
        matched: the effects alone, as they work at -18 LUFS.
        result_lufs: integrated loudness of the result.
        lowered_db: by how much the result is quieter than asked for, so that no peak passes -1 dBFS.
        distance_before: 1 - cosine of the whole dry track's embedding and the reference's.
        distance_after: the same of the result.
        target: what was aimed at.
        search: the optimisation, with its loss curves.
        model_id: of the encoder.
    """

    track: DryTrack
    chain: EffectChain
    matched: EffectChain
    result_lufs: float
    lowered_db: float
    distance_before: float
    distance_after: float
    target: Target
    search: Optimised
    model_id: str
    held: np.ndarray | None = field(default=None, repr=False)
    """The result where it was made in memory."""

    @property
    def sample_rate(self) -> int:
        """Hz, the dry track's."""
        return self.track.sample_rate

    @property
    def dry_lufs(self) -> float:
        """Integrated loudness of the dry track."""
        return self.track.lufs

    @cached_property
    def audio(self) -> np.ndarray:
        """``float32 [2, T]``, the dry track under :attr:`chain`; made when it is first asked for, all in memory.

        :meth:`write` needs no such memory.
        """
        return audio_of(self.track, self.chain) if self.held is None else self.held

    def figures(self) -> dict[str, Any]:
        """What happened, as plain JSON values."""
        curves = [[None if math.isnan(v) else round(v, 6) for v in curve] for curve in self.search.curves]
        return {
            "model": self.model_id,
            "distance_before": round(self.distance_before, 6),
            "distance_after": round(self.distance_after, 6),
            "dry_lufs": round(self.dry_lufs, 2),
            "result_lufs": round(self.result_lufs, 2),
            "lowered_db": round(self.lowered_db, 2),
            "reference_agreement": [round(c, 4) for c in self.target.agreement],
            "distance_on_excerpts_before": round(self.search.dry_loss, 6),
            "distance_on_excerpts_after": round(self.search.loss, 6),
            "method": self.search.method,
            "restart": self.search.restart,
            "interrupted": self.search.interrupted,
            "loss_curves": curves,
        }

    def write(self, path: str | Path, advance: Callable[[float], None] | None = None) -> None:
        """Write the result; from a file block by block, in constant memory.

        Args:
            path: the file; its suffix decides the format. Sample format and tags are those of the dry file where the
                format has them, as ``fxlens apply`` keeps them; what came from memory is written as 32-bit float.
            advance: called with seconds done since the last call.

        Raises:
            OutputError: it cannot be written.
            UsageError: it is the dry file itself, or has a suffix that cannot be written.
        """
        if self.held is not None and not isinstance(self.track.source, Path):
            write(path, self.held, self.sample_rate)
        else:
            write_result(self.track, self.chain, path, advance)

    def save(self, folder: str | Path) -> None:
        """Write ``match.wav``, ``preset.json`` and ``report.json``, each whole or not at all.

        Args:
            folder: made where missing; its other files stay.

        Raises:
            OutputError: the folder cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made ({error.strerror or error}); choose another folder") from None
        self.write(folder / "match.wav")
        self.chain.save(folder / "preset.json")
        write_text(folder / "report.json", json.dumps(self.figures(), indent=1) + "\n")


def audio_of(track: DryTrack, chain: EffectChain) -> np.ndarray:
    """A whole track under a chain, ``float32 [2, T]``."""
    return chain.apply(np.concatenate(list(track.blocks()), axis=1), track.sample_rate)


def write_result(
    track: DryTrack, chain: EffectChain, path: str | Path, advance: Callable[[float], None] | None = None
) -> None:
    """Write a track under a chain, see :meth:`Match.write`."""
    if isinstance(track.source, Path):
        with mono_was_said():
            render_file(chain, track.source, path, advance=advance)
    else:
        write(path, audio_of(track, chain), track.sample_rate)
