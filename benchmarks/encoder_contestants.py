"""Who takes part in benchmarks/encoder.py: one set of weights in every way of running it.

The original's own class gets random weights with statistics that vary; ours gets the same through ``import-official``,
as a user's checkpoint would. CLAP is replaced by nothing: mixture embeddings do not ask it.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fxlens.models.backbone import BackboneConfig
from fxlens.models.folding import native_bfloat16
from fxlens.models.frontend import FrontendConfig, LogMel
from fxlens.models.frontend_products import LogMelProducts
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.official import PAPER, import_official

Maker = Callable[[np.ndarray, int], Callable[[], Any]]
"""From clips and a number of threads to what is timed."""


class Field:
    """All contestants, loaded once.

    Args:
        scratch: folder for the checkpoint and the ONNX file.
        peers: folder with other people's packages, or None.
        width: channels of the first block of ours where the original is absent; the paper's is 64.
    """

    def __init__(self, scratch: Path, peers: Path | None, width: int = 64) -> None:
        if peers is not None:
            sys.path.append(str(peers))
        torch.manual_seed(0)
        self.theirs: nn.Module | None = _original() if peers is not None else None
        if self.theirs is None:
            config = dataclasses.replace(PAPER, backbone=BackboneConfig("cnn14", width, PAPER.backbone.options))
            self.ours = FxEncoder(config).eval()
            lived_in(self.ours)
        else:
            lived_in(self.theirs)
            torch.save(self.theirs.state_dict(), scratch / "original.pt")
            self.ours = import_official(scratch / "original.pt", scratch / "converted")
        self.rounded = FxEncoder(self.ours.config).eval()
        self.rounded.load_state_dict(self.ours.state_dict())
        self.rounded.precision = "bfloat16"
        self.file = _exported(self.ours, scratch / "paper.onnx")

    def networks(self) -> dict[str, Maker]:
        """Audio to embeddings; the first is who the others are compared with."""
        makers: dict[str, Maker] = {}
        if self.theirs is not None:
            makers["fxencoder-plusplus"] = _torch(self.theirs.get_fx_embedding)  # type: ignore[arg-type]
        makers["fxlens, as trained"] = _torch(self.ours, torch.no_grad)
        makers["fxlens float32"] = _torch(self.ours)
        if native_bfloat16(torch.device("cpu")):
            makers["fxlens bfloat16"] = _torch(self.rounded)
        if self.file is not None:
            makers["fxlens in onnxruntime"] = self._onnxruntime
            if _there("openvino"):
                makers["fxlens in OpenVINO, float32"] = self._openvino("f32")
                if native_bfloat16(torch.device("cpu")):
                    makers["fxlens in OpenVINO, bfloat16"] = self._openvino("bf16")
        return makers

    def spectrograms(self) -> dict[str, Maker]:
        """Audio to log-mel ``[B, 2, mel, frame]``."""
        makers: dict[str, Maker] = {}
        if self.theirs is not None:
            encoder: Any = self.theirs.fx_encoder

            def torchlibrosa(audio: torch.Tensor) -> torch.Tensor:
                flat = encoder.logmel_extractor(encoder.spectrogram_extractor(audio.flatten(0, 1)))
                scaled = (flat.clamp(-80.0, 40.0) + 80.0) / 60.0 - 1.0
                return scaled.reshape(*audio.shape[:2], *scaled.shape[-2:]).transpose(-1, -2)

            makers["torchlibrosa"] = _torch(torchlibrosa)
        config: FrontendConfig = PAPER.frontend
        makers["fxlens"] = _torch(LogMel(config))
        makers["fxlens as products (ONNX), in torch"] = _torch(LogMelProducts(config))
        return makers

    def _onnxruntime(self, audio: np.ndarray, threads: int) -> Callable[[], Any]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(self.file, options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {"audio": audio})[0]

    def _openvino(self, precision: str) -> Maker:
        def make(audio: np.ndarray, threads: int) -> Callable[[], Any]:
            import openvino

            told = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": str(threads)}
            compiled = openvino.Core().compile_model(str(self.file), "CPU", told)
            return lambda: compiled({"audio": audio})[0]

        return make


def _torch(network: Callable[[torch.Tensor], torch.Tensor], mode: Callable[[], Any] = torch.inference_mode) -> Maker:
    def make(audio: np.ndarray, threads: int) -> Callable[[], Any]:
        clips = torch.from_numpy(audio)

        def run() -> np.ndarray:
            with mode():
                return network(clips).numpy()

        return run

    return make


def _original() -> nn.Module:
    # Their module imports CLAP at its head; with both flags off nothing of it is built.
    sys.modules.setdefault("laion_clap", types.ModuleType("laion_clap"))
    module = importlib.import_module("fxencoder_plusplus.model")
    return module.FxEncoderPlusPlus(audio_clap_module=False, text_clap_module=False).eval()  # type: ignore[no-any-return]


@torch.no_grad()
def lived_in(network: nn.Module) -> None:
    """Statistics that vary, as training leaves them; fresh ones would make folding trivial and embeddings alike."""
    generator = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            for tensor, low, high in (
                (layer.running_mean, -0.1, 0.1),
                (layer.running_var, 0.3, 1.0),
                (layer.weight, 0.8, 1.4),
                (layer.bias, -0.1, 0.2),
            ):
                tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))


def _exported(encoder: FxEncoder, path: Path) -> Path | None:
    if not (_there("onnxruntime") and _there("onnxscript")):
        return None
    return encoder.export_onnx(path)


def _there(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
