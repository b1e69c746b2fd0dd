"""``fxlens models`` and ``fxlens info``."""

from __future__ import annotations

import importlib.util
import json
import platform
from pathlib import Path
from typing import Annotated, Any

import typer

from fxlens import __version__
from fxlens.cli import console
from fxlens.errors import ModelUnavailableError

_SHIPPED = Path(__file__).parents[1] / "weights"
_EXTRAS = {
    "train": "pytorch_lightning",
    "plot": "matplotlib",
    "media": "av",
    "clap": "transformers",
    "midi": "mido",
    "parquet": "pyarrow",
}


def models(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders that are models, or hold some.", show_default="none")
    ] = None,
) -> None:
    """List models: those shipped, and those in folders."""
    found = _models_in(_SHIPPED)
    for folder in folders or ():
        if not folder.is_dir():
            raise ModelUnavailableError(f"{folder}: there is no such folder")
        inside = _models_in(folder)
        if not inside:
            console.say(f"{folder}: there is no model in it")
        found |= inside
    for folder, head in found.items():
        model = head["model"]
        name = folder.name if folder.parent == _SHIPPED else str(folder)
        licence = (head.get("metadata") or {}).get("license", "")
        queries = f"queries: {model.get('query_encoder')}"
        console.result("\t".join((name, str(model.get("name", "")), queries, str(licence))).rstrip())
    if not found:
        raise ModelUnavailableError("this installation came without a model, and no other was named")


def _models_in(folder: Path) -> dict[Path, dict[str, Any]]:
    """Folders with a model's ``config.json`` and weights, read without loading anything."""
    found: dict[Path, dict[str, Any]] = {}
    for config in (folder / "config.json", *sorted(folder.glob("*/config.json"))):
        if not (config.parent / "model.safetensors").is_file():
            continue
        try:
            head = json.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(head, dict) and isinstance(head.get("model"), dict):
            found[config.parent] = head
    return found


def info(
    target: Annotated[
        str | None, typer.Argument(help="A model, a chain (.json) or an audio file.", show_default="none")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe this installation, or a model or file."""
    from fxlens.audio.io import AUDIO_SUFFIXES

    if target is None:
        facts = _environment()
    elif Path(target).suffix.lower() == ".json":
        facts = _chain(Path(target))
    elif Path(target).is_file() or Path(target).suffix.lower() in AUDIO_SUFFIXES:
        facts = _audio(Path(target))
    else:
        facts = _model(target)
    console.result_of(facts, as_json)


def _environment() -> dict[str, Any]:
    import torch

    from fxlens.models.folding import native_bfloat16

    def has(module: str) -> bool:
        return importlib.util.find_spec(module) is not None

    extras = {extra: has(module) for extra, module in _EXTRAS.items()}
    device = torch.device(
        "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    )
    return {
        "fxlens": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "bfloat16": "native" if native_bfloat16(device) else "emulated",
        "models": ", ".join(folder.name for folder in _models_in(_SHIPPED)) or "none shipped",
        "extras": ", ".join(name for name, present in extras.items() if present) or "none",
        "extras_missing": ", ".join(name for name, present in extras.items() if not present) or "none",
    }


def _chain(path: Path) -> dict[str, Any]:
    from fxlens.effects.chain import EffectChain

    facts: dict[str, Any] = {}
    for position, effect in enumerate(EffectChain.load(path).effects, start=1):
        room = [f"ir {effect.ir}"] if effect.ir else []
        values = ", ".join([*room, *(f"{name} {value:g}" for name, value in effect.parameters.items())])
        facts[f"{position} {effect.type}"] = values if effect.enabled else f"(off) {values}"
    return facts


def _audio(path: Path) -> dict[str, Any]:
    from fxlens.audio import io

    found = io.probe(path)
    return {
        "path": str(path),
        "format": f"{found.format} {found.subtype}",
        "sample_rate": found.sample_rate,
        "channels": found.channels,
        "duration_seconds": round(found.duration_seconds, 3),
        "frames": found.frames,
        "streams": found.streams,
    }


def _model(place: str) -> dict[str, Any]:
    from fxlens.models.fx_encoder import FxEncoder

    encoder = FxEncoder.from_pretrained(place)
    return {
        "model": encoder.model_id,
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "backbone": encoder.config.backbone.name,
        "embedding_dim": encoder.embedding_dim,
        "sample_rate": encoder.sample_rate,
        "window_seconds": encoder.config.window_seconds,
        "queries": encoder.query_id or encoder.config.query_encoder,
        **{str(key): value for key, value in encoder.metadata.items()},
    }
