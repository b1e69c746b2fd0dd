"""Which files visitors may name: those that were dropped on the page, and nothing else.

Gradio takes a path from whoever sends one, and checks it only in servers that it has launched itself, which a mounted
page is not. And it fetches what is no path but an address.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from fxlens.errors import UsageError


def only_dropped(page: gr.Blocks, folder: Path) -> None:
    """Let the page's components take files from ``folder`` alone.

    Args:
        page: finished; its components are changed.
        folder: where uploads to the page lie.
    """
    place = folder.resolve()

    def taken(named: str | Path | None) -> str | None:
        if named is None:
            return None
        path = Path(named).resolve()
        if place not in path.parents or not path.is_file():
            raise UsageError("only files that were dropped on this page can be used; drop the file again")
        return str(path)

    async def taken_later(named: str | Path | None) -> str | None:
        return taken(named)

    component: Any
    for component in page.blocks.values():
        component.move_resource_to_block_cache = taken
        component.async_move_resource_to_block_cache = taken_later
    page.has_launched = True  # then Gradio's own check is made, too
