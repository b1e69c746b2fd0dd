"""Which arithmetic this machine is good at."""

from __future__ import annotations

import torch


def native_bfloat16() -> bool:
    """Whether the processor or GPU multiplies bfloat16 itself; elsewhere it is slower than float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe()) if probe is not None else False


def choose_precision(wanted: str) -> str:
    """Lightning's name of the arithmetic: ``wanted`` is ``"float32"``, ``"bfloat16"``, or ``"auto"`` for bfloat16 where
    it is native."""
    if wanted == "float32":
        return "32-true"
    return "bf16-mixed" if wanted == "bfloat16" or native_bfloat16() else "32-true"
