"""An index as one table, for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxlens.embedding.formats import Table
from fxlens.errors import UsageError

if TYPE_CHECKING:
    from fxlens.index.fx_index import FxIndex


def as_table(index: FxIndex, query: str = "") -> Table:
    """All windows of one column: one row each, in the order in which recordings were added.

    A recording that lies in several files is under the first of them by name. Write it with
    :func:`fxlens.embedding.formats.write_table`.

    Args:
        index: the index.
        query: the column, as :meth:`FxIndex.info` names it; empty for whole mixtures.

    Raises:
        UsageError: there is no such column.
    """
    parts = index.catalogue.parts(query)
    if not len(parts.recordings):
        raise UsageError(f"{index.folder}: there are no embeddings of {query or 'whole mixtures'} in it")
    stored = index.column(query).read(int(parts.last[-1]))
    vectors, times, paths = [], [], []
    for recording, first, last in zip(parts.recordings.tolist(), parts.first, parts.last, strict=True):
        vectors.append(stored[first:last].astype(np.float32))
        times.append(index.catalogue.times(query, int(first)))
        paths += [index.catalogue.places(recording)[0].path] * int(last - first)
    when = np.concatenate(times)
    return Table(
        np.concatenate(vectors),
        paths,
        np.ascontiguousarray(when[:, 0]),
        np.ascontiguousarray(when[:, 1]),
        query,
        index.model_id,
    )
