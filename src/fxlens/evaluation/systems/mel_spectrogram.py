"""Mel spectrograms as other laboratories' networks were trained on, with gradients."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.models.frontend import Mel, mel_filterbank

_SMALLEST = 1e-30  # under the root of the magnitude, whose slope at zero is infinite


class MelSpectrogram(nn.Module):
    """Mono audio to mel bands: periodic Hann window, FFT, bands. No trained parameters, nothing in the state dict.

    Args:
        bands: ``[mel, n_fft // 2 + 1]``, see :func:`fxlens.models.frontend.mel_filterbank`.
        n_fft: FFT length in samples.
        hop_length: samples from frame to frame.
        window_length: samples; ``n_fft`` where ``None``.
        power: 2 for power, 1 for magnitude, before the bands.
        centered: frames are centred on multiples of the hop, edges reflected; else the first begins at the first
            sample and none reaches beyond the last.
    """

    window: Tensor
    bands: Tensor

    def __init__(
        self,
        bands: np.ndarray,
        n_fft: int,
        hop_length: int,
        window_length: int | None = None,
        power: int = 2,
        centered: bool = True,
    ) -> None:
        super().__init__()
        self.n_fft, self.hop_length, self.power, self.centered = n_fft, hop_length, power, centered
        self.window_length = window_length or n_fft
        self.register_buffer("window", torch.hann_window(self.window_length), persistent=False)
        self.register_buffer("bands", torch.from_numpy(bands.astype(np.float32)), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """``[B, T]`` -> ``[B, mel, frame]``; shorter audio than a window is followed by silence."""
        shortest = self.n_fft // 2 + 1 if self.centered else self.window_length
        audio = F.pad(audio, (0, max(0, shortest - audio.shape[-1])))
        if self.centered:
            audio = F.pad(audio[:, None], (self.n_fft // 2, self.n_fft // 2), mode="reflect")[:, 0]
        framed = audio.unfold(-1, self.window_length, self.hop_length) * self.window
        spectrum = torch.fft.rfft(framed, self.n_fft)
        strength = spectrum.real.square() + spectrum.imag.square()
        if self.power == 1:
            strength = (strength + _SMALLEST).sqrt()
        return (strength @ self.bands.T).transpose(1, 2)


def slaney_mel(
    sample_rate: int, n_fft: int, hop_length: int, n_mels: int, f_min_hz: float, f_max_hz: float, mel: Mel = "slaney"
) -> MelSpectrogram:
    """Power in bands of unit area, as librosa has it by default."""
    bands = mel_filterbank(sample_rate, n_fft, n_mels, f_min_hz, f_max_hz, mel)
    return MelSpectrogram(bands, n_fft, hop_length)


def decibels(power: Tensor, floor: float = 1e-10) -> Tensor:
    """10 log10 of a power, not below that of ``floor``."""
    return 10.0 * torch.log10(power.clamp(min=floor))
