"""``fxlens search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fxlens.cli import console
from fxlens.cli.model_option import Device, DeviceOption, ModelOption, load_model
from fxlens.errors import UsageError
from fxlens.index.conditions import moment_seconds, moment_text, pairs

if TYPE_CHECKING:
    from fxlens.index.ranking import Hit


def search(
    index: Annotated[Path, typer.Argument(help="Folder of the index.", metavar="INDEX")],
    references: Annotated[list[Path], typer.Argument(help="Recordings to search by.")],
    query: Annotated[
        list[str] | None,
        typer.Option("--query", "-q", help="The instrument meant: one for all references, or one for each."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(help="Only the moment of the reference that begins here, e.g. 1:12; one for each reference."),
    ] = None,
    weight: Annotated[
        list[float] | None,
        typer.Option("--weight", "-w", help="Of each reference; negative searches away from it.", show_default="1"),
    ] = None,
    count: Annotated[int, typer.Option("-k", help="Recordings wanted.")] = 10,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Only files with this tag, song or path (* stands for anything), or min_seconds, "
            "max_seconds; may be repeated.",
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find recordings that sound most like the references: those with similar effects, whatever music they hold.

    The table says where in each recording to listen.
    """
    conditions = pairs(where, "--where")
    queries = _for_each(query or [], len(references), "--query", None)
    moments = _for_each([moment_seconds(text) for text in at or ()], len(references), "--at", None)
    weights = _for_each(list(weight or ()), len(references), "--weight", 1.0)

    from fxlens.index.fx_index import FxIndex

    with FxIndex.open(index) as opened:
        encoder = load_model(model if model is not None else opened.model, device)
        wanted = [
            opened.reference(file, encoder, one or None, share, at_seconds=moment)
            for file, one, share, moment in zip(references, queries, weights, moments, strict=True)
            if share is not None
        ]
        hits = opened.search(wanted, k=count, where=conditions)
    if as_json:
        console.result_of({"model": encoder.model_id, "hits": [_json(hit) for hit in hits]}, True)
        return
    if not hits:
        console.say("nothing was found: no recording meets the conditions, or none has all the instruments")
    for line in _table(hits):
        console.result(line)


def _for_each(given: list, count: int, option: str, absent: object) -> list:
    """One value for all references, or one for each."""
    if len(given) not in (0, 1, count):
        raise UsageError(f"{option} is given {len(given)} times for {count} references; give it once, or once for each")
    return (given or [absent]) * (count if len(given) <= 1 else 1)


def _table(hits: list[Hit]) -> list[str]:
    rows = [("", "cosine", "listen at", "recording")]
    for place, hit in enumerate(hits, start=1):
        listen = ", ".join(
            f"{moment.query + ' ' if moment.query else ''}{moment_text(moment.start)}" for moment in hit.moments
        )
        rows.append((str(place), f"{hit.similarity:.3f}", listen, hit.path))
    width = [max(len(row[k]) for row in rows) for k in range(3)]
    return [f"{a:>{width[0]}}  {b:>{width[1]}}  {c:<{width[2]}}  {d}" for a, b, c, d in rows]


def _json(hit: Hit) -> dict:
    return {
        "path": hit.path,
        "song": hit.song,
        "similarity": round(hit.similarity, 6),
        "moments": [
            {"query": m.query, "start": m.start, "end": m.end, "similarity": round(m.similarity, 6)}
            for m in hit.moments
        ],
        "tags": dict(hit.tags),
    }
