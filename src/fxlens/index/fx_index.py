"""A library of recordings that is searched by what was done to their sound."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fxlens.embedding.collect import collect
from fxlens.embedding.settings import EmbedSettings
from fxlens.errors import DataError, ModelUnavailableError, OutputError, UsageError
from fxlens.index.adding import Added, add_files
from fxlens.index.catalogue import Catalogue, Parts
from fxlens.index.lance_column import LanceColumn
from fxlens.index.ranking import Column, Hit, Moment, Ranked, Reference, blend, rank
from fxlens.index.ranking_near import NearColumn, rank_near
from fxlens.index.vectors import VectorFile
from fxlens.whole_files import remove_left_overs, write_text

if TYPE_CHECKING:
    from fxlens.models.encoding import Source
    from fxlens.models.fx_encoder import FxEncoder

FORMAT = "fxlens.index/1"
Backend = Literal["file", "lance"]
_HEADER, _CATALOGUE = "index.json", "catalogue.sqlite"
_LEFT_OVER_SECONDS = 60.0  # nobody takes that long to write a header


class FxIndex:
    """A folder of embeddings, one for every window of every recording, whole and for any number of instruments.

    Several programs may add to one index at the same time, and one that is killed leaves what it had added. The same
    recording under two names is stored once. Open it with :meth:`open` or :meth:`create`.

    Attributes:
        folder: where it is.
        model_id: of the model that made the embeddings; no other can search it.
        model: how the model was named when the index was made, for :meth:`FxEncoder.from_pretrained`.
        dim: length of an embedding.
        hop_seconds: from window to window.
        backend: where the vectors are: ``"file"``, all of which are compared, or ``"lance"``.
        catalogue: recordings, files, tags and rows.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        self.folder = folder
        self.model_id: str = header["model_id"]
        self.model: str | None = header["model"]
        self.dim: int = header["dim"]
        self.hop_seconds: float = header["hop_seconds"]
        self.backend: Backend = header["backend"]
        self.catalogue = Catalogue(folder / _CATALOGUE)

    @classmethod
    def create(
        cls,
        folder: str | Path,
        encoder: FxEncoder,
        *,
        model: str | None = None,
        hop_seconds: float | None = None,
        backend: Backend = "file",
    ) -> FxIndex:
        """Make an index, or open the one that is there if it is for the same model.

        Args:
            folder: made where missing.
            encoder: the model whose embeddings it will hold.
            model: how the model is named, so that a later search finds it again; ``None`` is the shipped one.
            hop_seconds: from window to window; windows do not overlap if not given.
            backend: of a new index. ``"file"`` compares every window with a search and is exact; ``"lance"`` keeps the
                vectors in LanceDB, for more than some millions of windows.

        Raises:
            MissingExtraError: LanceDB is not installed.
            UsageError: there is an index for another model or hop.
            OutputError: the folder cannot be written.
        """
        folder = Path(folder)
        remove_left_overs(folder / _HEADER, _LEFT_OVER_SECONDS)
        if (folder / _HEADER).is_file():
            index = cls.open(folder)
            index.check(encoder)
            if hop_seconds is not None and hop_seconds != index.hop_seconds:
                raise UsageError(f"{folder}: this index has a hop of {index.hop_seconds:g} s; make a new one")
            return index
        # A call that was killed before there was an index may have left its beginning, which is no reason to refuse.
        if folder.is_dir() and any(not path.name.startswith(f".{_HEADER}.") for path in folder.iterdir()):
            raise OutputError(f"{folder}: there are files in it but no index; choose a new or an empty folder")
        header = {
            "format": FORMAT,
            "model_id": encoder.model_id,
            "model": model,
            "dim": encoder.embedding_dim,
            "hop_seconds": hop_seconds or encoder.config.window_seconds,
            "backend": backend,
        }
        if backend == "lance":
            LanceColumn(folder, "", encoder.embedding_dim)  # says what is missing before there is an index
        write_text(folder / _HEADER, json.dumps(header, indent=1) + "\n")
        return cls(folder, header)

    @classmethod
    def open(cls, folder: str | Path) -> FxIndex:
        """Open an index.

        Raises:
            DataError: there is none, or it is damaged or of a later version.
        """
        folder = Path(folder)
        try:
            header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(f"{folder}: there is no index; make one with `fxlens index add {folder} FILES`") from None
        except (OSError, ValueError) as error:
            raise DataError(f"{folder / _HEADER}: cannot be read ({error}); is the index damaged?") from None
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise DataError(f"{folder}: not an index of this version of fxlens ({FORMAT}); add the files to a new one")
        return cls(folder, header)

    def __enter__(self) -> FxIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self.catalogue.close()

    def check(self, encoder: FxEncoder) -> None:
        """Refuse a model whose embeddings mean something else.

        Raises:
            ModelUnavailableError: it is not the one the index was built with.
        """
        if encoder.model_id != self.model_id:
            raise ModelUnavailableError(
                f"{self.folder}: the index was built with the model {self.model_id}, this is {encoder.model_id}; "
                "search with the model it was built with (-m), or build a new index"
            )

    def column(self, query: str) -> VectorFile | LanceColumn:
        """The vectors under a query, which may not exist yet."""
        plain = "".join(c if c.isascii() and c.isalnum() else f"-{ord(c):x}" for c in query)
        name = f"query-{plain}" if query else "mixture"
        if self.backend == "lance":
            return LanceColumn(self.folder / "vectors.lance", name, self.dim)
        return VectorFile(self.folder / f"{name}.f16", self.dim)

    def add(
        self,
        files: Sequence[str | Path] | str | Path,
        encoder: FxEncoder,
        query: str | Sequence[str] | None = None,
        *,
        mixture: bool = True,
        tags: Mapping[str, str] | None = None,
        jobs: int = 2,
        batch_size: int = 8,
        fail_fast: bool = False,
        progress: Callable[[int, int, Path], None] | None = None,
    ) -> Added:
        """Add recordings; those that are there already cost next to nothing, so a broken-off call is just repeated.

        Args:
            files: files and folders.
            encoder: the model the index was made for.
            query: instruments to embed besides the whole mixture.
            mixture: whether the whole mixture is embedded.
            tags: to find the files by later, besides those that the files carry themselves.
            jobs: files that are decoded at once.
            batch_size: windows that pass through the network together.
            fail_fast: raise the first file's error instead of going on.
            progress: called with (files done, files in all, the file).

        Raises:
            ModelUnavailableError: another model.
            UsageError: nothing to embed, or a tag with a reserved name.
            AudioError: no file was found; with ``fail_fast`` of any file.
            OutputError: the disk is full; what was added is kept.
        """
        self.check(encoder)
        queries = ([""] if mixture else []) + [
            _column_name(q) for q in ([query] if isinstance(query, str) else query or ())
        ]
        if not queries:
            raise UsageError("nothing to embed: leave the whole mixture in, or name an instrument")
        for reserved in {"path", "song", "min_seconds", "max_seconds"} & set(tags or ()):
            raise UsageError(f"a tag cannot be called {reserved}; choose another name")
        settings = EmbedSettings(pool="none", hop_seconds=self.hop_seconds, batch_size=batch_size, jobs=jobs)
        places = [files] if isinstance(files, str | Path) else list(files)
        found, queries = collect(places), list(dict.fromkeys(queries))
        added = add_files(self, encoder, found, queries, tags or {}, settings, progress, fail_fast)
        for name in queries if added.embedded else ():
            column = self.column(name)
            if isinstance(column, LanceColumn):
                column.tidy()
        return added

    def remove(self, files: Sequence[str | Path]) -> int:
        """Forget files, by path; return how many of them were there."""
        with self.catalogue.writing():
            return sum(self.catalogue.drop_place(str(Path(file).absolute())) for file in files)

    def search(
        self,
        reference: Source | Sequence[Reference],
        encoder: FxEncoder | None = None,
        query: str | None = None,
        *,
        k: int = 10,
        where: Mapping[str, str] | None = None,
        sample_rate: int | None = None,
        at_seconds: float | None = None,
    ) -> list[Hit]:
        """Find the recordings that sound most alike, each with the moment to listen to.

        Args:
            reference: a file or samples; or embeddings made by :meth:`reference`, with weights and instruments.
            encoder: the model, to embed the reference with.
            query: the instrument meant, in the reference and in the library.
            k: recordings wanted.
            where: conditions on the files, see :meth:`Catalogue.matching`.
            sample_rate: Hz, of samples.
            at_seconds: only the window of the reference that begins there.

        Raises:
            UsageError: an instrument that the index has no embeddings for, or k < 1.
            ModelUnavailableError: another model.
        """
        if isinstance(reference, list | tuple) and all(isinstance(one, Reference) for one in reference):
            references = list(reference)
        else:
            if encoder is None:
                raise UsageError("to search by a recording give the encoder too")
            references = [self.reference(reference, encoder, query, sample_rate=sample_rate, at_seconds=at_seconds)]  # type: ignore[arg-type]
        if k < 1:
            raise UsageError(f"k must be at least 1, not {k}")
        if not references or not any(one.weight for one in references):
            raise UsageError("nothing to search by: give at least one reference with a weight other than 0")
        wanted = blend(references)
        allowed = self.catalogue.matching(where) if where else None
        found = {}
        for name in wanted:
            parts = self.catalogue.parts(name)
            if not len(parts.recordings):
                raise UsageError(
                    f"{self.folder}: there are no embeddings of {name or 'whole mixtures'} in it, but of "
                    f"{', '.join(q or 'whole mixtures' for q in self.catalogue.queries()) or 'nothing'}; add them with "
                    f"`fxlens index add`"
                )
            found[name] = parts if allowed is None else parts.only(allowed)
        return [self._hit(one) for one in self._rank(wanted, found, k, allowed is not None)]

    def _rank(
        self, wanted: Mapping[str, tuple[np.ndarray, float]], parts: Mapping[str, Parts], k: int, filtered: bool
    ) -> list[Ranked]:
        columns = {name: self.column(name) for name in wanted}
        whole = {name: Column(c, parts[name]) for name, c in columns.items() if isinstance(c, VectorFile)}
        if len(whole) == len(columns):
            return rank(wanted, whole, k)
        near = {n: NearColumn(c, parts[n], filtered) for n, c in columns.items() if not isinstance(c, VectorFile)}
        return rank_near(wanted, near, k)

    def _hit(self, found: Ranked) -> Hit:
        place = self.catalogue.places(found.recording)[0]
        listen = []
        for name, (first, row, similar) in found.moments.items():
            start, end = self.catalogue.times(name, first)[row]
            listen.append(Moment(name, float(start), float(end), similar))
        return Hit(place.path, place.song, found.similarity, tuple(listen), place.tags)

    def reference(
        self,
        source: Source,
        encoder: FxEncoder,
        query: str | None = None,
        weight: float = 1.0,
        *,
        sample_rate: int | None = None,
        at_seconds: float | None = None,
    ) -> Reference:
        """Embed what is searched for; several make one search.

        Args:
            source: a file or samples.
            encoder: the model of the index.
            query: the instrument meant.
            weight: beside other references; negative to search away from it.
            sample_rate: Hz, of samples.
            at_seconds: only the window that begins there; the whole recording if not given.

        Raises:
            ModelUnavailableError: another model.
            AudioError: a recording that cannot be used.
            UsageError: a time beyond the end of the recording.
        """
        from fxlens.index.moment import embed_moment

        self.check(encoder)
        name = "" if query is None else _column_name(query)
        if at_seconds is None:
            vector = encoder.encode(source, sample_rate, query=name or None)
        else:
            vector = embed_moment(encoder, source, sample_rate, name or None, at_seconds)
        return Reference(np.asarray(vector, np.float32), name, weight)

    def info(self) -> dict[str, Any]:
        """Numbers of files, recordings and windows, and what the index is bound to."""
        rows = {query or "whole mixture": self.catalogue.rows(query) for query in self.catalogue.queries()}
        return {**self.catalogue.counts(), "windows": rows, "model": self.model_id, "hop_seconds": self.hop_seconds}


def _column_name(query: str) -> str:
    """One name for an instrument, however it is spaced and capitalised.

    Raises:
        UsageError: it is empty.
    """
    name = " ".join(query.casefold().split())
    if not name:
        raise UsageError("a query must name an instrument; leave it out for the whole mixture")
    return name
