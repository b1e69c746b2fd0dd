"""Embeddings of a benchmark's shards by a system, kept by the system's identity: made once, resumed anywhere.

Three families of arrays, ``float32``, rows are styles:

* ``whole``: ``stem/<instrument>`` and ``mixture``, ``[S, 2, D]``;
* ``extract``: ``<instrument>/text``, ``<instrument>/audio`` asked of those mixtures;
* ``controlled``: ``<instrument>/none``, ``/text``, ``/audio`` asked of mixtures that share one instrument's chain only.

Where a system cannot do something, its reason stands in place of the array.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from fxlens.errors import DataError, UsageError
from fxlens.evaluation.benchmark.audio_queries import AudioQueries, load_query
from fxlens.evaluation.benchmark.pools import Pool
from fxlens.evaluation.benchmark.recipe import Recipe, draw_songs
from fxlens.evaluation.benchmark.task_clips import ShardClips
from fxlens.evaluation.systems.system import InstrumentQuery, InstrumentSystem, System
from fxlens.whole_files import whole_file

Family = Literal["whole", "extract", "controlled"]
Arrays = Mapping[str, "np.ndarray | str"]
Clips = Callable[[int], Iterator[np.ndarray]]  # by side

BATCH = 8
NOT_ASKABLE = "it cannot be asked for an instrument"
_REASON = "reason: "


def embed_family(
    family: Family, system: System, shard: ShardClips, queries: AudioQueries | None
) -> dict[str, np.ndarray | str]:
    """Embed what one family needs of one shard.

    Args:
        family: see the module.
        system: fitted, if it has to be.
        shard: the clips.
        queries: recordings to ask with; not needed for ``whole``.
    """
    names = shard.recipe.settings.instruments
    found: dict[str, np.ndarray | str] = {}
    if family == "whole":
        for name in names:
            found[f"stem/{name}"] = _sides(system, shard, partial(shard.stem, name))
        if len(names) > 1:
            found["mixture"] = _sides(system, shard, shard.mixture)
        return found
    for name in names:
        clips: Clips = shard.mixture if family == "extract" else partial(shard.controlled, name)
        if family == "controlled":
            found[f"{name}/none"] = _sides(system, shard, clips)
        if queries is not None:
            found.update(_asked(system, shard, name, clips, queries))
    return found


def _sides(system: System, shard: ShardClips, clips: Clips) -> np.ndarray:
    return np.stack(
        [
            np.concatenate([system.embed(batch, shard.recipe.settings.sample_rate) for batch in batches(clips(side))])
            for side in (0, 1)
        ],
        axis=1,
    )


def _asked(
    system: System, shard: ShardClips, name: str, clips: Clips, queries: AudioQueries
) -> dict[str, np.ndarray | str]:
    """Ask by text and by audio; a separator only once, by text if it understands that."""
    if not isinstance(system, InstrumentSystem):
        return {f"{name}/{kind}": NOT_ASKABLE for kind in ("text", "audio")}
    rate = shard.recipe.settings.sample_rate
    by_text = [InstrumentQuery(name)]
    by_audio = [InstrumentQuery(name, load_query(e, rate)) for e in queries.excerpts[name]]
    if not separates(system):
        answers = _answers(system, by_text + by_audio, rate, clips)
        if isinstance(answers, str):
            return {f"{name}/{kind}": answers for kind in ("text", "audio")}
        chosen = _of_other_songs(answers[:, :, 1:], shard, name, queries)
        return {f"{name}/text": answers[:, :, 0], f"{name}/audio": chosen}
    answers = _answers(system, by_text, rate, clips)
    if not isinstance(answers, str):
        return {f"{name}/text": answers[:, :, 0]}
    instead = _answers(system, by_audio, rate, clips)
    return {f"{name}/text": answers if isinstance(instead, str) else _of_other_songs(instead, shard, name, queries)}


def _answers(system: InstrumentSystem, asked: Sequence[InstrumentQuery], rate: int, clips: Clips) -> np.ndarray | str:
    """``[S, 2, K, D]``, or the reason why there is no answer."""
    try:
        sides = [[system.embed_instrument(batch, rate, asked) for batch in batches(clips(side))] for side in (0, 1)]
    except UsageError as error:
        return str(error)
    return np.stack([np.concatenate(parts) for parts in sides], axis=1)


def _of_other_songs(answers: np.ndarray, shard: ShardClips, name: str, queries: AudioQueries) -> np.ndarray:
    """Of the answers to several recordings ``[S, 2, K, D]``, that to a recording of another song, ``[S, 2, D]``."""
    pairs = [draw_songs(shard.recipe, name, shard.pool, style) for style in shard.styles]
    rows = [[queries.place(name, a, b), queries.place(name, b, a)] for a, b in pairs]
    return np.take_along_axis(answers, np.array(rows)[:, :, None, None], axis=2)[:, :, 0]


def separates(system: System) -> bool:
    """Whether a system takes the instrument out of the mixture first."""
    return hasattr(system, "separator")


def batches(clips: Iterable[np.ndarray], size: int = BATCH) -> Iterator[np.ndarray]:
    """``[2, T]`` each -> ``[<= size, 2, T]``."""
    batch: list[np.ndarray] = []
    for clip in clips:
        batch.append(clip)
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def embeddings_path(
    folder: Path, recipe: Recipe, identity: str, family: Family, queries: AudioQueries | None, pool: Pool, number: int
) -> Path:
    """Where one shard's embeddings of one family are kept."""
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    asked = family if family == "whole" or queries is None else f"{family}-{queries.key}"
    return folder / "embeddings" / name / asked / f"{recipe.settings.pools.index(pool):02d}-{number:04d}.npz"


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays and reasons.

    Raises:
        OutputError: the file cannot be written.
    """
    plain = {key: np.array(_REASON + value) if isinstance(value, str) else value for key, value in arrays.items()}
    with whole_file(path) as beside, open(beside, "wb") as file:
        np.savez(file, allow_pickle=False, **plain)


def load_arrays(path: Path) -> dict[str, np.ndarray | str]:
    """Read what :func:`save_arrays` wrote.

    Raises:
        DataError: it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            read = {key: file[key] for key in file.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: this part of the cache is damaged ({error}); remove it and run again") from error
    return {k: v if v.ndim else str(v).removeprefix(_REASON) for k, v in read.items()}


def joined(shards: Sequence[Arrays]) -> dict[str, np.ndarray | str]:
    """Arrays of all shards of a pool, one after the other; a reason anywhere stands for all."""
    found: dict[str, np.ndarray | str] = {}
    for key in shards[0]:
        reasons = [value for part in shards if isinstance(value := part[key], str)]
        found[key] = reasons[0] if reasons else np.concatenate([np.asarray(part[key]) for part in shards])
    return found
