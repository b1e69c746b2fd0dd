"""Whole recordings to embeddings: window by window in constant memory, always with the same result.

A recording is cut into windows; silent ones are left out, since they say nothing about effects; the
embeddings of the rest are averaged and brought back to unit length. The last window is aligned to the end of
the recording and overlaps the one before it, so it counts by the share of it that is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fxlens.audio import io
from fxlens.audio.loudness import normalize_loudness
from fxlens.audio.waveform import Window, to_waveform, windows
from fxlens.errors import AudioError, AudioSilentError, UsageError

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder
    from fxlens.models.heard import Heard

Source: TypeAlias = str | Path | np.ndarray | Tensor
Pool = Literal["mean", "none"]

SILENT_DB = -80.0
"""Root mean square up to which a window is silent, dB re full scale: dither alone, all of it below the
spectrogram's floor."""
_QUERY_RATE = 48000


@dataclass
class _Item:
    """One recording while its windows pass by."""

    source: Source
    label: str
    sample_rate: int | None
    times: list[tuple[float, float]] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    total: np.ndarray | None = None
    weight: float = 0.0


@dataclass(frozen=True)
class _Audible:
    """A window in which something can be heard, and what it counts."""

    item: _Item
    window: Window
    weight: float


def encode(
    encoder: FxEncoder,
    x: Source | Sequence[Source],
    sample_rate: int | None = None,
    query: str | Sequence[str] | None = None,
    query_audio: Source | None = None,
    batch_size: int = 8,
    pool: Pool = "mean",
    return_times: bool = False,
    hop_seconds: float | None = None,
) -> Any:
    """See :meth:`fxlens.models.fx_encoder.FxEncoder.encode`."""
    queries, many = query_vectors(encoder, query, query_audio, sample_rate)

    def embed(heard: Heard) -> Tensor:
        if queries is None:
            return heard.mixture
        rows = [encoder.instrument_embedding(heard, one.expand(len(heard), -1)) for one in queries]
        return torch.stack(rows, dim=1) if many else rows[0]

    return run(encoder, x, embed, sample_rate, batch_size, pool, return_times, hop_seconds, unit=True)


def features(
    encoder: FxEncoder,
    x: Source | Sequence[Source],
    sample_rate: int | None = None,
    batch_size: int = 8,
    pool: Pool = "mean",
    return_times: bool = False,
    hop_seconds: float | None = None,
) -> Any:
    """See :meth:`fxlens.models.fx_encoder.FxEncoder.features`."""

    def embed(heard: Heard) -> Tensor:
        return heard.features

    return run(encoder, x, embed, sample_rate, batch_size, pool, return_times, hop_seconds, unit=False)


def query_vectors(
    encoder: FxEncoder,
    query: str | Sequence[str] | None,
    query_audio: Source | None,
    sample_rate: int | None = None,
) -> tuple[Tensor | None, bool]:
    """Turn a query into vectors.

    Args:
        encoder: its query encoder is loaded here, and only if there is a query.
        query: text, or several.
        query_audio: a recording of the instrument alone.
        sample_rate: Hz, of ``query_audio`` where that is an array.

    Returns:
        ``[K, Q]`` or ``None``, and whether several texts were given.

    Raises:
        UsageError: both kinds of query, an empty list, or a model without extractor.
    """
    if query is None and query_audio is None:
        return None, False
    if query is not None and query_audio is not None:
        raise UsageError("give either query (text) or query_audio, not both")
    if encoder.extractor is None:
        raise UsageError(f"{encoder.config.name} has no extractor: it embeds mixtures only, so give no query")
    if query_audio is not None:
        sound = torch.from_numpy(_query_sound(query_audio, sample_rate))
        return encoder.query_encoder.embed_audio(sound[None], _QUERY_RATE).to(encoder.device), False
    texts = [query] if isinstance(query, str) else list(query or [])
    if not texts:
        raise UsageError("the list of queries is empty")
    return encoder.query_encoder.embed_text(texts).to(encoder.device), not isinstance(query, str)


def run(
    encoder: FxEncoder,
    x: Source | Sequence[Source],
    embed: Callable[[Heard], Tensor],
    sample_rate: int | None,
    batch_size: int,
    pool: Pool,
    return_times: bool,
    hop_seconds: float | None,
    unit: bool,
) -> Any:
    """Pass every window of every recording through the backbone and ``embed``, then pool by recording.

    Args:
        encoder: the model; it is in evaluation mode meanwhile.
        x: one recording or several.
        embed: what was heard to vectors ``[B, ...]``.
        sample_rate: Hz, of arrays.
        batch_size: windows at a time.
        pool: ``"mean"`` or ``"none"``.
        return_times: also return the windows' times.
        hop_seconds: from window to window; the window's length where ``None``.
        unit: bring the pooled vectors to unit length.

    Raises:
        UsageError: an impossible argument.
        AudioError: a recording that cannot be used, e.g. because all of it is silent.
    """
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, not {batch_size}")
    if pool not in ("mean", "none"):
        raise UsageError(f"pool must be 'mean' or 'none', not {pool!r}")
    items, several = _items(x, sample_rate)
    training = encoder.training
    encoder.eval()
    try:
        with torch.inference_mode():
            for batch in _batches(_all_audible(encoder, items, hop_seconds), batch_size):
                audio = torch.from_numpy(np.stack([heard.window.audio for heard in batch]))
                vectors = embed(encoder.hear(audio.to(encoder.device))).cpu().numpy()
                for heard, vector in zip(batch, vectors, strict=True):
                    _add(heard, vector, pool)
    finally:
        encoder.train(training)
    rows = [_pooled(item, unit) if pool == "mean" else np.stack(item.vectors) for item in items]
    times = [np.asarray(item.times, dtype=np.float64) for item in items]
    if not several:
        return (rows[0], times[0]) if return_times else rows[0]
    result = np.stack(rows) if pool == "mean" else rows
    return (result, times) if return_times else result


def _items(x: Source | Sequence[Source], sample_rate: int | None) -> tuple[list[_Item], bool]:
    """Sort out what was given: one recording or several, files or arrays."""
    if isinstance(x, np.ndarray | Tensor) and x.ndim == 3:
        return [_item(clip, sample_rate, f"item {index} of the batch") for index, clip in enumerate(x)], True
    if isinstance(x, list | tuple):
        if not x:
            raise UsageError("the list of recordings is empty")
        return [_item(one, sample_rate, f"item {index} of the list") for index, one in enumerate(x)], True
    return [_item(x, sample_rate, "array")], False  # type: ignore[arg-type]


def _item(source: Source, sample_rate: int | None, label: str) -> _Item:
    if isinstance(source, str | Path):
        return _Item(source, str(source), None)  # a file knows its rate
    if not isinstance(source, np.ndarray | Tensor):
        raise UsageError(f"{label}: expected a path, an array or a tensor, got {type(source).__name__}")
    return _Item(source, label, sample_rate)


def _query_sound(source: Source, sample_rate: int | None) -> np.ndarray:
    """``float32 [2, T]`` at 48 kHz; mono is no matter in a query, so it is duplicated without a warning."""
    label = "query_audio"
    if isinstance(source, str | Path):
        label = str(source)
        source, sample_rate = io.read(source)
    if source.ndim == 1 or (source.ndim == 2 and source.shape[0] == 1):
        mono = torch.as_tensor(source).reshape(1, -1)
        source = torch.cat((mono, mono))
    sound = to_waveform(source, sample_rate, _QUERY_RATE, label)
    if not _audible_at_all(sound):
        raise AudioSilentError(
            label, f"nothing in it is louder than {SILENT_DB:g} dBFS: it names no instrument; give another excerpt"
        )
    return sound


def _audible_at_all(audio: np.ndarray) -> bool:
    return float(np.mean(np.square(audio, dtype=np.float64))) > 10.0 ** (SILENT_DB / 10.0)


def _all_audible(encoder: FxEncoder, items: Iterable[_Item], hop_seconds: float | None) -> Iterator[_Audible]:
    for item in items:
        try:
            yield from _audible(encoder, item, hop_seconds)
        except AudioError as error:
            if error.source != "array":
                raise
            raise type(error)(item.label, error.problem) from error  # which of the arrays it was


def _audible(encoder: FxEncoder, item: _Item, hop_seconds: float | None) -> Iterator[_Audible]:
    """The windows of one recording in which something can be heard."""
    length = encoder.config.window_seconds
    hop = length if hop_seconds is None else hop_seconds
    covered, silent = -hop, True
    for window in windows(item.source, encoder.sample_rate, length, hop, item.sample_rate):
        new = min(hop, window.end_seconds - covered)
        covered = window.end_seconds
        if _audible_at_all(window.audio):
            silent = False
            yield _Audible(item, _levelled(window, encoder), new)
    if silent:
        raise AudioSilentError(
            item.label,
            f"nothing in it is louder than {SILENT_DB:g} dBFS: no effect can be heard; raise its level or leave it out",
        )


def _levelled(window: Window, encoder: FxEncoder) -> Window:
    if encoder.config.input_lufs is None:
        return window
    audio, _ = normalize_loudness(window.audio, encoder.sample_rate, encoder.config.input_lufs, silence_lufs=-90.0)
    return replace(window, audio=np.asarray(audio, dtype=np.float32))


def _batches(heard: Iterable[_Audible], batch_size: int) -> Iterator[list[_Audible]]:
    """Neighbours of one length, ``batch_size`` at most."""
    batch: list[_Audible] = []
    for one in heard:
        if batch and (len(batch) == batch_size or one.window.audio.shape != batch[0].window.audio.shape):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _add(heard: _Audible, vector: np.ndarray, pool: Pool) -> None:
    item = heard.item
    item.times.append((heard.window.start_seconds, heard.window.end_seconds))
    if pool == "none":
        item.vectors.append(vector)
        return
    weighted = heard.weight * vector.astype(np.float64)
    item.total = weighted if item.total is None else item.total + weighted
    item.weight += heard.weight


def _pooled(item: _Item, unit: bool) -> np.ndarray:
    assert item.total is not None  # _audible has refused recordings without a window
    mean = torch.from_numpy(item.total / item.weight)
    return (F.normalize(mean, dim=-1) if unit else mean).float().numpy()
