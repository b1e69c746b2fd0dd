"""A hook of the documentation site: cross-references in docstrings, as in :class:`X`, are shown as plain names."""

from __future__ import annotations

import re
from typing import Any

_ROLE = re.compile(r":(?:class|meth|func|mod|attr|data|exc):<code>~?(?:fxlens\.[\w.]*\.)?([^<]*)</code>")


def on_page_content(html: str, **_: Any) -> str:
    """Called by MkDocs with each page's HTML."""
    return _ROLE.sub(r"<code>\1</code>", html)
