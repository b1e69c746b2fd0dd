"""The result of a match: audio at a safe level, a preset that gives the same, and figures."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from fxlens.audio.loudness import integrated_loudness
from fxlens.audio.output import write
from fxlens.data.manifest import write_atomically
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.errors import OutputError
from fxlens.matching.dry_track import DryTrack
from fxlens.matching.optimise import Optimised
from fxlens.matching.reference import Target

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder

Level: TypeAlias = Literal["dry", "reference"] | float

CEILING_DBFS = -1.0
"""Highest sample peak of a result."""

_LARGEST_GAIN_DB = 12.0  # of one gain effect; a larger one is several


@dataclass(frozen=True)
class Match:
    """A matched track.

    Attributes:
        audio: ``float32 [2, T]``, the dry track under :attr:`chain`.
        sample_rate: Hz, the dry track's.
        chain: all that was done, gains before and after included: applied to the dry track it gives :attr:`audio`.
        matched: the effects alone, as they work at -18 LUFS.
        dry_lufs: integrated loudness of the dry track.
        result_lufs: of the result.
        lowered_db: by how much the result is quieter than asked for, so that no peak passes -1 dBFS.
        distance_before: 1 - cosine of the whole dry track's embedding and the reference's.
        distance_after: the same of the result.
        target: what was aimed at.
        search: the optimisation, with its loss curves.
        model_id: of the encoder.
    """

    audio: np.ndarray
    sample_rate: int
    chain: EffectChain
    matched: EffectChain
    dry_lufs: float
    result_lufs: float
    lowered_db: float
    distance_before: float
    distance_after: float
    target: Target
    search: Optimised
    model_id: str

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
            "method": self.search.method,
            "restart": self.search.restart,
            "loss_curves": curves,
        }

    def save(self, folder: str | Path) -> None:
        """Write ``match.wav`` (32-bit float), ``preset.json`` and ``report.json``, each whole or not at all.

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
        write(folder / "match.wav", self.audio, self.sample_rate)
        self.chain.save(folder / "preset.json")
        write_atomically(folder / "report.json", json.dumps(self.figures(), indent=1) + "\n")


def finished(
    track: DryTrack, target: Target, encoder: FxEncoder, matched: EffectChain, search: Optimised, wanted_lufs: float
) -> Match:
    """Render the whole track, bring it to its level, and measure.

    Args:
        track: the dry track.
        target: what was aimed at.
        encoder: the model, to measure the distances.
        matched: the effects, for audio at the working level.
        search: where they come from.
        wanted_lufs: loudness of the result.
    """
    before = (*gain_effects(track.gain_db), *matched.effects)
    wet = EffectChain(before).apply(track.audio, track.sample_rate)
    lufs, peak = float(integrated_loudness(wet, track.sample_rate)), float(np.abs(wet).max())
    gain_db = wanted_lufs - lufs if math.isfinite(lufs) else 0.0
    headroom_db = CEILING_DBFS - 20.0 * math.log10(max(peak, 1e-9))
    lowered_db = max(gain_db - headroom_db, 0.0)
    gain_db -= lowered_db
    chain = EffectChain((*before, *gain_effects(gain_db)))
    audio = (wet * 10.0 ** (gain_db / 20.0)).astype(np.float32)
    both = encoder.encode([track.audio, audio], track.sample_rate)
    distances = 1.0 - both.astype(np.float64) @ target.embedding.astype(np.float64)
    return Match(
        audio, track.sample_rate, chain, matched, track.lufs, lufs + gain_db, lowered_db,
        float(distances[0]), float(distances[1]), target, search, encoder.model_id,
    )  # fmt: skip


def gain_effects(gain_db: float) -> tuple[Effect, ...]:
    """As many gains, all alike, as a change of level needs; none for no change."""
    count = math.ceil(abs(gain_db) / _LARGEST_GAIN_DB)
    return tuple(Effect("gain", parameters={"gain_db": gain_db / count}) for _ in range(count))
