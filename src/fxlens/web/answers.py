"""What is asked for, computed: recordings in, plain values out. No HTTP here, and nothing of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fxlens.web.library import Library
from fxlens.web.recordings import Recording, called_by_name

if TYPE_CHECKING:
    from fxlens.describing import Description
    from fxlens.describing.head_files import DescribingHeads
    from fxlens.index.fx_index import FxIndex
    from fxlens.index.ranking import Hit
    from fxlens.models.fx_encoder import FxEncoder


def embeddings(
    encoder: FxEncoder,
    recordings: Sequence[Recording],
    queries: Sequence[str],
    query_audio: Recording | None = None,
    pool: Literal["mean", "none"] = "mean",
    hop_seconds: float | None = None,
) -> dict[str, Any]:
    """Embed recordings: whole, for each query in them, or for a recorded instrument.

    Raises:
        AudioError, UsageError, ModelUnavailableError: as :meth:`FxEncoder.encode`.
    """
    rows = []
    names: list[str | None] = list(queries) or [None]
    with called_by_name([*recordings, *([query_audio] if query_audio else [])]):
        for one in recordings:
            found, times = encoder.encode(
                one.path,
                query=list(queries) or None,
                query_audio=None if query_audio is None else query_audio.path,
                pool=pool,
                return_times=True,
                hop_seconds=hop_seconds,
            )
            vectors = found if queries else np.expand_dims(found, -2)  # [..., query, D]
            rows.append(
                {
                    **one.as_dict(),
                    "times": np.round(times, 3).tolist(),
                    "embeddings": [
                        {"query": name, ("vector" if pool == "mean" else "vectors"): vectors[..., k, :].tolist()}
                        for k, name in enumerate(names)
                    ],
                }
            )
    return {
        "model": encoder.model_id,
        "dim": encoder.embedding_dim,
        "pool": pool,
        "query_audio": None if query_audio is None else query_audio.name,
        "recordings": rows,
    }


def descriptions(
    encoder: FxEncoder,
    heads: DescribingHeads,
    recording: Recording,
    queries: Sequence[str | None],
    query_audio: Recording | None = None,
) -> list[Description]:
    """Which effects are on a recording (None), and on each instrument asked for.

    Raises:
        AudioError, UsageError, ModelUnavailableError: as :func:`fxlens.describing.reading.describe_each`.
    """
    from fxlens.describing.reading import describe_each

    audio = None if query_audio is None else query_audio.path
    with called_by_name([recording, *([query_audio] if query_audio else [])]):
        found = describe_each(recording.path, encoder, list(queries) or [None], query_audio=audio, heads=heads)
    name = None if query_audio is None else query_audio.name
    return [replace(one, source=recording.name, query=name or one.query) for one in found]


@dataclass(frozen=True)
class SearchReference:
    """What is searched by.

    Args:
        recording: the file.
        query: the instrument meant; None for the whole.
        weight: beside the others; negative to search away from it.
        at_seconds: only the moment that begins there.
    """

    recording: Recording
    query: str | None = None
    weight: float = 1.0
    at_seconds: float | None = None


def hits(
    encoder: FxEncoder, index: FxIndex, references: Sequence[SearchReference], k: int, where: dict[str, str]
) -> list[Hit]:
    """The recordings of the index that sound most like the references.

    Raises:
        AudioError, UsageError, ModelUnavailableError: as :meth:`FxIndex.search`.
    """
    with called_by_name([one.recording for one in references]):
        wanted = [
            index.reference(one.recording.path, encoder, one.query, one.weight, at_seconds=one.at_seconds)
            for one in references
        ]
        return index.search(wanted, k=k, where=where or None)


def found(encoder: FxEncoder, library: Library, hits: Sequence[Hit]) -> dict[str, Any]:
    """Hits as plain values, each with the address of its sound."""
    return {
        "model": encoder.model_id,
        "hits": [
            {
                "path": hit.path,
                "song": hit.song,
                "similarity": round(hit.similarity, 6),
                "moments": [
                    {
                        "query": moment.query or None,
                        "start": moment.start,
                        "end": moment.end,
                        "similarity": round(moment.similarity, 6),
                    }
                    for moment in hit.moments
                ],
                "tags": dict(hit.tags),
                "audio": library.address(hit.path),
            }
            for hit in hits
        ],
    }


def similarities(
    encoder: FxEncoder, one: Recording, other: Recording, queries: Sequence[str | None]
) -> list[tuple[str | None, float]]:
    """Cosine of two recordings' embeddings, for the whole (None) and for each instrument asked for."""
    named = [query for query in queries if query is not None]
    pairs: list[tuple[str | None, float]] = []
    with called_by_name([one, other]):
        if None in queries:
            a, b = (encoder.encode(r.path) for r in (one, other))
            pairs.append((None, float(a @ b)))
        if named:
            a, b = (encoder.encode(r.path, query=named) for r in (one, other))
            pairs += [(query, float(cosine)) for query, cosine in zip(named, (a * b).sum(axis=1), strict=True)]
    order = {query: k for k, query in enumerate(queries)}
    return sorted(pairs, key=lambda pair: order[pair[0]])
