"""What is to be met: the embedding of one reference, or of several with weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from torch import Tensor

from fxlens.errors import UsageError
from fxlens.matching.dry_track import heard_track, mono_was_said

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder

Source: TypeAlias = str | Path | np.ndarray | Tensor


@dataclass(frozen=True)
class Target:
    """What a match aims at.

    Attributes:
        embedding: ``float32 [D]``, unit length.
        lufs: weighted mean of the references' integrated loudness.
        agreement: cosines of the single references with it; low ones pull in different directions.
    """

    embedding: np.ndarray
    lufs: float
    agreement: tuple[float, ...]


def target_of(
    encoder: FxEncoder,
    references: Sequence[Source],
    sample_rate: int | None,
    query: str | None,
    query_audio: Source | None,
    weights: Sequence[float] | None,
) -> Target:
    """Embed the references and take their weighted mean.

    Args:
        encoder: the model.
        references: paths or arrays.
        sample_rate: Hz, of arrays.
        query: the instrument that is meant inside each of them; ``None``: all that sounds.
        query_audio: that instrument alone, instead of its name.
        weights: one for each reference; equal ones where ``None``.

    Raises:
        UsageError: no reference, weights that are not positive or not one for each, references that cancel.
        AudioError: a reference cannot be used.
    """
    share = np.ones(len(references)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(references) or share.shape != (len(references),):
        raise UsageError(f"{len(references)} reference(s) need as many weights, not {share.size}")
    if not np.isfinite(share).all() or not (share > 0.0).all():
        raise UsageError(f"weights must be above 0, not {', '.join(f'{w:g}' for w in share)}; leave the others out")
    share = share / share.sum()
    rows = encoder.encode(list(references), sample_rate, query=query, query_audio=query_audio)
    mean = share @ rows.astype(np.float64)
    length = float(np.linalg.norm(mean))
    if length < 1e-3:
        raise UsageError("the references contradict one another: their embeddings cancel; give fewer of them")
    mean /= length
    with mono_was_said():  # by the encoder
        lufs = [heard_track(one, sample_rate, "reference").lufs for one in references]
    return Target(mean.astype(np.float32), float(share @ np.array(lufs)), tuple(float(c) for c in rows @ mean))
