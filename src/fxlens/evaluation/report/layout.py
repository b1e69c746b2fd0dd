"""Which results stand where: the paper's tables 2 and 3, single effects, sensitivity, parameter matching.

Results of different origins (songs, settings, seed) are never in one table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fxlens.evaluation.benchmark.retrieval import METRICS, PRIMARY
from fxlens.evaluation.benchmark.scoring import ISOLATED, MEAN
from fxlens.evaluation.report.table import Row, Table
from fxlens.evaluation.results import Origin, Result
from fxlens.evaluation.sensitivity.evaluate import ALL

PROTOCOLS = {
    "extraction": "one instrument inside mixtures, as the paper has it (all chains shared)",
    "extraction-controlled": "one instrument inside mixtures, controlled (only its own chain shared)",
}
_INTERVAL = "95 % bootstrap interval over styles of"
_MOST_SONGS = 6
_ROWS = ("oracle stem", "separated", "audio query", "text query", "no query")
_PAPER = {
    "oracle stem": "oracle stem",
    "audio query": "E(x, q_audio)",
    "text query": "E(x, q_text)",
    "no query": "E(x), no query",
}


def tables_of(results: Sequence[Result]) -> list[Table]:
    """Every table that the results can fill."""
    made: list[Table] = []
    for build in (_table2, _table3, _single_effects, _sensitivity, _matching):
        made += build(results)
    names: dict[str, int] = {}
    unique = []
    for table in made:  # a second origin gets a number
        names[table.name] = names.get(table.name, 0) + 1
        number = names[table.name]
        unique.append(table if number == 1 else replace(table, name=f"{table.name}-{number}"))
    return unique


def whole_pool(results: Iterable[Result]) -> str:
    """The pool that tables show: the mean over numbers of effects, otherwise the balanced one."""
    labels = [r.pool for r in results if " of " not in r.pool and not r.pool.endswith(" only")]
    return MEAN if MEAN in labels else labels[0] if labels else ""


def by_origin(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Results of each origin, in the order of their first appearance."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.origin.key, []).append(result)
    return groups


def provenance(results: Sequence[Result]) -> tuple[str, ...]:
    """What a reader needs to get the figures of one origin again."""
    origin = results[0].origin
    lines = ["Songs: " + "; ".join(f"{name}: {', '.join(own)}" for name, own in origin.songs.items()) + "."]
    lines.append(f"Seed {origin.seed}; manifest {origin.manifest_sha256[:12]}; settings {_settings(origin)}.")
    versions = dict.fromkeys(r.origin.version for r in results)
    lines.append(f"fxlens {', '.join(versions)}.")
    identities = dict.fromkeys(f"{r.system.name} `{r.system.identity}`" for r in results if r.system.is_there)
    lines.append(f"Systems: {'; '.join(identities)}.")
    lines += [f"    {command}" for command in dict.fromkeys(r.origin.command for r in results) if command]
    return tuple(line for paragraph in lines for line in (paragraph, ""))


def _settings(origin: Origin) -> str:
    told = {k: v for k, v in origin.settings.items() if k not in ("instruments", "pools", "types")}
    return json.dumps(told, ensure_ascii=False)[1:-1].replace('"', "")


def _chance(results: Sequence[Result]) -> str:
    found = next((r for r in results if r.chance and r.missing is None), None)
    if found is None:
        return ""
    told = ", ".join(f"{name} {found.chance[name]:.1f}" for name in METRICS if name in found.chance)
    size = found.counts
    return (
        f"Chance: {told}; {size.get('candidates', 0)} candidates, {size.get('styles', 0)} queries each way, in percent."
    )


def _rows(
    results: Sequence[Result], label: Callable[[Result], tuple[str, ...]], column: Callable[[Result], str]
) -> tuple[Row, ...]:
    rows: dict[tuple[str, ...], dict[str, Result]] = {}
    for result in results:
        rows.setdefault(label(result), {})[column(result)] = result
    return tuple(Row(labels, cells) for labels, cells in rows.items())


def _columns(results: Iterable[Result]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r.instrument for r in results))


def _table2(results: Sequence[Result]) -> list[Table]:
    made = []
    for own in by_origin(r for r in results if r.protocol == "retrieval").values():
        pool = whole_pool(own)
        shown = [r for r in own if r.pool == pool]
        if not shown:
            continue
        extra = _distances(results, own[0].origin)
        more = " (L_d of matching)" if extra else ""
        notes = (
            f"Cells: {' / '.join(METRICS)}{more}, in percent; brackets: {_INTERVAL} {PRIMARY}. "
            f"Effects: {'mean over ' + ', '.join(_pools(own)) if pool == MEAN else pool}. {_chance(shown)}",
            "",
            *_songs(shown),
            *provenance(shown),
        )
        rows = _rows(shown, lambda r: (r.system.name,), lambda r: r.instrument)
        made.append(
            Table("table2", "Retrieval of effects among other songs", ("system",), _columns(shown), rows, METRICS,
                  PRIMARY, notes, extra=extra)
        )  # fmt: skip
    return made


def _songs(results: Sequence[Result]) -> list[str]:
    """A line for each system: its primary figure for the queries of each song."""
    lines = []
    for system in dict.fromkeys(r.system.name for r in results):
        told = []
        for result in (r for r in results if r.system.name == system and PRIMARY in r.per_song):
            by_song = result.per_song[PRIMARY]
            if len(by_song) <= _MOST_SONGS:
                told.append(f"{result.instrument} " + ", ".join(f"{v:.1f} ({song})" for song, v in by_song.items()))
            else:
                low, high = min(by_song.values()), max(by_song.values())
                told.append(f"{result.instrument} {low:.1f} to {high:.1f} over {len(by_song)} songs")
        if told:
            lines += [f"{PRIMARY} by song of the query, {system}: {'; '.join(told)}.", ""]
    return lines


def _pools(results: Sequence[Result]) -> list[str]:
    labels = dict.fromkeys(r.pool for r in results)
    return [pool for pool in labels if pool != MEAN and " of " not in pool and not pool.endswith(" only")]


def _distances(results: Sequence[Result], origin: Origin) -> dict[tuple[str, ...], dict[str, str]]:
    """L_d by system and instrument, of the same songs; references of other content, as the paper has them."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for r in results:
        same = r.protocol == "matching" and r.origin.manifest_sha256 == origin.manifest_sha256
        if same and "L_d" in r.metrics and "same" not in f"{r.column} {r.pool}":
            found.setdefault((r.system.name,), {})[r.instrument] = f"{r.metrics['L_d']:.2f}"
    return found


def _table3(results: Sequence[Result]) -> list[Table]:
    made = []
    for protocol, title in PROTOCOLS.items():
        for own in by_origin(r for r in results if r.protocol == protocol).values():
            pool = whole_pool(own)
            shown = [r for r in own if r.pool == pool]
            order = [*_ROWS, *(row + ISOLATED for row in _ROWS)]
            shown.sort(key=lambda r: order.index(r.column))  # stable: systems keep their order
            if not shown:
                continue
            notes = (
                f"Cells: {' / '.join(METRICS)}, in percent; brackets: {_INTERVAL} {PRIMARY}. "
                f"Effects: {pool if pool != MEAN else 'mean over ' + ', '.join(_pools(own))}. {_chance(shown)}",
                "",
                *provenance(shown),
            )
            name = "table3" if protocol == "extraction" else "table3-controlled"
            rows = tuple(row for row in _rows(shown, lambda r: (_what(r), r.system.name), lambda r: r.instrument)
                         if _belongs(row))  # fmt: skip
            made.append(
                Table(name, title[0].upper() + title[1:], ("what is searched", "system"), _columns(shown), rows,
                      METRICS, PRIMARY, notes, mean=True)
            )  # fmt: skip
    return made


def _belongs(row: Row) -> bool:
    """One dash a system is enough: not for every way of asking what it cannot be asked."""
    cells = list(row.cells.values())
    if any(cell.missing is None for cell in cells):
        return True
    return cells[0].column in ("separated", "text query")


def _what(result: Result) -> str:
    column = result.column.removesuffix(ISOLATED)
    ending = result.column[len(column) :]
    if column == "separated":
        return ("USS(m)" if result.system.spec.startswith("uss") else "MSS(m)") + ending
    return _PAPER.get(column, column) + ending


def _single_effects(results: Sequence[Result]) -> list[Table]:
    made = []
    for own in by_origin(r for r in results if r.protocol == "retrieval" and r.pool.endswith(" only")).values():
        notes = (
            f"Chains of one effect only. Cells: R@1 / {PRIMARY} in percent; brackets: {_INTERVAL} {PRIMARY}. A gain "
            f"alone is no effect: loudness normalisation takes it back. {_chance(own)}",
            "",
            *provenance(own),
        )
        rows = _rows(own, lambda r: (r.pool.removesuffix(" only"), r.system.name), lambda r: r.instrument)
        made.append(
            Table("single-effects", "Single effects", ("effect", "system"), _columns(own), rows, ("R@1", PRIMARY),
                  PRIMARY, notes)
        )  # fmt: skip
    return made


def _sensitivity(results: Sequence[Result]) -> list[Table]:
    made = []
    for own in by_origin(r for r in results if r.protocol == "sensitivity").values():
        notes = (
            "Spearman's correlation of the step of one parameter with the distance of the embeddings, mean over bases "
            "with its 95 % bootstrap interval; 1: the embedding orders all steps, 0: chance.",
            "",
            *provenance(own),
        )
        rows = _rows(own, lambda r: (r.instrument, r.pool), lambda r: r.system.name)
        systems = tuple(dict.fromkeys(r.system.name for r in own))
        summary = tuple(Row(row.labels[:1], row.cells) for row in rows if row.labels[1] == ALL)
        made.append(Table("sensitivity", "Sensitivity to one parameter", ("effect",), systems, summary, ("rho",),
                          "rho", notes, digits=2))  # fmt: skip
        made.append(Table("sensitivity-parameters", "Sensitivity, every parameter", ("effect", "parameter"), systems,
                          rows, ("rho",), "rho", notes, digits=2))  # fmt: skip
    return made


def _matching(results: Sequence[Result]) -> list[Table]:
    made = []
    for own in by_origin(r for r in results if r.protocol == "matching").values():
        notes = (
            "L_d: multi-resolution STFT loss between result and target, smaller is better; brackets: 95 % bootstrap "
            "interval over triplets.",
            "",
            *provenance(own),
        )
        rows = _rows(own, lambda r: (r.column or r.pool or "matched", r.system.name), lambda r: r.instrument)
        made.append(Table("matching", "Parameter matching", ("reference", "system"), _columns(own), rows, ("L_d",),
                          "L_d", notes, digits=2))  # fmt: skip
    return made
