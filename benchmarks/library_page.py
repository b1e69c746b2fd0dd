"""The page of the library benchmark: scores by instrument, times, and where they come from."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from bench_options import command_line
from bench_pages import table
from library_plan import MIX, WORKING_LUFS, Recording
from library_search import CUTOFFS, LibraryFile, Score, Search, score

from fxlens.evaluation.source_version import source_version
from fxlens.models.fx_encoder import FxEncoder

INTRODUCTION = """# A library searched by its effects

{recordings} real recordings ({stems} stems and {mixes} mixes of {songs} songs), {seconds:g} s of each, rendered under
the same {chains} drawn chains of one to eight effects at {lufs:g} LUFS before and after: {files} files,
{hours:.1f} hours. They are added with `fxlens index add`; then every file is searched by, and it counts whether the
first hits hold **the same chain on another song**. Files of the query's own song are passed over: its music cannot
help.

*among its instrument*: only files of the query's instrument are searched (`--where path=...`); *among all*: the whole
library. Cells: share of queries, in percent, with a 95 % bootstrap interval over the queries' songs; after the bar:
chance, the probability that a random order of the same candidates has at least one file of that chain among as many
places (hypergeometric, from the numbers of candidates and of files of that chain, mean over the queries).
{unheard}"""

UNHEARD = """
The model was trained on many of these recordings, under other chains. Rows *not trained on* are searched by songs that
it has never heard; what is found may be of any song.
"""


def rows_of(
    searches: Sequence[Search], files: Sequence[LibraryFile], seed: int, unheard: Collection[str] = ()
) -> dict[str, dict[str, Score]]:
    """Scores by what is searched by (an instrument, stems, mixes), then by scope.

    Args:
        searches: of all files.
        files: the library.
        seed: of the bootstrap.
        unheard: songs that the model was not trained on; queries of theirs have rows of their own.
    """
    by_path = {file.path: file for file in files}
    instruments = sorted({file.instrument for file in files} - {MIX})
    songs = {file.song for file in files}
    everywhere = {"all stems": set(instruments), "mixes": {MIX}}
    groups = {name: ({name}, songs) for name in instruments} | {n: (m, songs) for n, m in everywhere.items()}
    groups |= {f"{name}, songs not trained on": (members, set(unheard)) for name, members in everywhere.items()}
    found: dict[str, dict[str, Score]] = {}
    for name, (members, of) in groups.items():
        for scope in ("instrument", "all"):
            own = [
                s
                for s in searches
                if s.scope == scope and by_path[s.path].instrument in members and by_path[s.path].song in of
            ]
            if own:
                found.setdefault(name, {})[scope] = score(own, lambda path: by_path[path].song, seed)
    return found


def tables(scores: dict[str, dict[str, Score]]) -> str:
    """Both scopes, a row for each instrument."""
    parts = []
    for scope, title in (("instrument", "Among its instrument"), ("all", "Among all")):
        rows = [
            [name, str(s.queries), str(s.songs), *(f"{_cell(s, k)} | {s.chance[k]:.1f}" for k in CUTOFFS)]
            for name, own in scores.items()
            if (s := own.get(scope)) is not None
        ]
        head = ["searched by", "queries", "songs", *(f"first {k}" if k > 1 else "first hit" for k in CUTOFFS)]
        parts.append(f"## {title}\n\n{table(head, rows)}")
    return "\n\n".join(parts)


def _cell(found: Score, places: int) -> str:
    """A figure with its interval; the queries of one song alone have none."""
    figure = found.found[places]
    return str(figure) if found.songs > 1 else f"{figure.value:.1f}"


def speed(adding: Sequence[dict[str, float]], searches: Sequence[Search], seconds: float) -> tuple[str, dict[str, Any]]:
    """Times to add and to search, in words and as figures."""
    files, took = sum(one["files"] for one in adding), sum(one["seconds"] for one in adding)
    facts: dict[str, Any] = {}
    lines = []
    if files:
        facts["adding"] = {"files": files, "seconds": took, "files a second": files / took,
                           "times real time": files * seconds / took}  # fmt: skip
        lines.append(
            f"`fxlens index add` took {took:.0f} s for {files:.0f} files, start and loading included: "
            f"{files / took:.1f} files a second, {files * seconds / took:.0f} times real time."
        )
    whole = [s for s in searches if s.scope == "all"]
    kinds = {
        "embedding a query": [s.embed_seconds for s in whole],
        "a search among all": [s.search_seconds for s in whole],
        "a search among an instrument": [s.search_seconds for s in searches if s.scope != "all"],
    }
    for name, own in kinds.items():
        if own:
            median, most = 1000.0 * float(np.median(own)), 1000.0 * float(np.percentile(own, 99))
            facts[name] = {"median ms": median, "99 % ms": most}
            lines.append(f"{name[0].upper()}{name[1:]} took {median:.1f} ms (median; 99 %: {most:.1f} ms).")
    return "\n".join(lines), facts


def page(
    recordings: Sequence[Recording], files: Sequence[LibraryFile], scores: dict[str, dict[str, Score]],
    times: str, encoder: FxEncoder, sha256: str, arguments: argparse.Namespace,
) -> str:  # fmt: skip
    mixes = sum(one.instrument == MIX for one in recordings)
    head = INTRODUCTION.format(
        recordings=len(recordings), stems=len(recordings) - mixes, mixes=mixes, chains=arguments.chains,
        songs=len({one.song for one in recordings}), seconds=arguments.seconds, files=len(files), lufs=WORKING_LUFS,
        hours=len(files) * arguments.seconds / 3600.0,
        unheard=UNHEARD if any(name.endswith("not trained on") for name in scores) else "",
    )  # fmt: skip
    source = (
        f"Model {encoder.model_id}; fxlens {source_version()}; seed {arguments.seed}; manifest {sha256[:12]}; "
        f"{platform.machine()}, {os.cpu_count()} cores.\n\n    {command_line()}"
    )
    return f"{head}\n{tables(scores)}\n\n## Speed\n\n{times}\n\n{source}\n"


def told_scores(scores: dict[str, dict[str, Score]]) -> dict[str, Any]:
    """Scores as plain values."""
    return {
        name: {
            scope: {
                "queries": s.queries,
                "songs": s.songs,
                "found": {k: figure.told() for k, figure in s.found.items()},
                "chance": s.chance,
            }
            for scope, s in own.items()
        }
        for name, own in scores.items()
    }
