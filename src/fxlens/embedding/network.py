"""The model as a job uses it: by several threads, one of them at a time in the network."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

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
    """

    def __init__(self, encoder: FxEncoder, queries: Tensor | None, settings: EmbedSettings) -> None:
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
        """The embedding that was asked for, ``[B, E]``."""
        with self._turn:
            if self._queries is None:
                return heard.mixture
            return self._encoder.instrument_embedding(heard, self._queries.expand(len(heard), -1))

    def entry(self, file: Path) -> Entry:
        """Embed one file."""
        before, settings = signature(file), self._settings
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
        return Entry(str(file), before, times, vectors.astype(np.float32, copy=False))
