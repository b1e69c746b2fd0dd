"""CLAP (Wu et al., *Large-scale contrastive language-audio pretraining*, ICASSP 2023) as a system: the audio tower of
a checkpoint in the form of the transformers library, mono at 48 kHz, windows of 10 s.

Weights: a folder, for example ``laion/clap-htsat-unfused`` (Apache-2.0), which is the one of the paper. The
spectrogram is computed here, in torch, so that effects can be matched by it; it is that of ``ClapFeatureExtractor``
with ``frequency_min=50``, and clips are neither cropped at random nor measured twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.evaluation.systems.mel_spectrogram import MelSpectrogram, decibels, slaney_mel
from fxlens.evaluation.systems.network_system import NetworkSystem
from fxlens.models.clap_query import SAMPLE_RATE, WINDOW_SECONDS, ClapQueryEncoder

_SAMPLES = round(WINDOW_SECONDS * SAMPLE_RATE)


class ClapAudio(nn.Module):
    """The audio tower.

    Args:
        model: a ``ClapModel``.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.mel: MelSpectrogram = slaney_mel(SAMPLE_RATE, 1024, 480, 64, 50.0, 14000.0)

    def spectrogram(self, mono: Tensor) -> Tensor:
        """``[B, T]``, at most 10 s -> ``[B, 1, frame, mel]`` in dB; shorter clips are repeated whole, then padded."""
        mono = mono.repeat(1, max(1, _SAMPLES // mono.shape[-1]))
        mono = F.pad(mono, (0, _SAMPLES - mono.shape[-1]))
        return decibels(self.mel(mono)).transpose(1, 2)[:, None]

    def forward(self, mono: Tensor) -> Tensor:
        """``[B, T]`` at 48 kHz -> ``[B, D]``."""
        longer = torch.zeros(len(mono), 1, dtype=torch.bool, device=mono.device)
        found = self.model.get_audio_features(input_features=self.spectrogram(mono), is_longer=longer)
        return getattr(found, "pooler_output", found)  # transformers 4 returns the tensor itself


def open_clap(place: str, device: str) -> NetworkSystem:
    """CLAP from a folder or by its name on the Hub.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelUnavailableError: no such checkpoint, or it is not a CLAP.
    """
    loaded = ClapQueryEncoder.load(place)
    network = ClapAudio(loaded.model)
    return NetworkSystem(
        name=f"CLAP {Path(place).name}",
        identity=loaded.query_id,
        licence="of the checkpoint",
        network=network,
        hear=lambda audio: network(audio.mean(dim=1)),
        sample_rate=SAMPLE_RATE,
        window_seconds=WINDOW_SECONDS,
        device=device,
    )
