"""The scripts of ``tools`` as modules."""

from __future__ import annotations

from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the scripts, which import each other; skips where tests were unpacked without it."""
    if not TOOLS.is_dir():
        pytest.skip("tools are not here: tests of an sdist")
    monkeypatch.syspath_prepend(str(TOOLS))
    return TOOLS
