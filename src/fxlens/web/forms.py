"""What a form may hold: declared once, for whoever reads it and for the interface's description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fxlens.errors import UsageError

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class FormField:
    """One field of a form.

    Args:
        name: as it is sent.
        description: what it means, for people.
        file: whether it holds files instead of text.
        many: whether it may be repeated.
        required: whether it must be there.
        values: the only texts it may hold; any if empty.
        default: what is taken where it is left out, for people.
    """

    name: str
    description: str
    file: bool = False
    many: bool = False
    required: bool = False
    values: tuple[str, ...] = ()
    default: str = ""

    def schema(self) -> dict[str, Any]:
        """JSON Schema of its value."""
        one: dict[str, Any] = {"type": "string"}
        if self.file:
            one["format"] = "binary"
        if self.values:
            one["enum"] = list(self.values)
        described = {"description": self.description} | ({"default": self.default} if self.default else {})
        return {"type": "array", "items": one, **described} if self.many else {**one, **described}


@dataclass(frozen=True)
class FormSpec:
    """The fields of a form."""

    fields: tuple[FormField, ...]

    def named(self, name: str) -> FormField:
        """Look a field up.

        Raises:
            UsageError: there is none; the message lists those there are.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise UsageError(f"there is no field {name!r}; there are: {', '.join(f.name for f in self.fields)}")

    def body(self) -> dict[str, Any]:
        """The request body, for OpenAPI."""
        schema: dict[str, Any] = {"type": "object", "properties": {f.name: f.schema() for f in self.fields}}
        required = [field.name for field in self.fields if field.required]
        if required:
            schema["required"] = required
        return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@dataclass(frozen=True)
class Upload:
    """A file that was sent.

    Args:
        path: where it lies.
        name: what the sender calls it.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class Form:
    """A form that was received; every value is checked against its spec.

    Args:
        texts: field -> what was sent, in order.
        files: field -> files, in order.
    """

    texts: dict[str, list[str]]
    files: dict[str, list[Upload]]

    def text(self, name: str) -> str | None:
        """The value of a field, None where it was left out or left empty."""
        return next(iter(self.every(name)), None)

    def every(self, name: str) -> list[str]:
        """All values of a field that are not empty, without the spaces around them."""
        return [text.strip() for text in self.texts.get(name, ()) if text.strip()]

    def number(self, name: str, kind: Callable[[str], Number], default: Number) -> Number:
        """A number.

        Raises:
            UsageError: it is none.
        """
        text = self.text(name)
        return default if text is None else number(text, name, kind)

    def for_each(self, name: str, files: int, default: Any, read: Callable[[str], Any]) -> list[Any]:
        """One value for each of some files: all given, one for all of them, or none.

        Raises:
            UsageError: another number of values.
        """
        given = [read(text) if text.strip() else default for text in self.texts.get(name, ())]
        if len(given) not in (0, 1, files):
            raise UsageError(f"{name} is given {len(given)} times for {files} files; give it once, or once for each")
        return (given or [default]) * (files if len(given) <= 1 else 1)


def number(text: str, name: str, kind: Callable[[str], Number]) -> Number:
    """Read a number.

    Raises:
        UsageError: it is none.
    """
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"{name} must be {what}, not {text!r}") from None
