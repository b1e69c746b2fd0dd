"""Sessions on disk: the same for any number of processes, whole or not there, and heard only once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_describing import RATE, SECONDS, tiny_encoder

from fxlens.data.multitrack import Multitrack
from fxlens.describing import material as material_module
from fxlens.describing.listening import listen
from fxlens.describing.material import Material, read_session, render_material, session_path
from fxlens.describing.session import SessionSettings
from fxlens.describing.shelves import make_shelves, shelf_of
from fxlens.errors import DataError

COUNT = 6


@pytest.fixture(scope="module")
def material(songs: list[Multitrack]) -> Material:
    settings = SessionSettings(seconds=SECONDS, sample_rate=RATE, n_effects=(1, 3))
    return Material(make_shelves(songs[:4], 2), COUNT, seed=1, settings=settings)


@pytest.fixture(scope="module")
def rendered(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sessions")
    render_material(material, folder)
    return folder


def test_shelves_part_the_songs(songs: list[Multitrack]) -> None:
    shelves = make_shelves(songs[:4], 2)
    assert sorted(s.song for shelf in shelves for s in shelf.songs) == sorted(s.song for s in songs[:4])
    assert {(shelf.kind, shelf.fold) for shelf in shelves} == {("synthesised", 0), ("synthesised", 1), ("unheard", 0)}
    assert make_shelves(reversed(songs[:4]), 2) == shelves
    drawn = [shelf_of(shelves, number, number) for number in range(200)]
    assert [shelf.fold for shelf in drawn] == [0, 1] * 100
    unheard = np.mean([shelf.kind == "unheard" for shelf in drawn[::2]])
    assert unheard == pytest.approx(0.6, abs=0.12)  # 0.3 to 0.2, where both are there


def test_sessions_do_not_depend_on_processes(material: Material, rendered: Path, tmp_path: Path) -> None:
    render_material(material, tmp_path, jobs=2)
    for number in range(COUNT):
        one, other = (read_session(session_path(folder, number)) for folder in (rendered, tmp_path))
        np.testing.assert_array_equal(one.clips, other.clips)
        assert one.songs == other.songs and one.fold == number % 2
        for a, b in zip(one.labels, other.labels, strict=True):
            assert (a.clip, a.query) == (b.clip, b.query)
            np.testing.assert_array_equal(a.change_db, b.change_db)
            np.testing.assert_array_equal(a.values, b.values)


def test_rendering_goes_on_where_it_stopped(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_material(material, tmp_path, progress=stop)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert 0 < len(kept) < COUNT and all(path.suffix == ".npz" for path in kept)
    render_material(material, tmp_path)
    assert len(list(tmp_path.iterdir())) == COUNT
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    monkeypatch.setattr(material_module, "draw_session", None)
    render_material(material, tmp_path)  # nothing is left to draw


def test_the_key_names_what_sessions_are_made_of(material: Material, songs: list[Multitrack]) -> None:
    assert Material(material.shelves, 99, 1, material.settings).key == material.key
    assert Material(material.shelves, COUNT, 2, material.settings).key != material.key
    assert Material(make_shelves(songs[:3], 2), COUNT, 1, material.settings).key != material.key


def test_no_songs_and_broken_sessions_are_told(material: Material, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no songs"):
        render_material(Material((), 3), tmp_path)
    session_path(tmp_path, 0).write_bytes(b"PK\x03\x04 no")
    with pytest.raises(DataError, match=r"0000000\.npz: cannot be read"):
        read_session(session_path(tmp_path, 0))


def test_an_encoder_hears_every_label_once(rendered: Path, tmp_path: Path) -> None:
    encoder = tiny_encoder()
    first = listen(encoder, rendered, COUNT, tmp_path)
    stored = [read_session(session_path(rendered, n)) for n in range(COUNT)]
    whole = sum(not label.query for session in stored for label in session.labels)
    asked = sum(bool(label.query) for session in stored for label in session.labels)
    assert len(first.whole) == whole and first.instrument is not None and len(first.instrument) == asked
    encoder.hear = None  # type: ignore[method-assign, assignment]
    again = listen(encoder, rendered, COUNT, tmp_path)  # from what was kept
    np.testing.assert_array_equal(first.whole.vectors, again.whole.vectors)
    np.testing.assert_array_equal(first.whole.change_db, again.whole.change_db)


def test_vectors_are_those_of_the_clips(rendered: Path, tmp_path: Path) -> None:
    encoder = tiny_encoder(extractor="none")
    found = listen(encoder, rendered, COUNT, tmp_path)
    assert found.instrument is None
    session = read_session(session_path(rendered, 0))
    features = encoder.features(session.clips[0], RATE)
    np.testing.assert_allclose(found.whole.vectors[0, : len(features)], features, rtol=2e-3, atol=2e-3)  # float16
