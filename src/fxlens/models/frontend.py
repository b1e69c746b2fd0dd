"""Waveform to log-mel spectrogram, the picture the backbone looks at.

Power spectrum (periodic Hann, centred frames, reflected edges) -> triangular mel bands of unit area (Slaney,
*Auditory Toolbox*, 1998) -> decibels, clipped to a fixed range and scaled to [-1, 1]. Nothing is normalised
by the clip itself: the level is part of what is to be heard. Below the bands there may be rows that measure the wave
of each frame, see :mod:`fxlens.models.wave_shape`.

The arithmetic is always float32. In bfloat16 the spectrum of a loud bass buries everything 50 dB below it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.errors import AudioChannelsError, AudioEmptyError, ConfigError
from fxlens.models.wave_shape import WaveRows

Mel = Literal["slaney", "htk"]

_CPU_FRAMES = 64  # at a time: their spectra stay in the cache, four times as fast as all at once
_BANDS_AT_ONCE = 16
_GPU_ITEMS = 32  # clips at a time: bounds the memory for overlapping frames to about 1 GB at 10 s


@dataclass(frozen=True)
class FrontendConfig:
    """What the spectrogram looks like.

    Args:
        sample_rate: Hz.
        n_fft: window length in samples; the Hann window fills it.
        hop_length: samples from frame to frame.
        n_mels: number of bands.
        f_min_hz: lower edge of the lowest band.
        f_max_hz: upper edge of the highest band.
        channels: ``"lr"`` left and right; ``"lrms"`` also mid (L+R)/2 and side (L-R)/2, so that width can be
        seen.
        mel: spacing of the bands.
        floor_db: decibels (of the mel power, full-scale sine about +40) that become -1, and all below.
        ceiling_db: decibels that become +1, and all above.
        wave: measure the wave of each frame, too.

    Raises:
        ConfigError: values that make no spectrogram.
    """

    sample_rate: int = 44100
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 64
    f_min_hz: float = 50.0
    f_max_hz: float = 18000.0
    channels: Literal["lr", "lrms"] = "lr"
    mel: Mel = "slaney"
    floor_db: float = -80.0
    ceiling_db: float = 40.0
    wave: bool = False

    def __post_init__(self) -> None:
        if min(self.sample_rate, self.n_fft, self.hop_length, self.n_mels) < 1:
            raise ConfigError("sample_rate, n_fft, hop_length and n_mels must be at least 1")
        if not 0.0 <= self.f_min_hz < self.f_max_hz <= self.sample_rate / 2:
            raise ConfigError(
                f"bands need 0 <= f_min_hz < f_max_hz <= {self.sample_rate / 2:g} (half the sample rate), "
                f"not {self.f_min_hz:g} and {self.f_max_hz:g}"
            )
        if not self.floor_db < self.ceiling_db:
            raise ConfigError(f"floor_db ({self.floor_db:g}) must lie below ceiling_db ({self.ceiling_db:g})")

    @property
    def span_db(self) -> float:
        """Decibels from end to end of the scale."""
        return self.ceiling_db - self.floor_db

    @property
    def n_channels(self) -> int:
        """Channels of the spectrogram: 2 or 4."""
        return len(self.channels)


class LogMel(nn.Module):
    """Log-mel spectrogram of stereo audio; no trained parameters, nothing in the state dict.

    Args:
        config: see :class:`FrontendConfig`.

    Raises:
        ConfigError: so many bands that one of them falls between two FFT bins.
    """

    window: Tensor
    bands: Tensor

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__()
        self.config = config
        weights = mel_filterbank(
            config.sample_rate, config.n_fft, config.n_mels, config.f_min_hz, config.f_max_hz, config.mel
        )
        empty = np.flatnonzero(weights.sum(axis=1) == 0)
        if len(empty):
            raise ConfigError(
                f"n_mels={config.n_mels} is too many for n_fft={config.n_fft}: band {empty[0]} is empty; "
                "take fewer bands or a longer n_fft"
            )
        used = np.flatnonzero(weights.any(axis=0))
        self._bins = slice(int(used[0]), int(used[-1]) + 1)  # bins outside every band need no power
        # One row for the real and one for the imaginary part: the product sums them to the power.
        self._weights = weights[:, self._bins].T.repeat(2, axis=0).astype(np.float32)
        # A band holds few bins, so the product goes by groups of bands over the rows these need.
        self._groups = []
        for first in range(0, config.n_mels, _BANDS_AT_ONCE):
            rows = np.flatnonzero(self._weights[:, first : first + _BANDS_AT_ONCE].any(axis=1))
            mels = slice(first, first + _BANDS_AT_ONCE)
            self._groups.append((slice(int(rows[0]), int(rows[-1]) + 1), mels))
        self.wave = WaveRows(config.hop_length, config.channels) if config.wave else None
        self._make_tables(torch.device("cpu"))

    def _make_tables(self, device: torch.device) -> None:
        turn = 2.0 * np.pi * np.arange(self.config.n_fft) / self.config.n_fft
        window = torch.from_numpy((0.5 - 0.5 * np.cos(turn)).astype(np.float32))
        self.register_buffer("window", window.to(device), persistent=False)
        self.register_buffer("bands", torch.from_numpy(self._weights).to(device), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Compute the spectrogram.

        Args:
            audio: ``[B, 2, T]``, any floating type. Shorter than ``n_fft`` it is lengthened with zeros at its
                end.

        Returns:
            ``[B, C, mel, frame]`` float32 in [-1, 1], with C 2 or 4 and ``T // hop_length + 1`` frames; the rows of
            the wave, where they are asked for, follow the bands.

        Raises:
            AudioChannelsError: not ``[B, 2, T]``.
            AudioEmptyError: no samples.
        """
        if audio.ndim != 3 or audio.shape[1] != 2:
            raise AudioChannelsError("audio", f"expected shape [B, 2, T], got {list(audio.shape)}")
        if audio.shape[-1] == 0:
            raise AudioEmptyError("audio", "it has no samples")
        if self.window.dtype != torch.float32:  # the whole model was cast; rounded tables stay rounded
            self._make_tables(self.window.device)
        n_fft = self.config.n_fft
        with torch.autocast(device_type=audio.device.type, enabled=False):
            audio = F.pad(audio.float(), (0, max(0, n_fft - audio.shape[-1])))
            padded = F.pad(audio, (n_fft // 2, n_fft // 2), mode="reflect")
            framed = padded.unfold(-1, n_fft, self.config.hop_length)  # a view: [B, 2, frame, n_fft]
            items, frames = (1, _CPU_FRAMES) if audio.device.type == "cpu" else (_GPU_ITEMS, framed.shape[2])
            rows = [
                torch.cat([self._bands(part) for part in item.split(frames, dim=2)], dim=2)
                for item in framed.split(items)
            ]
            logmel = self._scaled(torch.cat(rows)).transpose(-1, -2)
            return logmel if self.wave is None else torch.cat((logmel, self.wave(audio, logmel.shape[-1])), dim=2)

    def _bands(self, framed: Tensor) -> Tensor:
        """Frames ``[b, 2, f, n_fft]`` -> power in every band ``[b, C, f, mel]``."""
        spectra = torch.view_as_real(torch.fft.rfft(framed * self.window)[..., self._bins])
        if self.config.channels == "lrms":
            left, right = spectra[:, :1], spectra[:, 1:]
            spectra = torch.cat((spectra, 0.5 * (left + right), 0.5 * (left - right)), dim=1)
        squares = spectra.flatten(-2).square()
        return torch.cat([squares[..., rows] @ self.bands[rows, mels] for rows, mels in self._groups], dim=-1)

    def _scaled(self, power: Tensor) -> Tensor:
        """Power to decibels, clipped, scaled to [-1, 1]."""
        floor, ceiling = self.config.floor_db, self.config.ceiling_db
        decibels = 10.0 * torch.log10(power.clamp(10.0 ** (floor / 10.0), 10.0 ** (ceiling / 10.0)))
        return (decibels - floor) * (2.0 / (ceiling - floor)) - 1.0


def mel_filterbank(
    sample_rate: int, n_fft: int, n_mels: int, f_min_hz: float, f_max_hz: float, mel: Mel = "slaney"
) -> np.ndarray:
    """Triangular bands, equally spaced in mel, each of unit area over frequency in Hz.

    Args:
        sample_rate: Hz.
        n_fft: FFT length in samples.
        n_mels: number of bands.
        f_min_hz: lower edge of the lowest band.
        f_max_hz: upper edge of the highest band.
        mel: ``"slaney"``, linear below 1 kHz and logarithmic above; ``"htk"``, 2595 log10(1 + f / 700).

    Returns:
        ``float64 [n_mels, n_fft // 2 + 1]``, to be multiplied with a power spectrum.
    """
    edges = _mel_to_hz(np.linspace(_hz_to_mel(f_min_hz, mel), _hz_to_mel(f_max_hz, mel), n_mels + 2), mel)
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bins - lower) / (centre - lower)
    falling = (upper - bins) / (upper - centre)
    return np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (upper - lower))


_LINEAR_STEP_HZ = 200.0 / 3.0
_LOG_START_HZ, _LOG_START_MEL = 1000.0, 15.0
_LOG_STEP = math.log(6.4) / 27.0  # 27 bands from 1 to 6.4 kHz


def _hz_to_mel(hz: float, mel: Mel) -> float:
    if mel == "htk":
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    if hz < _LOG_START_HZ:
        return hz / _LINEAR_STEP_HZ
    return _LOG_START_MEL + math.log(hz / _LOG_START_HZ) / _LOG_STEP


def _mel_to_hz(mels: np.ndarray, mel: Mel) -> np.ndarray:
    if mel == "htk":
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    above = _LOG_START_HZ * np.exp(_LOG_STEP * (mels - _LOG_START_MEL))
    return np.where(mels < _LOG_START_MEL, mels * _LINEAR_STEP_HZ, above)
