"""A model on disk: a folder with ``config.json``, ``model.safetensors`` and ``README.md``.

Nothing is unpickled, nothing is loaded loosely: every tensor must be there with its shape, and
``config.json`` carries the hash of the weights, so a half-copied folder is noticed. A bare name like
``org/name`` is fetched from the Hugging Face Hub.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from fxlens.errors import ModelUnavailableError, UsageError
from fxlens.models.hub import fetch, first_line
from fxlens.whole_files import write_bytes, write_text

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
SHIPPED = "fxlens-small"
_FORMAT = 1
_EXPECTED = f"expected {CONFIG} and {WEIGHTS}"


@dataclass(frozen=True)
class Checkpoint:
    """What a model folder holds.

    Args:
        model: the configuration of the model, plain values.
        tensors: the state dict, float32 on the CPU.
        query_id: id of the query encoder that the model was trained with, where it was.
        metadata: where the weights come from: commit, seed, manifest hash, licence.
        folder: where it was read.
    """

    model: dict[str, Any]
    tensors: dict[str, Tensor]
    query_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None


def write(
    folder: str | Path,
    checkpoint: Checkpoint,
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Write a model folder. Other files in it stay, also a ``README.md`` that is there already.

    Args:
        folder: made where missing.
        checkpoint: what to write.
        dtype: ``"float16"`` halves the file; it is for matrices and kernels only, since the variances of a
            batch normalisation need not fit.

    Raises:
        OutputError: the folder cannot be written.
        UsageError: a weight is too large for float16.
    """
    from safetensors.torch import save

    from fxlens import __version__

    folder = Path(folder)
    tensors = {name: _stored(name, tensor, dtype) for name, tensor in checkpoint.tensors.items()}
    head = {
        "format": _FORMAT,
        "fxlens": __version__,
        "model": checkpoint.model,
        "query_id": checkpoint.query_id,
        "weights": {"dtype": dtype, "sha256": weights_hash(tensors)},
        "metadata": checkpoint.metadata,
    }
    write_bytes(folder / WEIGHTS, save(tensors, {"format": "pt"}))
    write_text(folder / CONFIG, json.dumps(head, indent=2) + "\n")
    if not (folder / CARD).exists():
        write_text(folder / CARD, _card(checkpoint))


def read(place: str | Path | None = None, revision: str | None = None) -> Checkpoint:
    """Read a model folder, or a model from the Hub.

    Args:
        place: a folder; the name of a shipped model; ``"org/name"`` on the Hub; ``None`` for the shipped
        default.
        revision: branch, tag or commit on the Hub.

    Raises:
        ModelUnavailableError: there is no model, or its files are broken or do not belong together.
    """
    folder = locate(place, revision)
    head = _read_config(folder / CONFIG)
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor
               for name, tensor in _read_tensors(folder / WEIGHTS).items()}  # fmt: skip
    recorded = head.get("weights", {}).get("sha256")
    if recorded is not None and recorded != weights_hash(tensors):
        raise ModelUnavailableError(
            f"{folder}: {WEIGHTS} is not the file that {CONFIG} describes; copy or download both again"
        )
    return Checkpoint(head["model"], tensors, head.get("query_id"), head.get("metadata") or {}, folder)


def locate(place: str | Path | None, revision: str | None = None) -> Path:
    """Find the folder that ``place`` means; fetch it where it is a name on the Hub. See :func:`read`."""
    shipped = Path(__file__).parents[1] / "weights"
    if place is None:
        place = shipped / SHIPPED
        if not (place / WEIGHTS).is_file():
            raise ModelUnavailableError("This installation came without a model; give a model folder or a Hub name")
    folder = Path(place)
    if folder.is_file():
        raise ModelUnavailableError(
            f"{place} is a file; give the folder with {CONFIG} and {WEIGHTS}. "
            "A checkpoint of the public Fx-Encoder++ is converted by 'fxlens import-official'"
        )
    if not folder.exists() and (shipped / str(place) / CONFIG).is_file():
        return shipped / str(place)
    is_name = re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", str(place)) is not None
    if is_name and not folder.exists() and not folder.parent.is_dir():
        folder = fetch(str(place), revision, [CONFIG, WEIGHTS, CARD], _EXPECTED)
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        found = f"; {missing[0]} is missing" if len(missing) == 1 else ""
        raise ModelUnavailableError(f"No model at {place}: {_EXPECTED}{found}")
    return folder


def fit(module: torch.nn.Module, checkpoint: Checkpoint) -> None:
    """Put the tensors into ``module``, all of them and nothing else.

    Raises:
        ModelUnavailableError: names or shapes differ; the message lists the first of them.
    """
    own = module.state_dict()
    problems = [f"{name} is missing" for name in own if name not in checkpoint.tensors]
    problems += [f"{name} is unknown" for name in checkpoint.tensors if name not in own]
    problems += [
        f"{name} is {list(tensor.shape)}, not {list(own[name].shape)}"
        for name, tensor in checkpoint.tensors.items()
        if name in own and tensor.shape != own[name].shape
    ]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        place = checkpoint.folder or "the checkpoint"
        raise ModelUnavailableError(
            f"{place}: the weights do not fit {CONFIG}: {', '.join(problems[:3])}{more}. "
            "The folder mixes two models, or it was made by another version of fxlens"
        )
    module.load_state_dict(checkpoint.tensors, strict=True)


def weights_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes and values in the order of the names; floats count by their float32 value."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu()
        tensor = tensor.float() if tensor.is_floating_point() else tensor
        digest.update(f"{name} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def _read_config(path: Path) -> dict[str, Any]:
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailableError(f"{path} cannot be read as JSON ({error})") from error
    if not isinstance(head, dict) or not isinstance(head.get("model"), dict):
        raise ModelUnavailableError(f"{path} is not the {CONFIG} of an fxlens model: it has no 'model' part")
    if not isinstance(head.get("format"), int) or head["format"] > _FORMAT:
        raise ModelUnavailableError(
            f"{path} has format {head.get('format')!r}, this fxlens reads {_FORMAT}: pip install -U fxlens"
        )
    return head


def _read_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with path.open("rb") as file:
        if file.read(20).startswith(b"version https://git-"):
            raise ModelUnavailableError(f"{path} is a Git LFS pointer, not the weights: run 'git lfs pull' there")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelUnavailableError(f"{path} is broken ({first_line(error)}); copy or download it again") from error


def _stored(name: str, tensor: Tensor, dtype: str) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if dtype != "float16" or not tensor.is_floating_point() or tensor.ndim < 2:
        return tensor.clone()  # two names must not share memory in the file
    if tensor.numel() and float(tensor.abs().max()) > torch.finfo(torch.float16).max:
        raise UsageError(f"{name} has values too large for float16; save as float32")
    return tensor.half()


_CARD = """---
library_name: fxlens
tags: [audio, audio-effects, embeddings]
{licence}---
# {name}

Embeds audio effects, for a mixture or for one instrument inside it.

```python
from fxlens import FxEncoder

encoder = FxEncoder.from_pretrained("this folder")
embedding = encoder.encode("mix.wav")
```
{source}"""


def _card(checkpoint: Checkpoint) -> str:
    """A short model card; it says nothing that later weights of the same model would make wrong."""
    licence, source = checkpoint.metadata.get("license"), checkpoint.metadata.get("source")
    return _CARD.format(
        name=checkpoint.model.get("name", "model"),
        licence=f"license: {licence}\n" if licence else "",
        source=f"\nWeights: {source}\n" if source else "",
    )
