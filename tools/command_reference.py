"""Write docs/commands.md: every command of the program with its arguments and options.

    python tools/command_reference.py

It is read from the declarations of the commands and not from what ``--help`` prints, which changes with Typer.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import ArgumentInfo, OptionInfo

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"

INTRODUCTION = """\
# Commands

<!-- Written by tools/command_reference.py: edit the commands' own help, not this page. -->

Inputs come first, `-o` names the output, `-m` the model, `-q` an instrument, `-d` the device, `-b` the batch size, `-j`
the number of jobs. Results go to stdout, all else to stderr. Files appear whole or not at all.

"""
_WORDS: dict[Any, str] = {Path: "PATH", str: "TEXT", int: "INT", float: "FLOAT"}


@dataclass(frozen=True)
class Entry:
    """An argument or an option of a command.

    Args:
        names: as it is typed: ``("-o", "--output")``; of an argument its name.
        value: what is given with it, nothing for a flag.
        text: its help, with the default.
        is_option: whether it is one.
        required: whether it must be given.
    """

    names: tuple[str, ...]
    value: str
    text: str
    is_option: bool
    required: bool


@dataclass(frozen=True)
class Command:
    """A command that can be run.

    Args:
        name: ``"fxlens index add"``.
        paragraphs: of its help.
        entries: arguments, then options.
    """

    name: str
    paragraphs: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def usage(self) -> str:
        """How it is called, with all that is required."""
        words = [self.name]
        for entry in self.entries:
            if not entry.is_option:
                words.append(entry.names[0] if entry.required else f"[{entry.names[0]}]")
            elif entry.required:
                words.append(f"{entry.names[0]} {entry.value}")
        return " ".join([*words, "[OPTIONS]"])

    @property
    def option_values(self) -> dict[str, str]:
        """Option, under each of its names, to what is given with it."""
        return {name: entry.value for entry in self.entries if entry.is_option for name in entry.names}


def commands(app: typer.Typer, prefix: str = "fxlens") -> dict[str, Command]:
    """All commands, by their full name."""
    return {command.name: command for command in _walk(app, prefix)}


def _walk(app: typer.Typer, prefix: str) -> Iterator[Command]:
    for info in app.registered_commands:
        if info.callback is not None and not info.hidden:
            yield describe(f"{prefix} {info.name or info.callback.__name__.replace('_', '-')}", info.callback)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        name = group.name if isinstance(group.name, str) else group.typer_instance.info.name
        yield from _walk(group.typer_instance, f"{prefix} {name}")


def describe(name: str, function: Callable[..., Any]) -> Command:
    """Read a command from the function behind it."""
    hints = typing.get_type_hints(function, include_extras=True)
    entries = []
    for parameter in inspect.signature(function).parameters.values():
        if typing.get_origin(hints[parameter.name]) is Annotated:
            kind, *notes = typing.get_args(hints[parameter.name])
            info = next(note for note in notes if isinstance(note, ArgumentInfo | OptionInfo))
            if not info.hidden:
                entries.append(_entry(parameter, kind, info))
    entries.sort(key=lambda entry: entry.is_option)  # stable: each kind in its own order
    return Command(name, tuple(_paragraphs(inspect.getdoc(function))), tuple(entries))


def _entry(parameter: inspect.Parameter, kind: Any, info: ArgumentInfo | OptionInfo) -> Entry:
    plain, several = _plain(kind)
    required = parameter.default is inspect.Parameter.empty
    text = " ".join([info.help or "", *_bounds(info), *_default(parameter.default, info)]).strip()
    if isinstance(info, ArgumentInfo):
        name = info.metavar or parameter.name.upper()
        return Entry((name if not several or name.endswith("...") else f"{name}...",), "", text, False, required)
    dashed = parameter.name.replace("_", "-")
    # Inside Annotated, Typer keeps the first name in the place of the default.
    given = tuple(word for word in (info.default, *(info.param_decls or ())) if isinstance(word, str))
    names = given or ((f"--{dashed}", f"--no-{dashed}") if plain is bool else (f"--{dashed}",))
    names = tuple(word for name in names for word in name.split("/"))
    names = tuple(sorted(names, key=lambda word: word.startswith("--")))  # stable: short ones first
    return Entry(names, "" if plain is bool else info.metavar or _word(plain), text, True, required)


def _plain(kind: Any) -> tuple[Any, bool]:
    """The type without None and list, and whether it was a list."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    return (typing.get_args(kind)[0], True) if typing.get_origin(kind) is list else (kind, False)


def _word(plain: Any) -> str:
    if isinstance(plain, type) and issubclass(plain, Enum):
        return "{" + ", ".join(str(member.value) for member in plain) + "}"
    return _WORDS[plain]


def _bounds(info: ArgumentInfo | OptionInfo) -> list[str]:
    if info.min is not None and info.max is not None:
        return [f"From {info.min:g} to {info.max:g}."]
    return [f"At least {info.min:g}."] if info.min is not None else []


def _default(default: Any, info: ArgumentInfo | OptionInfo) -> list[str]:
    if isinstance(info.show_default, str):
        return [f"Default: {info.show_default}."]
    if default is None or default is False or default == "" or default is inspect.Parameter.empty:
        return []
    value = default.value if isinstance(default, Enum) else default
    return ["On by default."] if value is True else [f"Default: {value}."]


def page(app: typer.Typer) -> str:
    """The page as Markdown."""
    found = commands(app)
    lines = [INTRODUCTION + "| command | |", "| --- | --- |"]
    for name, command in found.items():
        lines.append(f"| [`{name}`](#{name.replace(' ', '-')}) | {_cell(command.paragraphs[0])} |")
    assert app.registered_callback is not None and app.registered_callback.callback is not None
    lines += ["", *_table(describe("fxlens", app.registered_callback.callback)), *_paragraphs(app.info.epilog), ""]
    return "\n".join(lines + [section(command) for command in found.values()])


def section(command: Command) -> str:
    """One command: how it is called, what it does, what it takes."""
    lines = [f"## {command.name}", "", "```text", command.usage, "```", ""]
    for paragraph in command.paragraphs:
        lines += [_cell(paragraph), ""]
    return "\n".join(lines + _table(command))


def _paragraphs(text: str | None) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", (text or "").strip())]


def _table(command: Command) -> list[str]:
    if not command.entries:
        return []
    rows = [f"| `{', '.join(e.names)}{' ' * bool(e.value)}{e.value}` | {_cell(e.text)} |" for e in command.entries]
    return ["| | |", "| --- | --- |", *rows, ""]


def _cell(text: str) -> str:
    """Fit for Markdown: no bar that would end the cell; angle brackets and stars are meant as they are."""
    return re.sub(r"([|<*])", r"\\\1", " ".join(text.split()))


def main() -> None:
    """Rewrite the page."""
    from fxlens.cli import app

    PAGE.write_text(page(app), encoding="utf-8")


if __name__ == "__main__":
    main()
