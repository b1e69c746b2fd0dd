"""Many files to one file of embeddings, with one model.

Every file is embedded on its own, so its row depends on nothing but the file, the model and the settings: an
interrupted job that is resumed, and one that is cut into shards, give the rows of one that was not.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxlens.embedding.formats import Format, Table, choose_format, rows_path, write_table
from fxlens.embedding.in_order import Failure, in_order
from fxlens.embedding.journal import Entry, Journal
from fxlens.embedding.network import Network
from fxlens.embedding.settings import EmbedSettings, binding
from fxlens.models import encoding
from fxlens.whole_files import remove_left_overs, write_text

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder


@dataclass(frozen=True)
class EmbedResult:
    """What a job has done.

    Args:
        output: the file with the embeddings; not written where every file failed.
        errors: the file with the failures, or None.
        rows: rows in ``output``.
        dim: length of an embedding.
        files: files with at least one row.
        resumed: of these, how many were done by an earlier, interrupted call.
        failures: in the order of the files.
    """

    output: Path
    errors: Path | None
    rows: int
    dim: int
    files: int
    resumed: int
    failures: tuple[Failure, ...]


def embed_files(
    encoder: FxEncoder,
    files: Sequence[Path],
    output: str | Path,
    settings: EmbedSettings | None = None,
    *,
    form: Format | None = None,
    resume: bool = False,
    fail_fast: bool = False,
    progress: Callable[[int, int, Path], None] | None = None,
) -> EmbedResult:
    """Embed files into one file.

    Finished files are kept in ``<output>.partial`` until the output is there. Files that fail are listed in
    ``<output>.errors.jsonl``; the journal then stays too, so that ``resume`` needs to do only those.

    Args:
        encoder: the model, on the device it shall run on.
        files: see :func:`fxlens.embedding.collect.collect`; rows keep their order.
        output: where to; its folder is made where missing.
        settings: how.
        form: the format; by the suffix of ``output`` if not given.
        resume: go on with the journal of an interrupted call.
        fail_fast: raise the first file's error instead of going on.
        progress: called with (files done, files in all, the file) after each file.

    Raises:
        UsageError: an impossible setting, or a journal of another model or query, or one without ``resume``.
        OutputError: the output cannot be written; what was finished is kept.
        ModelUnavailableError: there is a query, but its encoder is not available.
        AudioError: of the query's recording; with ``fail_fast`` of any file.
        FxLensError: the device is out of memory.
        KeyboardInterrupt: passed on, after files in work were given up; what was finished is kept.
    """
    settings, output = settings or EmbedSettings(), Path(output)
    form = choose_format(output, form)
    encoder.eval()
    queries, _ = encoding.query_vectors(encoder, settings.query, settings.query_audio)
    network = Network(encoder, [None if queries is None else queries[0]], settings)
    with Journal(output, binding(encoder, settings), resume) as journal:
        for written in (output, errors_path(output), rows_path(output)):
            remove_left_overs(written)  # the journal is ours: nobody else writes them now
        known = {str(file) for file in files if journal.finished(file) is not None}
        failed: dict[str, Failure] = {}

        def keep(file: Path) -> None:
            journal.append(network.entry(file))

        todo = [file for file in files if str(file) not in known]
        # Closed before the journal is, whatever happens: its threads write there.
        with closing(in_order(todo, keep, settings.jobs, network.stopped, fail_fast)) as work:
            for done, (file, kept) in enumerate(work, start=len(known) + 1):
                if isinstance(kept, Failure):
                    failed[str(file)] = kept
                if progress is not None:
                    progress(done, len(files), file)
        entries = [journal.entries[str(file)] for file in files if str(file) not in failed]
        table = _table(entries, encoder, settings)
        failures = tuple(failed[str(file)] for file in files if str(file) in failed)
        if entries or not files:
            write_table(output, table, form)
        errors = _write_errors(output, failures)
        if failures:
            journal.finish()
        else:
            journal.discard()
    return EmbedResult(output, errors, len(table.path), encoder.embedding_dim, len(entries), len(known), failures)


def _table(entries: Sequence[Entry], encoder: FxEncoder, settings: EmbedSettings) -> Table:
    vectors = [entry.vectors for entry in entries]
    times = np.concatenate([np.zeros((0, 2)), *(entry.times for entry in entries)])
    return Table(
        embedding=np.concatenate([np.zeros((0, encoder.embedding_dim), np.float32), *vectors]),
        path=[entry.path for entry in entries for _ in entry.vectors],
        start=np.ascontiguousarray(times[:, 0]),
        end=np.ascontiguousarray(times[:, 1]),
        query=settings.query_name,
        model=encoder.model_id,
    )


def errors_path(output: Path) -> Path:
    """The list of failures beside an output."""
    return output.with_name(output.name + ".errors.jsonl")


def _write_errors(output: Path, failures: Sequence[Failure]) -> Path | None:
    """List the failures; a list of an earlier call that no longer holds is removed."""
    path = errors_path(output)
    if not failures:
        path.unlink(missing_ok=True)
        return None
    lines = "".join(json.dumps(dataclasses.asdict(failure), ensure_ascii=True) + "\n" for failure in failures)
    write_text(path, lines)
    return path
