"""Every fxlens command line in README and docs is one the program takes: its command, its options, what it requires."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from fxlens.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

pytestmark = pytest.mark.skipif(not (ROOT / "tools").is_dir(), reason="tools and docs are not here: tests of an sdist")


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import command_reference  # type: ignore[import-not-found]

    return command_reference


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and content of the fenced blocks."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def fenced(text: str) -> Iterator[str]:
    """The fxlens calls in fenced blocks, continued lines joined, without prompt and comment."""
    for language, block in blocks(text):
        if language not in ("", "sh", "bash", "console"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            for call in re.split(r"(?:\s{2,}|&&|;|\$ )(?=fxlens )", line.strip()):
                if call.startswith("fxlens "):
                    yield re.split(r"\s[|>]|\s&&", call)[0]


def problem(call: str, tool: ModuleType, whole: bool = True) -> str | None:
    """What is wrong with a call; of one in running text (not ``whole``) only names are looked at."""
    words = shlex.split(call, comments=True)
    if len(words) > 1 and words[1] in ("--help", "-h", "--version"):
        return None
    found = tool.commands(app)
    place = next((k for k in (3, 2) if " ".join(words[:k]) in found), None)
    if place is None:
        group = " ".join(words[:2])
        known = not whole and len(words) == 2 and any(name.startswith(f"{group} ") for name in found)
        return None if known else f"no such command: {group}"
    command = found[" ".join(words[:place])]
    given, arguments, rest = set(), 0, iter(words[place:])
    for word in rest:
        if not re.match(r"--?[a-zA-Z]", word):
            arguments += 1
            continue
        name = word.split("=")[0]
        if name not in command.option_values:
            return f"{command.name} has no option {name}"
        given.add(name)
        if command.option_values[name] and "=" not in word and next(rest, None) is None:
            return f"{command.name}: {name} without a value"
    if not whole:
        return None
    required = [entry for entry in command.entries if entry.required]
    missing = [entry.names[0] for entry in required if entry.is_option and not given & set(entry.names)]
    if missing:
        return f"{command.name}: {', '.join(missing)} is missing"
    fewest = sum(not entry.is_option for entry in required)
    return None if arguments >= fewest else f"{command.name} takes {fewest} arguments, here are {arguments}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_calls_in_code_blocks(page: Path, tool: ModuleType) -> None:
    wrong = {call: problem(call, tool) for call in fenced(page.read_text(encoding="utf-8"))}
    assert not {call: reason for call, reason in wrong.items() if reason}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_in_running_text(page: Path, tool: ModuleType) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    calls = [" ".join(call.split()) for call in re.findall(r"`(fxlens [a-z][^`]*)`", text)]
    wrong = {call: problem(call, tool, whole=False) for call in calls}
    assert not {call: reason for call, reason in wrong.items() if reason}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_import_what_there_is(page: Path) -> None:
    for language, block in blocks(page.read_text(encoding="utf-8")):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(block)):  # a block that is no Python raises here
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fxlens":
                module = importlib.import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_extras_exist(page: Path) -> None:
    section = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[project.optional-dependencies]")[1]
    there = set(re.findall(r"^([a-z]+) = \[", section.split("\n[")[0], re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = {name for names in re.findall(r"fxlens\[([a-z,]+)\]", text) for name in names.split(",")}
    assert named <= there


def test_every_page_is_in_the_navigation() -> None:
    def files(part: object) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            yield from files(below)

    named = list(files(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    assert len(named) == len(set(named))
    there = {path.relative_to(ROOT / "docs").as_posix() for path in PAGES if path.parent != ROOT}
    assert set(named) == there


def test_wrong_calls_would_be_noticed(tool: ModuleType) -> None:
    block = "```python\nx = 1\n```\n```text\nfxlens nothing\n```\n"
    block += "```sh\n$ fxlens embed a.wav \\\n  -o x.npz  # all\nfxlens info a.wav      fxlens models\n```\n"
    assert [shlex.split(call, comments=True) for call in fenced(block)] == [
        ["fxlens", "embed", "a.wav", "-o", "x.npz"], ["fxlens", "info", "a.wav"], ["fxlens", "models"],
    ]  # fmt: skip
    assert problem("fxlens embed a.wav -o x.npz --pool=none", tool) is None
    for call, reason in {
        "fxlens embd a.wav": "no such command",
        "fxlens index": "no such command",
        "fxlens embed a.wav -o x.npz --fast": "no option --fast",
        "fxlens embed a.wav": "-o is missing",
        "fxlens embed -o x.npz": "takes 1 arguments",
        "fxlens embed a.wav -o": "without a value",
    }.items():
        assert reason in (problem(call, tool) or ""), call
