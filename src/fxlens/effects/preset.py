"""The preset file: an effect chain as JSON.

The format is::

    {"format": "fxlens.chain/1", "processors": [
      {"type": "delay", "enabled": true, "parameters": {"time_ms": 120.0, "feedback": 0.0, "wet": 0.3}}]}

Parameters that are left out take neutral values, ``enabled`` is true unless it says otherwise. Unknown names,
values out of range and repeated keys are errors: that a setting was silently dropped cannot be heard.

A reverb has a room of the bank, or a recorded one: ``"ir"`` among its parameters is the room's name, in place of
``seed``, ``decay_seconds`` and ``damping``::

    {"type": "reverb", "parameters": {"ir": "halls/stage left.wav", "predelay_ms": 10.0, "wet": 0.3}}

The name is the path of a file below a folder of rooms, or as much of it as is unique there (``"stage left"``). The
folder itself is given to whoever reads the preset.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fxlens.effects.effect import Effect
from fxlens.errors import PresetError
from fxlens.whole_files import write_text

FORMAT = "fxlens.chain/1"


def write_preset(effects: Iterable[Effect]) -> str:
    """Write effects as JSON; numbers survive exactly."""
    listed = [{"type": effect.type, "enabled": effect.enabled, "parameters": _parameters(effect)} for effect in effects]
    return json.dumps({"format": FORMAT, "processors": listed}, indent=2)


def read_preset(text: str) -> tuple[Effect, ...]:
    """Read effects from JSON.

    Raises:
        PresetError: not JSON, not this format, or settings that :class:`Effect` refuses.
    """
    try:
        document = json.loads(text, object_pairs_hook=_without_repeats, parse_int=float)
    except (json.JSONDecodeError, RecursionError) as error:
        raise PresetError(f"the preset is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else None
        raise PresetError(f'the preset must be an object with "format": "{FORMAT}", not {found!r}')
    _only(document, {"format", "processors"}, "the preset")
    listed = document.get("processors")
    if not isinstance(listed, list):
        raise PresetError('the preset must have a list of "processors"')
    return tuple(_read_effect(position, entry) for position, entry in enumerate(listed, start=1))


def save_preset(effects: Iterable[Effect], path: Path) -> None:
    """Write a preset file that is either complete or not there.

    Raises:
        OutputError: the file cannot be written.
    """
    write_text(path, write_preset(effects) + "\n")


def load_preset(path: Path) -> tuple[Effect, ...]:
    """Read a preset file.

    Raises:
        PresetError: the file cannot be read, or is no preset; the message starts with its path.
    """
    try:
        return read_preset(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PresetError(f"{path}: the preset cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PresetError(f"{path}: the preset is not JSON: it is not UTF-8 text") from error
    except PresetError as error:
        raise PresetError(f"{path}: {error}") from error


def _parameters(effect: Effect) -> dict[str, Any]:
    room = {} if effect.ir is None else {"ir": effect.ir}
    return {**room, **effect.parameters}


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise PresetError(f"the preset says {key!r} twice in one object")
        found[key] = value
    return found


def _only(entry: dict[str, Any], known: set[str], owner: str) -> None:
    if unknown := sorted(set(entry) - known):
        raise PresetError(f"{owner} has unknown keys: {', '.join(unknown)}; known: {', '.join(sorted(known))}")


def _read_effect(position: int, entry: object) -> Effect:
    if not isinstance(entry, dict) or "type" not in entry:
        raise PresetError(f'processor {position} must be an object with a "type"')
    _only(entry, {"type", "enabled", "parameters"}, f"processor {position}")
    parameters = entry.get("parameters", {})
    ir = None
    if isinstance(parameters, dict) and "ir" in parameters:
        if parameters["ir"] is None:
            raise PresetError(f"processor {position}: ir must be the name of a recorded room; or leave it out")
        parameters = dict(parameters)
        ir = parameters.pop("ir")
    try:
        return Effect(entry["type"], entry.get("enabled", True), parameters, ir)
    except PresetError as error:
        raise PresetError(f"processor {position}: {error}") from error
