"""Weights that a user brings: read without running code, fitted without guessing."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fxlens.errors import ModelUnavailableError
from fxlens.models.checkpoint import weights_hash

_WRAPPERS = ("state_dict", "model", "state")
_LEGACY_PICKLES = 5  # magic number, version, system, object, names of the storages: then come raw bytes
_SHOWN = 4


def read_tensors(source: str | Path | bytes, label: str, advice: str) -> dict[str, Tensor]:
    """Tensors of a ``.pt``, ``.pth``, ``.ckpt`` or ``.safetensors`` file.

    A training checkpoint's wrapping (``state_dict``, ``model``, ``state``) and the ``module.`` of data-parallel
    training are taken off. Pickles are read with ``weights_only=True``, so they cannot run code.

    Args:
        source: path, or the content of the file.
        label: what to call it in messages.
        advice: where the file is to be had, as a sentence without a full stop.

    Raises:
        ModelUnavailableError: no such file, broken, or it holds more than tensors.
    """
    if not isinstance(source, bytes):
        path = Path(source)
        if not path.is_file():
            raise ModelUnavailableError(f"{path}: no such file; {advice}")
        if path.suffix == ".safetensors":
            return _read_safetensors(path, advice)
    loaded = read_plain(source, label)
    for wrapper in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
            break
    if not isinstance(loaded, Mapping):
        raise ModelUnavailableError(f"{label}: holds no state dict; {advice}")
    tensors = {str(name): _tensor(value) for name, value in loaded.items()}
    found = {name: value for name, value in tensors.items() if value is not None}
    if not found:
        raise ModelUnavailableError(f"{label}: holds no tensors; {advice}")
    if all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): value for name, value in found.items()}
    return found


def read_plain(source: str | Path | bytes, label: str, allowed: Sequence[Any] = ()) -> Any:
    """Unpickle a PyTorch file with ``weights_only=True``: tensors, NumPy arrays, plain containers, nothing else.

    Args:
        source: path, or the content of the file.
        label: what to call it in messages.
        allowed: classes that may be named in it.

    Raises:
        ModelUnavailableError: broken, or it holds more.
    """
    try:
        with torch.serialization.safe_globals([*_numpy_globals(), *allowed]):
            if not isinstance(source, bytes):
                return torch.load(source, map_location="cpu", weights_only=True)
            return torch.load(io.BytesIO(with_plain_integers(source)), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ModelUnavailableError(
            f"{label}: holds more than tensors, or is no PyTorch file; for safety nothing else is read ({reason}). "
            "Where you trust it: torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelUnavailableError(f"{label}: broken or incomplete ({reason}); download it again") from error


def fit(module: nn.Module, tensors: Mapping[str, Tensor], label: str, left_out: Sequence[str] = ()) -> None:
    """Put tensors into a network, all that it has, and none that is neither known nor in ``left_out``.

    Args:
        module: the network.
        tensors: by the names of its state dict; ``num_batches_tracked`` may be missing.
        label: what to call the file in messages.
        left_out: beginnings of names that the file may have and the network does not.

    Raises:
        ModelUnavailableError: names or shapes differ; the message shows the first ones.
    """
    own = module.state_dict()
    problems = [f"{name} is missing" for name in own if name not in tensors and "num_batches_tracked" not in name]
    for name, tensor in tensors.items():
        if name not in own:
            if not name.startswith(tuple(left_out)) or not left_out:
                problems.append(f"{name} is unknown")
        elif tensor.shape != own[name].shape:
            problems.append(f"{name} is {list(tensor.shape)}, not {list(own[name].shape)}")
    if problems:
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ModelUnavailableError(
            f"{label}: is not the checkpoint that was expected: {', '.join(problems[:_SHOWN])}{more}"
        )
    module.load_state_dict({name: tensors.get(name, value) for name, value in own.items()}, strict=True)


def identity_of(name: str, module: nn.Module) -> str:
    """``name-0123456789ab``: changes whenever a weight does."""
    state = {key: tensor for key, tensor in module.state_dict().items() if "num_batches_tracked" not in key}
    return f"{name}-{weights_hash(state)[:12]}"


def _read_safetensors(path: Path, advice: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelUnavailableError(f"{path}: broken or incomplete ({error}); {advice}") from error


def _numpy_globals() -> list[Any]:
    """What arrays of plain numbers need, under the names that older NumPy wrote."""
    try:
        from numpy._core.multiarray import _reconstruct
    except ImportError:  # NumPy 1
        from numpy.core.multiarray import _reconstruct  # type: ignore[no-redef]
    names = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
    return [*((_reconstruct, name) for name in names), np.ndarray, np.dtype, np.dtypes.Float32DType]


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        return torch.from_numpy(value)
    return None


def with_plain_integers(content: bytes) -> bytes:
    """Rewrite the decimal integers that Python 2 put into PyTorch files; PyTorch's safe reader refuses them.

    Only the opcodes ``INT`` are replaced, by ``LONG1`` with the same value. Files of another kind pass unchanged.
    """
    if content[:2] == b"PK" or content[:1] != b"\x80":
        return content
    stream, pieces, start = io.BytesIO(content), [], 0
    try:
        for _ in range(_LEGACY_PICKLES):
            for opcode, argument, at in pickletools.genops(stream):
                if opcode.name == "INT" and not isinstance(argument, bool):
                    value = int(str(argument))
                    packed = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
                    pieces += [content[start:at], b"\x8a", struct.pack("B", len(packed)), packed]
                    start = content.index(b"\n", at) + 1
    except ValueError:  # not five pickles: torch.load says what is wrong
        return content
    return b"".join([*pieces, content[start:]])
