"""Recordings into an index: hashed, embedded whole and for each instrument, committed one after the other.

Files are decoded and embedded in threads but committed in the order in which they were named, so an interrupted job
has added the first of them and nothing else; adding the same files again goes on after them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxlens.audio.tags import read_tags
from fxlens.embedding.in_order import Failure, in_order
from fxlens.embedding.journal import signature
from fxlens.embedding.network import Network
from fxlens.embedding.settings import EmbedSettings
from fxlens.errors import AudioMissingError
from fxlens.index.catalogue import Catalogue, Place
from fxlens.models import encoding

if TYPE_CHECKING:
    from fxlens.index.fx_index import FxIndex
    from fxlens.models.fx_encoder import FxEncoder


@dataclass(frozen=True)
class Added:
    """What a call has done.

    Args:
        embedded: files whose recording was embedded, in at least one column.
        known: files that were there already, or hold a recording that was.
        failures: files that could not be used.
    """

    embedded: int
    known: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class _Looked:
    """A file before it is committed: its content, and vectors ``[W, D]`` and times for the queries it lacked."""

    file: Path
    sha256: str
    size: int
    modified: int
    tags: Mapping[str, str]
    vectors: Mapping[str, np.ndarray]
    times: np.ndarray


def add_files(
    index: FxIndex,
    encoder: FxEncoder,
    files: Sequence[Path],
    queries: Sequence[str],
    tags: Mapping[str, str],
    settings: EmbedSettings,
    progress: Callable[[int, int, Path], None] | None,
    fail_fast: bool,
) -> Added:
    """See :meth:`fxlens.index.fx_index.FxIndex.add`; ``queries`` are as columns are named."""
    catalogue = index.catalogue
    texts = [query for query in queries if query]
    vectors, _ = encoding.query_vectors(encoder, texts or None, None)
    rows = iter(() if vectors is None else vectors)
    asked = {query: next(rows) if query else None for query in queries}
    network = Network(encoder, list(asked.values()), settings)
    adding = _Adding(index, network, tuple(asked), tags)
    embedded = known = 0
    failures: list[Failure] = []
    with closing(in_order(files, adding.look, settings.jobs, network.stopped, fail_fast)) as work:
        for number, (file, looked) in enumerate(work, start=1):
            if isinstance(looked, Failure):
                failures.append(looked)
            elif looked is None:
                known += 1
            elif adding.commit(catalogue, looked):
                embedded += 1
            else:
                known += 1
            if progress is not None:
                progress(number, len(files), file)
    return Added(embedded, known, tuple(failures))


class _Adding:
    def __init__(self, index: FxIndex, network: Network, queries: tuple[str, ...], tags: Mapping[str, str]) -> None:
        self.index, self.network, self.queries, self.tags = index, network, queries, tags

    def look(self, file: Path) -> _Looked | None:
        """Hash and embed one file, as far as that is not known; ``None`` where nothing is new."""
        catalogue = self.index.catalogue
        size, modified = signature(file)
        if size < 0:
            raise AudioMissingError(
                file, "there is no such file, or it may not be looked at; check path and permissions"
            )
        place = catalogue.place(str(file.absolute()))
        if (
            place is not None
            and (place.size, place.modified) == (size, modified)
            and not self._lacking(catalogue, place.recording)
            and all(place.tags.get(key) == value for key, value in self.tags.items())
        ):
            return None
        sha256 = _hash(file)
        recording = catalogue.recording(sha256)
        lacking = list(self.queries) if recording is None else self._lacking(catalogue, recording)
        same = place is not None and place.recording == recording
        tags = {**read_tags(file), **(place.tags if same and place is not None else {}), **self.tags}
        if not lacking:
            return _Looked(file, sha256, size, modified, tags, {}, np.zeros((0, 2)))
        vectors, times = self.network.vectors(file)
        columns = {query: vectors[:, k] for k, query in enumerate(self.queries) if query in lacking}
        return _Looked(file, sha256, size, modified, tags, columns, times)

    def commit(self, catalogue: Catalogue, looked: _Looked) -> bool:
        """Put it into the index; return whether vectors were added (another writer may have been faster)."""
        added = False
        with catalogue.writing():
            seconds = float(looked.times[:, 1].max()) if len(looked.times) else 0.0
            recording = catalogue.add_recording(looked.sha256, seconds)
            there = catalogue.queries_of(recording)
            for query, vectors in looked.vectors.items():
                if query in there:
                    continue
                first = catalogue.add_part(recording, query, looked.times)
                self.index.column(query).write(first, vectors)
                added = True
            song = looked.tags.get("title") or looked.file.stem
            path = str(looked.file.absolute())
            catalogue.put_place(Place(path, recording, looked.size, looked.modified, song, looked.tags))
        return added

    def _lacking(self, catalogue: Catalogue, recording: int) -> list[str]:
        there = catalogue.queries_of(recording)
        return [query for query in self.queries if query not in there]


def _hash(file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as opened:
        for block in iter(lambda: opened.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
