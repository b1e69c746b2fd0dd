"""Convolution with an impulse response by the FFT, with as few transforms as the gradient needs.

``y = h * x``; for the gradient ``g`` of ``y``, that of ``x`` is the correlation of ``g`` with ``h`` and that of ``h``
the correlation of ``g`` with ``x``. Left to automatic differentiation the same takes complex transforms of full
length in place of real ones, and transforms once more what the forward pass has transformed. On any device.
"""

from __future__ import annotations

from typing import Any

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.autograd.function import once_differentiable


class _Convolution(torch.autograd.Function):
    """Audio ``[B, C, T]`` and responses ``[B, C or 1, N]``."""

    @staticmethod
    def forward(ctx: Any, audio: Tensor, response: Tensor) -> Tensor:
        length = audio.shape[-1]
        size = next_fast_len(length + response.shape[-1] - 1, real=True)
        spectrum, transfer = torch.fft.rfft(audio, size), torch.fft.rfft(response, size)
        ctx.size, ctx.lengths, ctx.shared = size, (length, response.shape[-1]), response.shape[1] < audio.shape[1]
        ctx.save_for_backward(spectrum, transfer)
        return torch.fft.irfft(spectrum * transfer, size)[..., :length].contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        spectrum, transfer = ctx.saved_tensors
        of_y = torch.fft.rfft(grad, ctx.size)
        to_audio, to_response = None, None
        if ctx.needs_input_grad[0]:
            to_audio = torch.fft.irfft(of_y * transfer.conj(), ctx.size)[..., : ctx.lengths[0]].contiguous()
        if ctx.needs_input_grad[1]:
            product = of_y * spectrum.conj()
            if ctx.shared:
                product = product.sum(dim=1, keepdim=True)
            to_response = torch.fft.irfft(product, ctx.size)[..., : ctx.lengths[1]].contiguous()
        return to_audio, to_response


def convolve(audio: Tensor, response: Tensor) -> Tensor:
    """Convolve a batch; the result ends with the audio.

    Args:
        audio: ``[B, C, T]``, float32 or float64.
        response: ``[B, C, N]``, or ``[B, 1, N]`` for all channels, of the same type.

    Returns:
        ``[B, C, T]``; differentiable once with respect to both arguments.
    """
    out: Tensor = _Convolution.apply(audio, response)
    return out
