"""Every file of a library searched by its effects: ranks of its own chain on other songs, chance, and intervals."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path

import numpy as np
from bench_scores import RESAMPLES, Figure

from fxlens.index.fx_index import FxIndex
from fxlens.models.fx_encoder import FxEncoder

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True)
class LibraryFile:
    """One file: a recording under a chain."""

    path: str
    song: str
    instrument: str
    chain: int


@dataclass(frozen=True)
class Search:
    """What one search has found. Files of the query's own song count neither for nor against.

    Args:
        path: of the file that was searched by.
        scope: what was searched: the files of its instrument, or all.
        rank: place of the first file with its chain on another song, 1 is best; 0 beyond the places looked at.
        candidates: files of other songs.
        relevant: those of them with its chain.
        embed_seconds: to embed the query.
        search_seconds: to find the hits.
    """

    path: str
    scope: str
    rank: int
    candidates: int
    relevant: int
    embed_seconds: float
    search_seconds: float


def search_all(
    index: FxIndex,
    encoder: FxEncoder,
    files: Sequence[LibraryFile],
    journal: Path,
    progress: Callable[[int, int], None] | None = None,
) -> list[Search]:
    """Search by every file, among its instrument and among all; what is done already is read from the journal.

    Args:
        index: holds all files.
        encoder: its model.
        files: the library.
        journal: JSON lines, one a query; a line that was torn is done again.
        progress: called with (files done, files in all).
    """
    known = {path: [Search(**one) for one in told] for path, told in _lines(journal)}
    done: list[Search] = []
    with journal.open("a", encoding="utf-8") as out:
        for number, query in enumerate(files, start=1):
            found = known.get(query.path)
            if found is None:
                found = _searched(index, encoder, files, query)
                out.write(json.dumps([query.path, [asdict(one) for one in found]]) + "\n")
                out.flush()
            done += found
            if progress is not None:
                progress(number, len(files))
    return done


def _lines(journal: Path) -> list[tuple[str, list[dict]]]:
    if not journal.is_file():
        return []
    text = journal.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        journal.write_bytes(whole)
    return [json.loads(line) for line in whole.splitlines()]


def _searched(index: FxIndex, encoder: FxEncoder, files: Sequence[LibraryFile], query: LibraryFile) -> list[Search]:
    by_path = {file.path: file for file in files}
    began = time.perf_counter()
    reference = index.reference(query.path, encoder)
    embed_seconds = time.perf_counter() - began
    found = []
    for scope in ("instrument", "all"):
        searched = [file for file in files if scope == "all" or file.instrument == query.instrument]
        others = [file for file in searched if file.song != query.song]
        relevant = sum(file.chain == query.chain for file in others)
        if not relevant:
            continue
        where = None if scope == "all" else {"path": f"{Path(query.path).parent}/*"}
        began = time.perf_counter()
        hits = index.search([reference], k=max(CUTOFFS) + len(searched) - len(others), where=where)
        seconds = time.perf_counter() - began
        heard = [by_path[hit.path] for hit in hits if by_path[hit.path].song != query.song]
        rank = next((place for place, file in enumerate(heard, start=1) if file.chain == query.chain), 0)
        found.append(Search(query.path, scope, rank, len(others), relevant, embed_seconds, seconds))
    return found


def chance(candidates: int, relevant: int, places: int) -> float:
    """Probability that a random order has at least one of the relevant files among the first places.

    >>> chance(10, 1, 5), round(chance(4, 2, 2), 6)
    (0.5, 0.833333)
    """
    return 1.0 - comb(candidates - relevant, places) / comb(candidates, places) if places < candidates else 1.0


@dataclass(frozen=True)
class Score:
    """Figures of some searches, percent.

    Args:
        queries: how many.
        songs: of how many songs.
        found: by number of places: share of queries that have their chain on another song among them, with a 95 %
            bootstrap interval over the queries' songs.
        chance: the same of a random order, mean over the queries.
    """

    queries: int
    songs: int
    found: dict[int, Figure]
    chance: dict[int, float]


def score(searches: Sequence[Search], song_of: Callable[[str], str], seed: int = 0) -> Score:
    """Summarise searches; songs are drawn with all their queries, since those share their music."""
    songs = np.array([song_of(one.path) for one in searches])
    names, place = np.unique(songs, return_inverse=True)
    draws = np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))
    per_song = np.bincount(place, minlength=len(names))
    found, by_chance = {}, {}
    for k in CUTOFFS:
        hit = np.array([100.0 * (0 < one.rank <= k) for one in searches])
        sums = np.bincount(place, weights=hit, minlength=len(names))
        means = sums[draws].sum(axis=1) / per_song[draws].sum(axis=1)
        low, high = np.percentile(means, [2.5, 97.5])
        found[k] = Figure(float(hit.mean()), float(low), float(high))
        by_chance[k] = 100.0 * float(np.mean([chance(one.candidates, one.relevant, k) for one in searches]))
    return Score(len(searches), len(names), found, by_chance)
