"""Compiling loops whose sums may be added up in any order, which lets them run on vectors."""

from __future__ import annotations

from typing import Any

import numba

from fxlens.dsp.kernels import Function


def compiled_sums(function: Function) -> Function:
    """:func:`fxlens.dsp.kernels.compiled` for reductions.

    A sum in the order of the samples waits four cycles for every addition; in four interleaved parts it does
    not, and differs by rounding only. Not for recursions: their order of operations is part of their accuracy.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # "cannot cache function: no locator available"
        return numba.njit(**options)(function)
