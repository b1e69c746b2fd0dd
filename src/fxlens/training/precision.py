"""Which arithmetic a run is trained in."""

from __future__ import annotations

import torch

from fxlens.models.folding import native_bfloat16


def choose_precision(wanted: str, accelerator: str = "auto") -> str:
    """Lightning's name of the arithmetic.

    Args:
        wanted: ``"float32"``, ``"bfloat16"``, or ``"auto"`` for bfloat16 where it is native.
        accelerator: ``"cpu"`` trains on the processor even where there is a GPU.
    """
    if wanted == "float32":
        return "32-true"
    device = torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    return "bf16-mixed" if wanted == "bfloat16" or native_bfloat16(device) else "32-true"
