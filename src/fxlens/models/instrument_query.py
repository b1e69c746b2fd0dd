"""Instrument queries: a text or a sound that names an instrument, as a vector for the extractor.

Two encoders fit the interface. ``"offline"`` is shipped and small; ``"clap"`` is the one of the paper and
brings a large model from outside. Text and audio of one encoder share a space. Nothing here is trained with
the FX encoder, and the same input gives the same bytes at every call and in every batch.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fxlens.audio.waveform import check_rate, resample
from fxlens.errors import (
    AudioChannelsError,
    AudioEmptyError,
    AudioNotFiniteError,
    AudioSilentError,
    UsageError,
)

QUIET_DB = -40.0
"""Windows this far below the loudest one say nothing about the instrument and are left out."""
SILENT_RMS = 1e-5
"""Root mean square (-100 dBFS) below which a query holds no sound."""


class QueryEncoder(nn.Module, ABC):
    """Turns texts and sounds into query vectors.

    Attributes:
        query_id: stable name with a hash of the weights; two encoders with the same id give the same vectors.
        dim: length of the vectors.
    """

    query_id: str
    dim: int

    @abstractmethod
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Embed names or descriptions of instruments.

        Args:
            texts: e.g. ``["vocals", "a bright trumpet"]``.

        Returns:
            ``[N, dim]`` float32, unit length.

        Raises:
            UsageError: an empty text, or one that names no instrument known here.
        """

    @abstractmethod
    def embed_audio(self, audio: Tensor, sample_rate: int) -> Tensor:
        """Embed sounds of instruments alone, best without effects.

        Args:
            audio: ``[N, 2, T]``, any length.
            sample_rate: Hz.

        Returns:
            ``[N, dim]`` float32, unit length.

        Raises:
            AudioChannelsError, AudioEmptyError, AudioNotFiniteError, AudioSilentError: nothing can be heard.
            ModelUnavailableError: there are no weights for audio.
        """


def load_query_encoder(spec: str) -> QueryEncoder:
    """Build a query encoder, on demand: nothing is loaded before this call.

    Args:
        spec: ``"offline"`` the shipped one; ``"offline:FOLDER"`` another of its kind; ``"clap"`` the public
            CLAP checkpoint; ``"clap:FOLDER"`` or ``"clap:org/name"`` another CLAP.

    Raises:
        UsageError: an unknown spec.
        ModelUnavailableError: the weights are not there.
        MissingExtraError: CLAP needs the extra ``clap``.
    """
    kind, _, place = spec.partition(":")
    if kind == "offline":
        from fxlens.models.offline_query import OfflineQueryEncoder

        return OfflineQueryEncoder.load(Path(place)) if place else OfflineQueryEncoder.load()
    if kind == "clap":
        from fxlens.models.clap_query import ClapQueryEncoder

        return ClapQueryEncoder.load(place) if place else ClapQueryEncoder.load()
    raise UsageError(f"unknown query encoder {spec!r}; choose 'offline', 'clap', 'clap:FOLDER' or 'clap:ORG/NAME'")


def content_id(name: str, files: Iterable[Path]) -> str:
    """Name of an encoder with a hash of the files that decide what it says: ``name-0123456789ab``."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode())
        with path.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    return f"{name}-{digest.hexdigest()[:12]}"


def checked_texts(texts: Sequence[str]) -> list[str]:
    """Texts without space around them.

    Raises:
        UsageError: a single string instead of a sequence, something else than text, or an empty text.
    """
    if isinstance(texts, str):
        raise UsageError("texts must be a list of texts, not one text; put it in brackets")
    if any(not isinstance(text, str) or not text.strip() for text in texts):
        raise UsageError("an instrument query is empty; name an instrument, for example 'vocals'")
    return [text.strip() for text in texts]


def query_windows(audio: Tensor, sample_rate: int, target_rate: int, window_seconds: float) -> list[Tensor]:
    """Cut each sound into windows that cover it evenly, without any chance.

    The mid signal is brought to ``target_rate``; a sound shorter than a window stays one short window.
    Windows :data:`QUIET_DB` below the loudest are dropped.

    Args:
        audio: ``[N, 2, T]``.
        sample_rate: Hz, of the audio.
        target_rate: Hz, of the windows.
        window_seconds: length of a window.

    Returns:
        N tensors ``[windows, samples]``, float32 on the CPU.

    Raises:
        AudioChannelsError, AudioEmptyError, AudioNotFiniteError, AudioSilentError: the sound is no query.
    """
    if audio.ndim != 3 or audio.shape[1] != 2:
        raise AudioChannelsError("audio query", f"expected shape [N, 2, T], got {list(audio.shape)}")
    if audio.shape[-1] == 0:
        raise AudioEmptyError("audio query", "it has no samples")
    if not bool(torch.isfinite(audio).all()):
        raise AudioNotFiniteError("audio query", "it has NaN or infinite samples; repair it first")
    check_rate(sample_rate)
    window = round(window_seconds * target_rate)
    return [_windows_of(clip, sample_rate, target_rate, window) for clip in audio.detach().float().cpu()]


def _windows_of(clip: Tensor, sample_rate: int, target_rate: int, window: int) -> Tensor:
    mono = clip.mean(dim=0).numpy()
    if _rms(mono) < SILENT_RMS:  # out of phase: the left channel still tells the instrument
        mono = clip[0].numpy()
    if _rms(mono) < SILENT_RMS:
        raise AudioSilentError("audio query", "nothing can be heard in it; give a sound of the instrument")
    if sample_rate != target_rate:
        mono = np.asarray(resample(mono, sample_rate, target_rate), dtype=np.float32)
    if len(mono) <= window:
        return torch.from_numpy(mono.copy())[None]
    count = math.ceil(len(mono) / window)
    starts = np.linspace(0, len(mono) - window, count).round().astype(int)
    pieces = np.stack([mono[start : start + window] for start in starts])
    levels_db = 20.0 * np.log10(np.sqrt(np.mean(np.square(pieces, dtype=np.float64), axis=1)) + 1e-12)
    return torch.from_numpy(pieces[levels_db >= levels_db.max() + QUIET_DB])


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
