"""Markdown that scripts write: tables, where figures come from, and pieces put into a page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fxlens.evaluation.benchmark.recipe import Recipe
from fxlens.evaluation.results import SystemFacts
from fxlens.evaluation.source_version import source_version
from fxlens.whole_files import write_text

MODEL_PAGE = Path(__file__).parents[1] / "docs" / "model.md"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell would end it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def origin(recipe: Recipe, manifest_sha256: str, systems: Sequence[SystemFacts], command: str) -> str:
    """What a reader needs to get the figures again."""
    songs = "; ".join(f"{name}: {', '.join(own)}" for name, own in recipe.songs().items())
    identities = "; ".join(f"{facts.name} `{facts.identity}`" for facts in systems)
    s = recipe.settings
    return (
        f"Songs: {songs}.\n\nSeed {s.seed}; manifest {manifest_sha256[:12]}; {s.styles} styles, clips of "
        f"{s.seconds:g} s, {s.ranges} ranges. fxlens {source_version()}.\n\n"
        + (f"Systems: {identities}.\n\n" if identities else "")
        + f"    {command}"
    )


def write_page(path: Path, text: str, facts: Mapping[str, Any]) -> None:
    """Write a page and, beside it, its figures as JSON."""
    write_text(path, text.rstrip() + "\n")
    write_text(path.with_suffix(".json"), json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def put_into(page: Path, name: str, text: str) -> bool:
    """Replace what stands between ``<!-- benchmark: NAME -->`` and ``<!-- end of benchmark -->``.

    Returns:
        Whether the page is there and has that place.
    """
    if not page.is_file():
        return False
    old = page.read_text(encoding="utf-8")
    place = re.compile(rf"(<!-- benchmark: {re.escape(name)} -->\n).*?(<!-- end of benchmark -->)", re.DOTALL)
    if not place.search(old):
        return False
    write_text(page, place.sub(lambda match: f"{match[1]}\n{text.strip()}\n\n{match[2]}", old, count=1))
    return True
