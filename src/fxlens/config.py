"""YAML to frozen dataclasses and back. A key nobody knows is an error, never silently ignored.

A configuration is a frozen dataclass whose fields are ``bool``, ``int``, ``float``, ``str``, ``Path``,
``Literal``, other dataclasses, and ``tuple``, ``list``, ``dict[str, ...]``, ``X | None`` of these. Defaults
live in the dataclass only, so a file holds what differs from them; :func:`dump` writes every value, so a run
can be repeated after the defaults have moved.

A file may begin with ``extends: other.yaml``, a path beside it, and then holds what differs from that file. Mappings
are laid over each other key by key; ``null`` in place of a mapping takes away what the other file says of it.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Optimizer:
...     rate: float = 1e-4
>>> from_dict(Optimizer, {"rate": 1})
Optimizer(rate=1.0)
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from fxlens.errors import ConfigError
from fxlens.whole_files import write_text

T = TypeVar("T")

EXTENDS = "extends"
"""Key of the file that a file is laid over; no configuration has a setting of that name."""


def load(cls: type[T], path: str | Path, overrides: Iterable[str] = ()) -> T:
    """Read a YAML file into ``cls``.

    Args:
        cls: a dataclass.
        path: the file; an empty one means all defaults.
        overrides: ``"a.b=3"`` each, applied in order after the file; the value is read as YAML.

    Raises:
        ConfigError: no such file, broken YAML, a key that does not exist or a value of the wrong type. The
            message starts with the path and names the dotted key.
    """
    path = Path(path)
    data = _read(path, ())
    try:
        return from_dict(cls, override(data, overrides))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def dump(obj: Any, path: str | Path) -> None:
    """Write a dataclass as YAML; readers see the old file or the new one, never half of it.

    Raises:
        OutputError: the folder cannot be written.
    """
    import yaml

    write_text(path, yaml.safe_dump(to_dict(obj), sort_keys=False, allow_unicode=True))


def to_dict(obj: Any) -> Any:
    """Turn a dataclass into plain dicts, lists, numbers and strings, ready for YAML or JSON."""
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        return {f.name: to_dict(getattr(obj, f.name)) for f in dataclasses.fields(obj) if f.init}
    if isinstance(obj, Mapping):
        return {str(key): to_dict(value) for key, value in obj.items()}
    if isinstance(obj, tuple | list):
        return [to_dict(value) for value in obj]
    return str(obj) if isinstance(obj, Path) else obj


def from_dict(cls: type[T], data: Mapping[str, Any], where: str = "") -> T:
    """Build a dataclass from plain values.

    Args:
        cls: a dataclass.
        data: what :func:`to_dict` returns; missing keys take the defaults of ``cls``.
        where: dotted key of ``data`` itself, for messages.

    Raises:
        ConfigError: unknown key, wrong type, missing value, or a value that ``cls`` itself refuses.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where or cls.__name__} must be a mapping, not {_describe(data)}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in fields:
            raise ConfigError(_unknown(where, str(key), fields))
        values[key] = _convert(hints[key], value, _join(where, key))
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise ConfigError(f"{_join(where, name)} is missing; it has no default")
    try:
        return cls(**values)
    except (ConfigError, ValueError) as error:  # the dataclass's own __post_init__
        raise ConfigError(f"{where}: {error}" if where else str(error)) from error


def override(data: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Return a copy of nested ``data`` with ``"a.b=3"`` assignments applied; values are read as YAML.

    Raises:
        ConfigError: an assignment without ``=``, with broken YAML, or that goes through a value that is no
            mapping.
    """
    result = _copy(data)
    for assignment in assignments:
        dotted, equals, text = assignment.partition("=")
        keys = dotted.strip().split(".")
        if not equals or not all(keys):
            raise ConfigError(f"{assignment!r} is not of the form key=value or part.key=value")
        node = result
        for depth, key in enumerate(keys[:-1]):
            child = node.setdefault(key, {})
            if child is None:
                child = node[key] = {}
            if not isinstance(child, dict):
                held = ".".join(keys[: depth + 1])
                raise ConfigError(f"{dotted} cannot be set: {held} holds {_describe(child)}; set it as a whole")
            node = child
        try:
            node[keys[-1]] = _parse(text)
        except ConfigError as error:
            raise ConfigError(f"{assignment!r}: {error}") from None
    return result


def read(path: str | Path) -> dict[str, Any]:
    """Values of a file as they are written, laid over those of the files that it extends.

    Raises:
        ConfigError: it cannot be read.
    """
    return _read(Path(path), ())


def _read(path: Path, from_files: tuple[Path, ...]) -> dict[str, Any]:
    """Read a file, laid over those that it extends; ``from_files`` extend it."""
    if path.resolve() in from_files:
        raise ConfigError(f"{path}: {EXTENDS} goes in a circle: {' -> '.join(p.name for p in (*from_files, path))}")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text ({error})") from error
    try:
        data = _parse(text)
        if data is None:
            data = {}
        if not isinstance(data, dict):
            raise ConfigError(f"expected 'key: value' lines, found {_describe(data)}")
        below = data.pop(EXTENDS, None)
        if below is None:
            return data
        if not isinstance(below, str):
            raise ConfigError(f"{EXTENDS} must name a file beside this one, not {_describe(below)}")
        return _laid_over(_read(path.parent / below, (*from_files, path.resolve())), data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = _copy(below)
    for key, value in above.items():
        old = result.get(key)
        if not isinstance(old, dict):
            result[key] = value
        elif isinstance(value, Mapping):
            result[key] = _laid_over(old, value)
        elif value is None:
            del result[key]
        else:
            result[key] = value
    return result


def _convert(kind: Any, value: Any, where: str) -> Any:
    """Check one value against a type hint, converting where nothing is lost: 1 to 1.0, list to tuple."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_dict(kind, value, where)
    if origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in args):
            choices = ", ".join(str(choice) for choice in args)
            raise ConfigError(f"{where} must be one of {choices}, not {_describe(value)}{_nearest(value, args)}")
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(args, value, where)
    if origin is tuple or kind is tuple:
        return _convert_tuple(args, value, where)
    if origin in (list, Sequence) or kind is list:
        return list(_convert_tuple((args[0] if args else Any, ...), value, where))
    if origin in (dict, Mapping) or kind is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a mapping, not {_describe(value)}")
        inner = args[1] if args else Any
        return {str(key): _convert(inner, item, _join(where, str(key))) for key, item in value.items()}
    return _convert_scalar(kind, value, where)


def _convert_scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is type(None):
        if value is None:
            return None
        raise ConfigError(f"{where} must be null, not {_describe(value)}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)  # 1e6 is a float to YAML
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind in (bool, int, float, str) and type(value) is kind:
        return value
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
    raise ConfigError(f"{where} must be {words.get(kind, kind)}, not {_describe(value)}")


def _convert_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    exact = [kind for kind in kinds if isinstance(kind, type) and type(value) is kind]
    others = [kind for kind in kinds if kind is not type(None)]
    problems: list[str] = []
    for kind in exact or others:
        try:
            return _convert(kind, value, where)
        except ConfigError as error:
            problems.append(str(error))
    raise ConfigError(", or ".join(dict.fromkeys(problems)))


def _convert_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} must be a list, not {_describe(value)}")
    if not kinds:
        return tuple(value)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ConfigError(f"{where} must have {len(kinds)} entries, not {len(value)}")
    pairs = enumerate(zip(kinds, value, strict=True))
    return tuple(_convert(kind, item, f"{where}[{index}]") for index, (kind, item) in pairs)


def _parse(text: str) -> Any:
    """Read YAML; a key given twice is an error, and ``1e-4`` is a number (YAML 1.1 calls it text)."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if key_node.tag != "tag:yaml.org,2002:merge" and str(key) in seen:
                    raise ConfigError(f"key {key!r} is given twice (line {key_node.start_mark.line + 1})")
                seen.add(str(key))
            return super().construct_mapping(node, deep=deep)

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
    )
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise ConfigError(f"{place}not valid YAML ({getattr(error, 'problem', None) or error})") from error


def _copy(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in data.items()}


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _unknown(where: str, key: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    if near:
        return f"{_join(where, key)} is no setting; did you mean {_join(where, near[0])}?"
    return f"{_join(where, key)} is no setting; {where or 'the top level'} has: {', '.join(names) or 'none'}"


def _nearest(value: Any, choices: tuple[Any, ...]) -> str:
    near = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    return f"a list of {len(value)}" if isinstance(value, list | tuple) else f"{value!r}"
