"""The index as its users see it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fxlens.errors import AudioMissingError, DataError, ModelUnavailableError, OutputError, UsageError
from fxlens.index.fx_index import FxIndex
from fxlens.index.ranking import Reference
from fxlens.models.fx_encoder import FxEncoder

RATE = 8000


@pytest.fixture
def index(tmp_path: Path, encoder: FxEncoder) -> FxIndex:
    return FxIndex.create(tmp_path / "library", encoder)


def contents(index: FxIndex) -> dict[str, list[tuple[str, bytes, bytes]]]:
    """All vectors and times by column and path, for comparison."""
    found: dict[str, list[tuple[str, bytes, bytes]]] = {}
    for query in index.catalogue.queries():
        parts, matrix = index.catalogue.parts(query), index.column(query).read(index.catalogue.rows(query))
        found[query] = [
            (
                index.catalogue.places(recording)[0].path,
                np.asarray(matrix[first:last]).tobytes(),
                index.catalogue.times(query, first).tobytes(),
            )
            for recording, first, last in zip(parts.recordings.tolist(), parts.first, parts.last, strict=True)
            for first, last in [(int(first), int(last))]
        ]
    return found


def test_a_song_is_found_by_itself_with_the_moment(index: FxIndex, encoder: FxEncoder, songs: Path) -> None:
    added = index.add(songs, encoder, query="Lead  Vocals")
    assert (added.embedded, added.known, added.failures) == (6, 0, ())
    assert index.info()["windows"] == {"whole mixture": 19, "lead vocals": 19}
    for number in (0, 3):
        file = songs / f"song {number}.wav"
        hits = index.search(file, encoder, k=3, at_seconds=1.0)
        assert hits[0].path == str(file) and hits[0].song == f"song {number}"
        assert hits[0].similarity == pytest.approx(1.0, abs=2e-3)
        assert (hits[0].moments[0].start, hits[0].moments[0].end) == (1.0, 2.0)
        assert hits[0].similarity >= hits[1].similarity >= hits[2].similarity
        by_voice = index.search(file, encoder, query="lead vocals", k=1, at_seconds=1.0)
        assert by_voice[0].path == str(file) and by_voice[0].moments[0].query == "lead vocals"


def test_stored_vectors_are_those_of_the_encoder(index: FxIndex, encoder: FxEncoder, songs: Path) -> None:
    index.add(songs / "song 2.wav", encoder, query=["drums"])
    for query in ("", "drums"):
        direct, times = encoder.encode(songs / "song 2.wav", query=query or None, pool="none", return_times=True)
        stored = index.column(query).read(len(direct)).astype(np.float32)
        np.testing.assert_allclose(stored, direct, atol=6e-4)  # half precision of numbers below 1
        np.testing.assert_array_equal(index.catalogue.times(query, 0), times)


def test_the_same_recording_is_stored_once(index: FxIndex, encoder: FxEncoder, songs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a copy ♫.wav"
    shutil.copy(songs / "song 1.wav", copy)
    index.add(songs, encoder)
    again = index.add([songs, copy], encoder)
    assert (again.embedded, again.known) == (0, 7)
    assert index.info()["files"] == 7 and index.info()["recordings"] == 6
    assert index.remove([songs / "song 1.wav", "never added.wav"]) == 1
    assert index.search(copy, encoder, k=1, at_seconds=0.0)[0].path == str(copy)
    index.remove([copy])
    assert str(copy) not in {hit.path for hit in index.search(copy, encoder, k=10)}


def test_a_changed_file_is_embedded_again(index: FxIndex, encoder: FxEncoder, songs: Path) -> None:
    index.add(songs, encoder)
    changed = songs / "song 0.wav"
    noise = np.random.default_rng(9).standard_normal((3 * RATE, 2)) * 0.1
    soundfile.write(changed, noise, RATE, subtype="PCM_16")
    assert index.add(songs, encoder).embedded == 1
    hit = index.search(changed, encoder, k=1, at_seconds=2.0)[0]
    assert hit.path == str(changed) and hit.similarity == pytest.approx(1.0, abs=2e-3)
    assert index.info()["recordings"] == 6


def test_an_instrument_can_be_added_later(index: FxIndex, encoder: FxEncoder, songs: Path) -> None:
    index.add(songs, encoder)
    with pytest.raises(UsageError, match=r"no embeddings of drums.*whole mixtures"):
        index.search(songs / "song 0.wav", encoder, query="drums")
    later = index.add(songs, encoder, query="drums")
    assert later.embedded == 6
    assert index.info()["windows"] == {"whole mixture": 19, "drums": 19}


def test_filters_and_tags(index: FxIndex, encoder: FxEncoder, songs: Path) -> None:
    index.add([songs / "song 0.wav", songs / "song 1.wav"], encoder, tags={"genre": "Metal"})
    index.add(songs, encoder, tags={"year": "2024"})
    metal = index.search(songs / "song 5.wav", encoder, where={"genre": "met*"})
    assert {hit.song for hit in metal} == {"song 0", "song 1"}
    long = index.search(songs / "song 5.wav", encoder, where={"min_seconds": "3.5", "song": "SONG*"})
    assert {hit.song for hit in long} == {"song 2", "song 3"}
    assert index.search(songs / "song 5.wav", encoder, where={"genre": "jazz"}) == []
    with pytest.raises(UsageError, match="min_seconds"):
        index.search(songs / "song 5.wav", encoder, where={"min_seconds": "long"})


def test_several_weighted_references(index: FxIndex, encoder: FxEncoder, songs: Path) -> None:
    index.add(songs, encoder, query=["drums", "bass"])
    a, b = (index.reference(songs / f"song {n}.wav", encoder, weight=w) for n, w in ((0, 1.0), (4, 3.0)))
    hits = index.search([a, b], k=6)
    for hit in hits:
        rows = encoder.encode(hit.path, pool="none")
        assert hit.similarity == pytest.approx(float(max(rows @ (a.vector + 3 * b.vector) / 4)), abs=2e-3)
    mixed = [
        index.reference(songs / "song 1.wav", encoder, query="drums"),
        index.reference(songs / "song 2.wav", encoder, query="bass"),
    ]
    assert [moment.query for moment in index.search(mixed, k=1)[0].moments] == ["drums", "bass"]
    with pytest.raises(UsageError, match="weight other than 0"):
        index.search([Reference(a.vector, "", 0.0)])


def test_bad_files_are_named_and_the_rest_is_added(index: FxIndex, encoder: FxEncoder, songs: Path) -> None:
    (songs / "text.wav").write_text("no audio at all")
    (songs / "empty.wav").touch()
    soundfile.write(songs / "silent.wav", np.zeros((RATE * 2, 2)), RATE)
    added = index.add([songs, songs / "missing.wav"], encoder)
    assert added.embedded == 6
    assert {Path(failure.path).name for failure in added.failures} == {
        "text.wav", "empty.wav", "silent.wav", "missing.wav"
    }  # fmt: skip
    with pytest.raises(AudioMissingError):
        index.add([songs / "missing.wav"], encoder, fail_fast=True)
    with pytest.raises(UsageError, match="5 s is not in the reference"):
        index.reference(songs / "song 0.wav", encoder, at_seconds=5.0)


def test_an_interrupted_job_goes_on_to_the_same_index(tmp_path: Path, encoder: FxEncoder, songs: Path) -> None:
    class Enough(Exception):
        pass

    def stop_after(number: int):  # type: ignore[no-untyped-def]
        def progress(done: int, total: int, file: Path) -> None:
            if done == number:
                raise Enough

        return progress

    whole = FxIndex.create(tmp_path / "whole", encoder)
    whole.add(songs, encoder, query="drums", jobs=3)
    broken = FxIndex.create(tmp_path / "broken", encoder)
    for number in (1, 3, 4):
        with pytest.raises(Enough):
            broken.add(songs, encoder, query="drums", jobs=3, progress=stop_after(number))
        assert broken.info()["files"] == number
    broken.column("").write(broken.catalogue.rows(""), np.full((2, 8), 9.0))  # what a kill before the commit leaves
    broken.add(songs, encoder, query="drums", jobs=1)
    assert contents(broken) == contents(whole)
    for query in ("", "drums"):
        assert broken.column(query).path.read_bytes() == whole.column(query).path.read_bytes()


def test_two_writers_at_once(tmp_path: Path, encoder: FxEncoder, songs: Path) -> None:
    indices = [FxIndex.create(tmp_path / "shared", encoder) for _ in range(2)]
    files = sorted(songs.iterdir())
    threads = [
        threading.Thread(target=index.add, args=(order, encoder), kwargs={"jobs": 1})
        for index, order in zip(indices, (files, files[::-1]), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    single = FxIndex.create(tmp_path / "single", encoder)
    single.add(songs, encoder)
    assert sorted(contents(indices[0])[""]) == sorted(contents(single)[""])
    assert indices[0].catalogue.rows("") == single.catalogue.rows("")


def test_what_cannot_be_opened_is_said(tmp_path: Path, encoder: FxEncoder, index: FxIndex) -> None:
    with pytest.raises(DataError, match=r"no index; make one with `fxlens index add"):
        FxIndex.open(tmp_path / "nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="files in it but no index"):
        FxIndex.create(tmp_path / "full", encoder)
    torch.manual_seed(4)
    other = FxEncoder(encoder.config).eval()
    with pytest.raises(ModelUnavailableError, match=r"built with the model tiny-\w+, this is tiny-"):
        FxIndex.create(index.folder, other)
    (index.folder / "catalogue.sqlite").write_bytes(b"not a database, not at all" * 50)
    with pytest.raises(DataError, match="damaged"):
        FxIndex.open(index.folder)
