"""Heads in a model folder: ``describe.safetensors`` and ``describe.json``, which belong to that model alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from fxlens.describing.calibration import Calibration, Interval, Presence
from fxlens.describing.network import ASKED, Heads
from fxlens.describing.quantities import EFFECTS, QUANTITIES
from fxlens.errors import ModelUnavailableError
from fxlens.models import checkpoint
from fxlens.whole_files import write_bytes, write_text

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder

WEIGHTS, HEAD = "describe.safetensors", "describe.json"
READINGS = ("whole", "instrument")
_FORMAT = 1


@dataclass(frozen=True)
class Reading:
    """Heads for one kind of vector, with how far they can be believed."""

    heads: Heads
    calibration: Calibration


@dataclass(frozen=True)
class DescribingHeads:
    """Everything that describing needs beside the encoder.

    Args:
        model_id: the encoder they were trained on.
        readings: ``"whole"``, and ``"instrument"`` if the encoder has an extractor.
        metadata: what they were trained on, plain values.
    """

    model_id: str
    readings: Mapping[str, Reading]
    metadata: dict[str, Any] = field(default_factory=dict)


def save_heads(folder: str | Path, heads: DescribingHeads) -> None:
    """Write both files into a model folder; matrices as float16.

    Raises:
        OutputError: the folder cannot be written.
    """
    from safetensors.torch import save

    folder = Path(folder)
    tensors = {f"{name}.{key}": _stored(tensor) for name, reading in heads.readings.items()
               for key, tensor in reading.heads.state_dict().items()}  # fmt: skip
    described = {
        "format": _FORMAT,
        "model_id": heads.model_id,
        "weights": checkpoint.weights_hash(tensors),
        "effects": list(EFFECTS),
        "quantities": [q.key for q in QUANTITIES],
        "readings": {
            name: {"dim": r.heads.dim, "hidden": r.heads.hidden, "calibration": _plain(r.calibration)}
            for name, r in heads.readings.items()
        },
        "metadata": heads.metadata,
    }
    write_bytes(folder / WEIGHTS, save(tensors, {"format": "pt"}))
    write_text(folder / HEAD, json.dumps(described, indent=1) + "\n")
    _FOUND.pop(heads.model_id, None)


def load_heads(folder: str | Path, model_id: str) -> DescribingHeads:
    """Read the heads of a model.

    Args:
        folder: the model folder.
        model_id: id of the model that will listen.

    Raises:
        ModelUnavailableError: there are none, they are broken, or they belong to another model.
    """
    folder = Path(folder)
    again = f"make them with: fxlens train-describe {folder}"
    missing = [name for name in (HEAD, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise ModelUnavailableError(
            f"{folder}: this model has no heads to describe with ({missing[0]} is missing); {again}"
        )
    described, tensors = _read(folder)
    if described.get("model_id") != model_id:
        raise ModelUnavailableError(
            f"{folder}: its heads belong to the model {described.get('model_id')}, this is {model_id}; {again}"
        )
    known = (list(EFFECTS), [q.key for q in QUANTITIES])
    if (described.get("effects"), described.get("quantities")) != known or described.get("format") != _FORMAT:
        raise ModelUnavailableError(f"{folder}: its heads were made by another version of fxlens; {again}")
    if described.get("weights") != checkpoint.weights_hash(tensors):
        raise ModelUnavailableError(f"{folder}: {WEIGHTS} is not the file that {HEAD} describes; {again}")
    readings = {}
    for name, facts in described["readings"].items():
        heads = Heads(facts["dim"], facts["hidden"])
        heads.load_state_dict({k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")})
        readings[name] = Reading(heads.eval().requires_grad_(False), _calibration(facts["calibration"]))
    return DescribingHeads(model_id, readings, described.get("metadata") or {})


def find_heads(encoder: FxEncoder) -> DescribingHeads:
    """The heads of an encoder: in the folder it was loaded from, or with the shipped model that has its id.

    Raises:
        ModelUnavailableError: there are none, or they belong to another model.
    """
    model_id = encoder.model_id
    if model_id not in _FOUND:
        own = encoder.folder
        if own is None or not (own / HEAD).is_file():  # a copy of a shipped model may lack them
            own = _shipped_with(model_id) or own
        if own is None:
            raise ModelUnavailableError(
                f"{model_id}: no shipped model has heads to describe with for it, and it was not loaded from a folder. "
                "'fxlens train-describe FOLDER' makes them; give describe(heads=load_heads(FOLDER, model_id))"
            )
        _FOUND[model_id] = load_heads(own, model_id)
    return _FOUND[model_id]


_FOUND: dict[str, DescribingHeads] = {}


def _shipped_with(model_id: str) -> Path | None:
    for path in sorted(checkpoint.locate(None).parent.glob(f"*/{HEAD}")):
        with suppress(OSError, ValueError):
            if json.loads(path.read_text(encoding="utf-8")).get("model_id") == model_id:
                return path.parent
    return None


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        described = json.loads((folder / HEAD).read_text(encoding="utf-8"))
        tensors = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelUnavailableError(
            f"{folder}: its heads cannot be read ({error}); copy or train them again"
        ) from error
    if not isinstance(described, dict) or not isinstance(described.get("readings"), dict):
        raise ModelUnavailableError(f"{folder / HEAD} does not describe heads; copy or train them again")
    return described, tensors


def _stored(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.ndim > 1 else tensor.clone()


def _plain(calibration: Calibration) -> dict[str, Any]:
    names = [*(q.key for q in QUANTITIES), *(f"{effect}.strength" for effect in EFFECTS)]
    return {
        "presence": {name: _json(one) for name, one in zip(EFFECTS, calibration.presence, strict=True)},
        "intervals": {name: _json(one) for name, one in zip(names, calibration.intervals, strict=True)},
    }


def _json(one: Presence | Interval) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(one).items()}


def _calibration(plain: Mapping[str, Any]) -> Calibration:
    intervals = [Interval(**_numbers(one)) for one in plain["intervals"].values()]
    assert len(intervals) == ASKED
    return Calibration(tuple(Presence(**_numbers(one)) for one in plain["presence"].values()), tuple(intervals))


def _numbers(plain: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN that others read; it is written as null."""
    return {name: float("nan") if value is None else value for name, value in plain.items()}
