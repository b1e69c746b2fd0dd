"""The page on the commands is the one its tool writes, and the tool reads the commands as Typer does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from fxlens.cli import app

TOOLS = Path(__file__).parents[1] / "tools"

pytestmark = pytest.mark.skipif(not TOOLS.is_dir(), reason="tools are not here: tests of an sdist")


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import command_reference  # type: ignore[import-not-found]

    return command_reference


def test_the_committed_page_is_up_to_date(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(app), "run `python tools/command_reference.py`"


def test_commands_and_options_are_those_of_the_help(tool: ModuleType) -> None:
    found = tool.commands(app)
    assert {"fxlens embed", "fxlens index add", "fxlens import-official"} <= set(found)
    for name, command in found.items():
        shown = CliRunner().invoke(app, [*name.split()[1:], "--help"], env={"COLUMNS": "200"}).output
        options = set(re.findall(r"^\s+(?:(-\w)\b)?(?:, )?(--[\w-]+)?(?:(?:/| / )(--[\w-]+))?", shown, re.MULTILINE))
        listed = {option for group in options for option in group if option} - {"-h", "--help"}
        assert listed == set(command.option_values), name
        for entry in command.entries:
            assert entry.text, f"{name} {entry.names[0]} has no help"


def test_groups_are_listed_once_with_all_their_commands(tool: ModuleType) -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    words = set(re.findall(r"^  ([a-z][a-z-]*)\s{2,}\S", shown.split("Commands:")[1], re.MULTILINE))
    assert words == {name.split()[1] for name in tool.commands(app)}


def test_the_tool_needs_no_torch() -> None:
    code = "import sys; from command_reference import page; from fxlens.cli import app; page(app)"
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=TOOLS, check=True, timeout=60)
