"""The spectrogram as matrix products, for runtimes without a Fourier transform worth having.

ONNX has an operator for it that onnxruntime computes slowly, and as one product with a table of cosines it would cost
more than the network. A Cooley-Tukey step written out, two small products, every runtime does well.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.models.frontend import FrontendConfig, LogMel, mel_filterbank


class LogMelProducts(nn.Module):
    """:class:`fxlens.models.frontend.LogMel` in operators that ONNX has; the same numbers but for rounding.

    With ``n = B a + b`` and ``k = p + A q`` the transform of a frame of ``A B`` samples is
    ``X[p + A q] = sum_b W_N^(b p) W_B^(b q) sum_a W_A^(a p) x[B a + b]``. Samples are real, so ``X[N - k]`` is the
    conjugate of ``X[k]`` and p from 0 to A / 2 says everything. The first sum is one product for all frames, the second
    one for every p, with the powers of W_N in its table.

    Args:
        config: see :class:`FrontendConfig`.
    """

    first: Tensor
    second: Tensor
    bands: Tensor
    window: Tensor

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__()
        self.config = config
        n_fft = config.n_fft
        self.columns = _factor(n_fft)
        self.rows = n_fft // self.columns
        self.block = math.gcd(config.hop_length, n_fft)
        front = LogMel(config)
        half = self.rows // 2 + 1
        p, a = np.arange(half), np.arange(self.rows)
        turn = np.exp(-2j * np.pi * np.outer(p, a) / self.rows)
        b, q = np.arange(self.columns), np.arange(self.columns)
        k = p[:, None, None] + self.rows * q
        twist = np.exp(-2j * np.pi * b[None, :, None] * k / n_fft)  # [p, b, q]
        # (real, imaginary) rows by (real, imaginary) columns: a complex product written in real numbers.
        second = np.block([[twist.real, twist.imag], [-twist.imag, twist.real]])
        self.wave = front.wave
        self.register_buffer("window", front.window.clone(), persistent=False)
        self.register_buffer("first", _float32(np.stack([turn.real, turn.imag], axis=1)), persistent=False)
        self.register_buffer("second", _float32(second), persistent=False)
        self.register_buffer("bands", _float32(_band_rows(config, k[:, 0])), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """``[B, 2, T]``, T at least ``n_fft``, to ``[B, C, mel, frame]`` in [-1, 1]."""
        config, n_fft = self.config, self.config.n_fft
        batch = audio.shape[0]
        count = (audio.shape[2] - n_fft % 2) // config.hop_length + 1
        # Whole blocks: what lies behind the last frame may be anything.
        padded = F.pad(F.pad(audio, (n_fft // 2, n_fft // 2), mode="reflect"), (0, config.hop_length))
        length = (count - 1) * config.hop_length + n_fft
        blocks = padded[..., :length].reshape(batch * 2, length // self.block, self.block)
        starts = torch.arange(count, device=audio.device) * (config.hop_length // self.block)
        places = starts[:, None] + torch.arange(n_fft // self.block, device=audio.device)
        framed = blocks[:, places.flatten()].reshape(batch * 2 * count, n_fft) * self.window
        half = self.rows // 2 + 1
        table = self.first.reshape(2 * half, self.rows)
        inner = torch.matmul(table, framed.reshape(-1, self.rows, self.columns))  # [frames, 2 p, b]
        inner = inner.reshape(-1, half, 2 * self.columns).transpose(0, 1)  # [p, frames, (re, im) b]
        spectra = torch.bmm(inner, self.second)  # [p, frames, (re, im) q]
        if config.channels == "lrms":
            pair = spectra.reshape(half, batch, 2, count, 2 * self.columns)
            left, right = pair[:, :, :1], pair[:, :, 1:]
            spectra = torch.cat((pair, 0.5 * (left + right), 0.5 * (left - right)), dim=2)
            spectra = spectra.reshape(half, batch * 4 * count, 2 * self.columns)
        squares = spectra.square()
        power = (squares[..., : self.columns] + squares[..., self.columns :]).transpose(0, 1)
        mel = torch.matmul(power.reshape(-1, half * self.columns), self.bands)
        floor, ceiling = config.floor_db, config.ceiling_db
        clipped = mel.clamp(10.0 ** (floor / 10.0), 10.0 ** (ceiling / 10.0))
        decibels = torch.log(clipped) * (10.0 / math.log(10.0))
        scaled = (decibels - floor) * (2.0 / (ceiling - floor)) - 1.0
        logmel = scaled.reshape(batch, config.n_channels, count, config.n_mels).transpose(2, 3)
        return logmel if self.wave is None else torch.cat((logmel, self.wave(audio, count)), dim=2)


def _factor(n_fft: int) -> int:
    """B, the divisor of ``n_fft`` that makes the two products cheapest; A is the rest, even where it can be."""
    divisors = [b for b in range(1, n_fft + 1) if n_fft % b == 0 and ((n_fft // b) % 2 == 0 or n_fft % 2)]

    def cost(b: int) -> float:
        half = n_fft // b // 2 + 1
        return 2.0 * half * n_fft + half * 4.0 * b * b

    return min(divisors, key=cost)


def _band_rows(config: FrontendConfig, k: np.ndarray) -> np.ndarray:
    """Weights of the bins ``k`` ``[p, q]`` in every band ``[p q, mel]``; every bin counts in one of its places."""
    weights = mel_filterbank(
        config.sample_rate, config.n_fft, config.n_mels, config.f_min_hz, config.f_max_hz, config.mel
    )
    bins = np.where(k > config.n_fft // 2, config.n_fft - k, k).ravel()
    _, places = np.unique(bins, return_index=True)
    rows = np.zeros((bins.size, config.n_mels))
    rows[places] = weights[:, bins[places]].T
    return rows


def _float32(table: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(table, dtype=np.float32))
