"""The same library in LanceDB and in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fxlens.index.fx_index import FxIndex
from fxlens.index.lance_column import LanceColumn
from fxlens.index.vectors import VectorFile
from fxlens.models.fx_encoder import FxEncoder

pytest.importorskip("lancedb", reason="LanceDB needs fxlens[lance]")


def test_both_backends_find_the_same(tmp_path: Path, encoder: FxEncoder, songs: Path) -> None:
    both = [FxIndex.create(tmp_path / name, encoder, backend=name) for name in ("file", "lance")]  # type: ignore[arg-type]
    for index in both:
        index.add(songs, encoder, query="drums", tags={"set": "a"})
    for where in (None, {"song": "song [135]"}):
        for query in (None, "drums"):
            file, lance = (i.search(songs / "song 3.wav", encoder, query, k=4, where=where) for i in both)
            assert [hit.path for hit in file] == [hit.path for hit in lance]
            for one, other in zip(file, lance, strict=True):
                assert one.similarity == pytest.approx(other.similarity, abs=1e-5)
                assert one.moments[0].start == other.moments[0].start
    again = FxIndex.open(tmp_path / "lance")
    assert again.backend == "lance" and isinstance(again.column(""), LanceColumn)
    assert again.add(songs, encoder, query="drums").embedded == 0


def test_rows_left_by_an_interrupted_writer_are_written_over(tmp_path: Path) -> None:
    column = LanceColumn(tmp_path, "mixture", 2)
    column.write(0, np.ones((3, 2)))
    column.write(1, np.full((4, 2), 5.0))
    np.testing.assert_array_equal(column.read(5), [[1, 1], *[[5, 5]] * 4])
    np.testing.assert_array_equal(column.take([(0, 1), (3, 5)]), [[1, 1], [5, 5], [5, 5]])
    assert column.take([]).shape == (0, 2)


@pytest.mark.slow
def test_an_indexed_table_finds_nearly_all_of_the_nearest(tmp_path: Path) -> None:
    """250,000 vectors in 200 loose groups, as songs with like effects are: at least 9 of the 10 nearest are found."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, 32))
    vectors = centres[rng.integers(200, size=250_000)] + 0.7 * rng.standard_normal((250_000, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    column, file = LanceColumn(tmp_path / "l", "mixture", 32), VectorFile(tmp_path / "v.f16", 32)
    for first in range(0, len(vectors), 50_000):
        column.write(first, vectors[first : first + 50_000])
    file.write(0, vectors)
    column.tidy()
    hits = []
    for reference in vectors[rng.integers(len(vectors), size=20)].astype(np.float32):
        near, similar = column.nearest(reference, 10)
        exact = file.similarities(reference, [(0, len(vectors))])
        np.testing.assert_allclose(similar, exact[near], atol=2e-3)
        hits.append(np.isin(near, np.argsort(-exact)[:10]).mean())
    assert np.mean(hits) > 0.9
