"""Compiling the loops ahead of their first use, so that nobody waits for them unawares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from fxlens.dsp import kernels
from fxlens.dsp.fast.compilation import compile_fast_kernels

Face = Literal["exact", "fast", "gradient", "streaming"]


def compile_kernels(*faces: Face) -> None:
    """Compile now, or read from disk: a minute or two for all of them, once a machine.

    For programs that must not pause at the first clip; calling the effects does the same piece by piece.

    Args:
        faces: whose kernels; all of them where none is named.
    """
    for face in faces or tuple(_COMPILE):
        _COMPILE[face]()


def _exact() -> None:
    silence, gain = np.zeros((2, 1)), np.zeros(1)
    kernels.compander_gain(silence, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5, 0.5, 0.5, kernels.rest(), gain)
    kernels.limiter_gain(silence, 1.0, 0.5, 0.5, kernels.rest(), gain)
    kernels.lowpass_both_ways(silence, 0.5, 0.0, 0.0, np.zeros((2, 1)), np.zeros((2, 1)))


def _streaming() -> None:
    _exact()
    kernels.lowpass_run(np.zeros((2, 1)), 0.5, 0.0, 0.0, False, np.zeros(4), np.zeros((2, 1)))


def _gradient() -> None:
    from fxlens.dsp.gradient.compilation import compile_gradient_kernels  # torch: not for who only processes

    for dtype in (np.float32, np.float64):
        row, ones, falling = np.zeros((1, 1), dtype), np.ones(1), np.zeros((1, 1), np.bool_)
        sums = np.zeros(1), np.zeros(1), np.zeros(1)
        kernels.attack_release_rows(row, ones, ones, ones, row, falling)
        kernels.attack_release_rows_adjoint(row, row, row, falling, ones, ones, ones, row, *sums)
    compile_gradient_kernels()


_COMPILE: dict[Face, Callable[[], None]] = {
    "exact": _exact,
    "fast": compile_fast_kernels,
    "streaming": _streaming,
    "gradient": _gradient,
}
