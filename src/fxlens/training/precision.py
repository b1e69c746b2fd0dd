"""Which arithmetic a run is trained in."""

from __future__ import annotations

import torch

from fxlens.models import folding


def native_bfloat16() -> bool:
    """Whether the device that is fastest here multiplies bfloat16 itself; see ``folding.native_bfloat16``."""
    return folding.native_bfloat16(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def choose_precision(wanted: str, accelerator: str = "auto") -> str:
    """Lightning's name of the arithmetic.

    Args:
        wanted: ``"float32"``, ``"bfloat16"``, or ``"auto"`` for bfloat16 where it is native.
        accelerator: ``"cpu"`` trains on the processor even where there is a GPU.
    """
    if wanted == "float32":
        return "32-true"
    native = folding.native_bfloat16(torch.device("cpu")) if accelerator == "cpu" else native_bfloat16()
    return "bf16-mixed" if wanted == "bfloat16" or native else "32-true"
