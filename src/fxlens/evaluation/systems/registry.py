"""Systems by name, as they are written on a command line: ``"fxlens"``, ``"panns:FILE"``, ``"spleeter+fxlens"``.

A system's module, and what it needs from outside, is loaded when the system is asked for and no sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from fxlens.errors import UsageError
from fxlens.evaluation.separators.registry import known_separators, open_separator
from fxlens.evaluation.systems.system import System

_HERE = "fxlens.evaluation.systems"


@dataclass(frozen=True)
class _Entry:
    """``place`` is what follows the colon: ``None`` nothing may, ``"?NAME"`` it may be left out."""

    place: str | None
    module: str
    function: str
    help: str

    def form(self, name: str) -> str:
        if self.place is None:
            return name
        return f"{name}[:{self.place[1:]}]" if self.place.startswith("?") else f"{name}:{self.place}"


_SYSTEMS = {
    "fxlens": _Entry("?MODEL", "fxlens_system", "open_fxlens", "an fxlens model: the shipped one, a folder, a name"),
    "untrained": _Entry("?MODEL", "fxlens_system", "open_untrained", "the same network with fresh weights"),
    "random-projection": _Entry(None, "random_projection", "open_random_projection", "log-mel times a random matrix"),
    "hand-made": _Entry(None, "hand_made", "open_hand_made", "140 measurements, standardised on training pairs"),
    "hand-made-wccn": _Entry(
        None, "hand_made", "open_hand_made_wccn", "the same with within-class covariance normalisation"
    ),
    "musicnn": _Entry("?WHEEL", "musicnn", "open_musicnn", "music tagger, weights inside its PyPI wheel (ISC)"),
    "cdpam": _Entry("?WHEEL", "cdpam", "open_cdpam", "perceptual metric, weights inside its PyPI wheel (MIT)"),
    "clap": _Entry("FOLDER", "clap", "open_clap", "CLAP as transformers saves it"),
    "panns": _Entry("FILE", "panns", "open_panns", "PANN Cnn14: Cnn14_mAP=0.431.pth"),
    "vggish": _Entry("FILE", "vggish", "open_vggish", "VGGish: vggish-10086976.pth"),
    "fx-encoder": _Entry("FILE", "music_fx_encoder", "open_fx_encoder", "FX-Encoder: FXencoder_ps.pt"),
    "afx-rep": _Entry("FILE", "afx_rep", "open_afx_rep", "AFx-Rep of ST-ITO: afx-rep.ckpt"),
    "fx-encoder-plusplus": _Entry(
        "FILE", "fxlens_system", "open_official", "the public Fx-Encoder++: fxenc_plusplus_default.pt"
    ),
}


def known_systems() -> dict[str, str]:
    """Every form of spec with one line of help, in the order of tables."""
    forms = {entry.form(name): entry.help for name, entry in _SYSTEMS.items()}
    forms |= {f"{form}+SYSTEM": f"separate, then embed: {text}" for form, text in known_separators().items()}
    return forms


def open_system(spec: str, device: str = "cpu") -> System:
    """Build the system that a spec names, ready to embed (a :class:`FittedSystem`: ready to be fitted).

    Args:
        spec: see :func:`known_systems`, e.g. ``"fxlens"``, ``"fxlens:models/mine"``, ``"spleeter+fxlens"``.
        device: where networks run, as torch names it.

    Raises:
        UsageError: no such system, or a spec that lacks its file.
        ModelUnavailableError: the weights are not there or do not fit; the message says where to get them.
        MissingExtraError: an optional dependency is not installed.
    """
    separated = _split_separator(spec)
    if separated is not None:
        from fxlens.evaluation.systems.separate_then_embed import separate_then_embed

        separator, system = separated
        return separate_then_embed(open_separator(separator, device), open_system(system, device))
    name, colon, place = spec.partition(":")
    entry = _SYSTEMS.get(name)
    if entry is None:
        forms = ", ".join(entry.form(name) for name, entry in _SYSTEMS.items())
        raise UsageError(f"there is no system {spec!r}; choose one of {forms}, or SEPARATOR+SYSTEM")
    if colon and not place:
        raise UsageError(f"{spec!r} names nothing after the colon; the form is {entry.form(name)}")
    if entry.place is None and place:
        raise UsageError(f"{name} takes nothing after its name, but got {place!r}")
    if entry.place is not None and not entry.place.startswith("?") and not place:
        raise UsageError(f"{name} needs its weights: give {entry.form(name)}; docs/systems.md says where they are")
    make: Callable[..., System] = getattr(import_module(f"{_HERE}.{entry.module}"), entry.function)
    return make(device) if entry.place is None else make(place or None, device)


def _split_separator(spec: str) -> tuple[str, str] | None:
    """``"hdemucs:a+b+fxlens"`` -> its two halves; paths may hold a plus, so both sides must be names."""
    separators = {form.partition(":")[0].partition("[")[0] for form in known_separators()}
    for at in range(len(spec)):
        before, after = spec[:at], spec[at + 1 :]
        if spec[at] == "+" and before.partition(":")[0] in separators and after.partition(":")[0] in _SYSTEMS:
            return before, after
    if spec.partition(":")[0].partition("+")[0] in separators:
        raise UsageError(f"{spec!r} is a separator without a system: write SEPARATOR+SYSTEM, e.g. {spec}+fxlens")
    return None
