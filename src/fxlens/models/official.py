"""Reads the checkpoint of the public Fx-Encoder++ (Sony, 2025), which a user brings, as a baseline.

Only names and shapes of its tensors are known here. It holds, beside the encoder, two copies of CLAP, a head
that was used in training only, and tables of the spectrogram; those are left out. Its convolutions see time
before frequency, ours frequency before time, so kernels are transposed.

The public weights are CC BY-NC 4.0: not for commercial use, and no part of fxlens.
"""

from __future__ import annotations

import dataclasses
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fxlens.errors import ModelUnavailableError
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig, mel_filterbank
from fxlens.models.fx_encoder import FxEncoder, FxEncoderConfig

PAPER = FxEncoderConfig(
    name="paper",
    frontend=FrontendConfig(
        sample_rate=44100,
        n_fft=2048,
        hop_length=512,
        n_mels=64,
        f_min_hz=50.0,
        f_max_hz=18000.0,
        channels="lr",
        mel="slaney",
        floor_db=-80.0,
        ceiling_db=40.0,
    ),
    backbone=BackboneConfig("cnn14", 64, {"dropout": 0.2}),
    projection_dims=(128, 128),
    extractor=ExtractorConfig("mlp", (0.75, 0.95), {"hidden": 128, "slope": 0.1}),
    query_encoder="clap",
    query_dim=512,
    window_seconds=10.0,
)
"""The paper's model, in the dimensions of the public weights."""

NAME = "fx-encoder-plusplus"

# Their name -> our name; what is left out has no target.
_RENAMED = (
    (r"fx_encoder\.fc_1\.(weight|bias)", r"backbone.fc.\1"),
    (r"fx_encoder_projection\.(0|2)\.(weight|bias)", r"projection.\1.\2"),
    (r"extractor\.fusion\.0\.(weight|bias)", r"extractor.layers.0.\1"),
    (r"extractor\.fusion\.2\.(weight|bias)", r"extractor.layers.1.\1"),
    (r"extractor\.fusion\.4\.(weight|bias)", r"extractor.layers.2.\1"),
)
_BLOCK = re.compile(r"fx_encoder\.conv_block([1-6])\.((?:conv|bn)[12]\.\w+)")
_LEFT_OUT = (
    "audio_clap_model.",
    "text_clap_model.",
    "fx_encoder_transform.",
    "logit_scale_",
    "fx_encoder.bn0.",
    "fx_encoder.spectrogram_extractor.",
    "fx_encoder.logmel_extractor.",
)
_MEL_TABLE = "fx_encoder.logmel_extractor.melW"


def import_official(path: str | Path, folder: str | Path) -> FxEncoder:
    """Convert the public checkpoint (``fxenc_plusplus_default.pt``) into a model folder.

    Args:
        path: the ``.pt`` file. It is read with ``weights_only=True``, so it cannot run code.
        folder: where the model is written, see :meth:`FxEncoder.save_pretrained`.

    Returns:
        The model, ready for use; queries need the extra ``clap``.

    Raises:
        ModelUnavailableError: no such file, or not that checkpoint.
        OutputError: the folder cannot be written.
    """
    path = Path(path)
    tensors = _plain(_read(path), path)
    _check_mel_table(tensors.get(_MEL_TABLE), path)
    encoder = FxEncoder(dataclasses.replace(PAPER, name=NAME))
    encoder.load_state_dict(_translated(tensors, encoder, path), strict=True)
    encoder.metadata = {
        "license": "cc-by-nc-4.0",
        "source": f"converted from {path.name} of the public Fx-Encoder++ (not for commercial use)",
    }
    encoder.eval()
    encoder.save_pretrained(folder)
    return encoder


def _read(path: Path) -> object:
    if not path.is_file():
        raise ModelUnavailableError(f"{path}: no such file; the public checkpoint is fxenc_plusplus_default.pt")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelUnavailableError(
            f"{path}: holds more than tensors, or is no PyTorch checkpoint; for safety nothing else is read"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ModelUnavailableError(f"{path}: broken or incomplete ({error}); download it again") from error


def _plain(loaded: object, path: Path) -> dict[str, Tensor]:
    """The state dict itself, without what a training checkpoint puts around it."""
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ModelUnavailableError(f"{path}: is not a state dict of the public Fx-Encoder++")
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}


def _translated(tensors: Mapping[str, Tensor], encoder: FxEncoder, path: Path) -> dict[str, Tensor]:
    wanted = encoder.state_dict()
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        ours = _our_name(name)
        if ours is None:
            if not name.startswith(_LEFT_OUT):
                raise ModelUnavailableError(f"{path}: tensor {name} is not known from the public Fx-Encoder++")
            continue
        tensor = tensor.transpose(2, 3).contiguous() if tensor.ndim == 4 else tensor
        if ours not in wanted or tensor.shape != wanted[ours].shape:
            shape = list(wanted[ours].shape) if ours in wanted else "no such tensor"
            raise ModelUnavailableError(f"{path}: {name} has shape {list(tensor.shape)}, expected {shape}")
        result[ours] = tensor
    missing = [name for name in wanted if name not in result]
    if missing:
        raise ModelUnavailableError(
            f"{path}: {len(missing)} of {len(wanted)} tensors are missing, e.g. that for {missing[0]}"
        )
    return result


def _our_name(name: str) -> str | None:
    block = _BLOCK.fullmatch(name)
    if block:
        return f"backbone.blocks.{int(block[1]) - 1}.{block[2]}"
    for pattern, target in _RENAMED:
        found = re.fullmatch(pattern, name)
        if found:
            return found.expand(target)
    return None


def _check_mel_table(table: Tensor | None, path: Path) -> None:
    """The checkpoint carries the filterbank it was trained with; ours must be the same one."""
    if table is None:
        return
    front = PAPER.frontend
    ours = mel_filterbank(front.sample_rate, front.n_fft, front.n_mels, front.f_min_hz, front.f_max_hz, front.mel).T
    if table.shape != ours.shape or not np.allclose(table.numpy(), ours, rtol=0, atol=1e-6):
        raise ModelUnavailableError(f"{path}: was trained with another mel filterbank than the public one")
