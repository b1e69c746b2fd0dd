"""How files are embedded, and what of it the numbers depend on."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fxlens import __version__
from fxlens.errors import UsageError
from fxlens.models.folding import choose

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder


@dataclass(frozen=True)
class EmbedSettings:
    """How files are embedded.

    Args:
        query: names an instrument; without a query the whole mixture is embedded.
        query_audio: a recording of the instrument alone, instead of ``query``.
        pool: ``"mean"`` one row for each file, ``"none"`` one for each audible window.
        segment_seconds: length of a window; what the model was trained with if not given.
        hop_seconds: from window to window; without overlap if not given.
        batch_size: windows that pass through the network together.
        jobs: files in work at once: while one is in the network the others are decoded.

    Raises:
        UsageError: values that are out of range or do not go together.
    """

    query: str | None = None
    query_audio: Path | None = None
    pool: Literal["mean", "none"] = "mean"
    segment_seconds: float | None = None
    hop_seconds: float | None = None
    batch_size: int = 8
    jobs: int = 2

    def __post_init__(self) -> None:
        if self.query is not None and self.query_audio is not None:
            raise UsageError("give either a query as text or as audio, not both")
        if self.pool not in ("mean", "none"):
            raise UsageError(f"pool must be 'mean' or 'none', not {self.pool!r}")
        for name, seconds in (("segment", self.segment_seconds), ("hop", self.hop_seconds)):
            if seconds is not None and not (math.isfinite(seconds) and 0.01 <= seconds <= 86400.0):
                raise UsageError(f"{name} must be from 0.01 to 86400 seconds, not {seconds:g}")
        for name, count in (("batch size", self.batch_size), ("jobs", self.jobs)):
            if count < 1:
                raise UsageError(f"{name} must be at least 1, not {count}")

    @property
    def query_name(self) -> str:
        """The query as one text: itself, ``"audio:<file>"``, or empty for the whole mixture."""
        if self.query_audio is not None:
            return f"audio:{self.query_audio}"
        return self.query or ""


def binding(encoder: FxEncoder, settings: EmbedSettings) -> dict[str, Any]:
    """Everything that changes a number in the result."""
    audio = settings.query_audio
    window = settings.segment_seconds or encoder.config.window_seconds
    queried = settings.query is not None or audio is not None
    return {
        "model": encoder.model_id,
        "query": settings.query_name,
        "query_audio": None if audio is None else hashlib.sha256(audio.read_bytes()).hexdigest(),
        "query_encoder": encoder.query_id if queried else None,
        "pool": settings.pool,
        "segment": window,
        "hop": window if settings.hop_seconds is None else settings.hop_seconds,
        "batch_size": settings.batch_size,
        "device": encoder.device.type,
        "precision": choose(encoder.precision, encoder.device),
        "fxlens": __version__,
    }
