"""The library benchmark: chance in closed form, ranks that can be counted by hand, and a run from songs to page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import comb
from pathlib import Path

import library
import numpy as np
import pytest
import soundfile
import torch
from library_page import rows_of
from library_plan import MIX, RATE, RenderUnit, draw_chains, plan_recordings, render
from library_search import LibraryFile, Search, chance, score, search_all

from fxlens.data.manifest import load_manifest
from fxlens.errors import DataError
from fxlens.index.fx_index import FxIndex
from fxlens.index.ranking import Hit, Reference
from fxlens.models.backbone import BackboneConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig


def test_chance_is_that_of_drawing_without_putting_back() -> None:
    rng = np.random.default_rng(0)
    order = np.argsort(rng.random((20_000, 30)), axis=1)
    for relevant, places in ((1, 1), (1, 5), (3, 5), (7, 10)):
        drawn = float((order[:, :places] < relevant).any(axis=1).mean())
        assert chance(30, relevant, places) == pytest.approx(drawn, abs=0.015)
    assert chance(10, 3, 10) == chance(4, 1, 10) == 1.0
    assert chance(6, 2, 1) == pytest.approx(1 - comb(4, 1) / comb(6, 1)) == pytest.approx(2 / 6)


def test_songs_are_drawn_with_all_their_queries() -> None:
    """One song is always found, one never: the share is known, its interval is that of two coins."""
    searches = [
        Search(f"{song}/{n}", "all", rank, 10, 1, 0.0, 0.0) for song, rank in (("a", 1), ("b", 0)) for n in range(50)
    ]
    found = score(searches, lambda path: path[0])
    assert (found.queries, found.songs) == (100, 2)
    assert (found.found[1].value, found.found[1].low, found.found[1].high) == (50.0, 0.0, 100.0)
    assert found.chance[1] == pytest.approx(10.0) and found.chance[10] == 100.0
    later = score([Search("a/0", "all", 7, 10, 1, 0.0, 0.0)], lambda path: path[0])
    assert [later.found[k].value for k in (1, 5, 10)] == [0.0, 0.0, 100.0]


def test_songs_not_trained_on_have_rows_of_their_own() -> None:
    files = [LibraryFile(f"/{song}", song, instrument, 0) for song, instrument in (("a", "drums"), ("b", "drums"))]
    searches = [Search(file.path, "all", rank, 10, 1, 0.0, 0.0) for file, rank in zip(files, (1, 0), strict=True)]
    assert set(rows_of(searches, files, 0)) == {"drums", "all stems"}
    found = rows_of(searches, files, 0, unheard=["b"])
    assert found["all stems"]["all"].found[1].value == 50.0
    assert found["all stems, songs not trained on"]["all"].found[1].value == 0.0
    assert found["all stems, songs not trained on"]["all"].queries == 1


class Told:
    """An index whose hits are given."""

    def __init__(self, hits: dict[str, list[str]]) -> None:
        self.hits, self.asked = hits, 0

    def reference(self, path: str, encoder: object) -> Reference:
        self.query = path
        return Reference(np.zeros(1, np.float32))

    def search(self, references: list[Reference], k: int, where: dict[str, str] | None) -> list[Hit]:
        self.asked += 1
        found = self.hits[self.query]
        if where is not None:
            found = [path for path in found if path.startswith(where["path"].rstrip("*"))]
        return [Hit(path, "", 1.0, (), {}) for path in found[:k]]


def test_the_own_song_counts_neither_for_nor_against(tmp_path: Path) -> None:
    files = [LibraryFile(f"/{instrument}/{song}{chain}", song, instrument, chain)
             for instrument in ("drums", "bass") for song in "ab" for chain in (0, 1)]  # fmt: skip
    hits = {file.path: sorted(other.path for other in files) for file in files}
    hits["/drums/a0"] = [
        "/drums/a0",
        "/bass/a0",
        "/drums/a1",
        "/bass/b1",
        "/drums/b1",
        "/bass/b0",
        "/drums/b0",
        "/bass/a1",
    ]
    index = Told(hits)
    done = search_all(index, None, files, tmp_path / "j.jsonl")  # type: ignore[arg-type]
    first = [one for one in done if one.path == "/drums/a0"]
    assert [(one.scope, one.rank, one.candidates, one.relevant) for one in first] == [
        ("instrument", 2, 2, 1), ("all", 3, 4, 2)
    ]  # fmt: skip
    asked = index.asked
    journal = tmp_path / "j.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])  # a kill tears the last line
    again = search_all(index, None, files, journal)  # type: ignore[arg-type]
    assert [(one.path, one.rank) for one in again] == [(one.path, one.rank) for one in done]
    assert index.asked == asked + 2


def test_the_same_seed_gives_the_same_library(song_manifest: Path, tmp_path: Path) -> None:
    songs = load_manifest(song_manifest)
    recordings = plan_recordings(songs, 2.0, seed=3)
    assert recordings == plan_recordings(songs, 2.0, seed=3) != plan_recordings(songs, 2.0, seed=4)
    assert {one.instrument for one in recordings} == {"drums", "bass", MIX}
    assert sum(one.instrument == MIX for one in recordings) == 4
    chains = draw_chains(10, 3)
    assert [chain.audible_count() for chain in chains] == [1, 2, 3, 4, 5, 6, 7, 8, 1, 2]
    assert chains[:4] == draw_chains(4, 3)  # more chains leave those before as they are
    mixed = next(one for one in recordings if one.instrument == MIX)
    for name in ("a", "b"):
        render(RenderUnit(mixed, tuple(chains[:2]), tmp_path / name, 3))
    one, two = (mixed.path(tmp_path / name, 1) for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()
    audio, rate = soundfile.read(one)
    assert rate == RATE and audio.shape == (2 * RATE, 2) and 0.01 < np.abs(audio).max() < 0.99
    assert not np.allclose(audio, soundfile.read(mixed.path(tmp_path / "a", 0))[0])


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Path]:
    torch.manual_seed(0)
    front = FrontendConfig(sample_rate=22_050, n_fft=1024, hop_length=512, n_mels=32, f_min_hz=30.0, f_max_hz=10_000.0)
    config = FxEncoderConfig(
        name="tiny", frontend=front, backbone=BackboneConfig("resnet", 4), projection_dims=(16,), window_seconds=1.0
    )
    FxEncoder(config).save_pretrained(tmp_path / "tiny")
    yield tmp_path / "tiny"


def test_from_songs_to_page_and_on_again(song_manifest: Path, model: Path, tmp_path: Path) -> None:
    page = tmp_path / "page" / "library.md"
    call = ["--work", str(tmp_path / "work"), "--data", str(song_manifest.parent), "-m", str(model), "--chains", "3",
            "--seconds", "2", "--songs", "3", "-j", "1", "-o", str(page)]  # fmt: skip
    library.main(call)
    facts = json.loads(page.with_suffix(".json").read_text())
    assert facts["chains"] == 3 and facts["speed"]["adding"]["files"] == 27.0
    assert facts["speed"]["adding"]["times real time"] > 0.0
    drums = facts["scores"]["drums"]["instrument"]
    assert (drums["queries"], drums["songs"]) == (9, 3)
    assert drums["chance"]["1"] == pytest.approx(100.0 / 3) and drums["chance"]["5"] == 100.0
    assert facts["scores"]["all stems"]["all"]["chance"]["1"] == pytest.approx(100.0 / 3)
    text = page.read_text()
    assert "27 files" in text and "## Among its instrument" in text and text.count("| mixes |") == 2
    with FxIndex.open(next(path for path in (tmp_path / "work").glob("index-*") if path.is_dir())) as index:
        assert index.info()["files"] == 27
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.flac")}
    library.main(call)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps  # nothing is made twice
    assert json.loads(page.with_suffix(".json").read_text()) == facts
    with pytest.raises(DataError, match="choose another --work"):
        library.main([*call, "--seed", "1"])
