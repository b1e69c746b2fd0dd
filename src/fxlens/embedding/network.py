"""The model as a job uses it: by several threads, one of them at a time in the network."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from fxlens.embedding.journal import Entry, signature
from fxlens.embedding.settings import EmbedSettings
from fxlens.errors import AudioNotFiniteError
from fxlens.models import encoding

if TYPE_CHECKING:
    from torch import Tensor

    from fxlens.models.fx_encoder import FxEncoder
    from fxlens.models.heard import Heard


class Stopped(Exception):
    """The job ends: give up what is in work."""


class Network:
    """The encoder as :mod:`fxlens.models.encoding` sees it, for one thread at a time.

    Threads take turns in the network, since it uses all cores or the whole device by itself; reading,
    decoding and resampling go on beside it.

    Args:
        encoder: the model.
        queries: what is asked for: vectors ``[Q]``, ``None`` for the whole mixture.
        settings: how.
    """

    def __init__(self, encoder: FxEncoder, queries: Sequence[Tensor | None], settings: EmbedSettings) -> None:
        self._encoder, self._queries, self._settings = encoder, queries, settings
        self._turn = threading.Lock()
        self.stopped = threading.Event()
        self.config = encoder.config
        if settings.segment_seconds is not None:
            self.config = dataclasses.replace(encoder.config, window_seconds=settings.segment_seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def hear(self, audio: Tensor) -> Heard:
        """As :meth:`FxEncoder.hear`, in turn."""
        with self._turn:
            if self.stopped.is_set():
                raise Stopped
            return self._encoder.hear(audio)

    def embed(self, heard: Heard) -> Tensor:
        """The embeddings that were asked for, ``[B, K, E]``."""
        with self._turn:
            rows = [
                heard.mixture
                if query is None
                else self._encoder.instrument_embedding(heard, query.expand(len(heard), -1))
                for query in self._queries
            ]
            return torch.stack(rows, dim=1)

    def vectors(self, file: Path) -> tuple[np.ndarray, np.ndarray]:
        """Embed one file: ``float32 [W, K, E]`` and the times ``float64 [W, 2]``; W is 1 where windows are pooled."""
        settings = self._settings
        vectors, times = encoding.run(
            cast("FxEncoder", self),
            file,
            self.embed,
            None,
            settings.batch_size,
            settings.pool,
            True,
            settings.hop_seconds,
            unit=True,
        )
        if settings.pool == "mean":
            vectors = vectors[None]
            times = np.asarray([[times[0, 0], times[:, 1].max()]])
        if not np.isfinite(vectors).all():
            raise AudioNotFiniteError(file, "its samples are too large for the model; lower the level")
        return vectors.astype(np.float32, copy=False), times

    def entry(self, file: Path) -> Entry:
        """Embed one file with the first query."""
        before = signature(file)
        vectors, times = self.vectors(file)
        return Entry(str(file), before, times, vectors[:, 0])
