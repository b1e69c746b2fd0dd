"""VGGish (Hershey et al., *CNN architectures for large-scale audio classification*, ICASSP 2017): 128 features of
every 0.96 s of mono audio at 16 kHz, from a VGG trained on tags of videos. The mean over time is the embedding.

Weights: ``vggish-10086976.pth``, release v0.1 of ``harritaylor/torchvggish``, Apache-2.0; names and shapes are those of
the package ``torchvggish``. The PCA and 8-bit rounding of the released AudioSet features are left out, as they are
when VGGish is used as a feature extractor.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.evaluation.systems.mel_spectrogram import MelSpectrogram
from fxlens.evaluation.systems.network_system import NetworkSystem
from fxlens.evaluation.systems.weights_file import fit, identity_of, read_tensors

SAMPLE_RATE = 16000
FRAMES = 96
_N_FFT, _WINDOW, _HOP, _MELS = 512, 400, 160, 64
_LOG_OFFSET = 0.01
_ADVICE = (
    "get vggish-10086976.pth (Apache-2.0) from github.com/harritaylor/torchvggish/releases/download/v0.1/"
    "vggish-10086976.pth"
)
WIDTHS = (64, 128, 256, 256, 512, 512)
_POOLED = (True, True, False, True, False, True)


class Vggish(nn.Module):
    """The network; its names are those of the public state dict.

    Args:
        widths: channels of the six convolutions.
        hidden: width of the fully connected layers.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, hidden: int = 4096) -> None:
        super().__init__()
        self.mel = MelSpectrogram(_mel_bands(), _N_FFT, _HOP, _WINDOW, power=1, centered=False)
        layers: list[nn.Module] = []
        for before, after, pooled in zip((1, *widths[:-1]), widths, _POOLED, strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if pooled else []
        self.features = nn.Sequential(*layers)
        size = widths[-1] * (FRAMES // 16) * (_MELS // 16)
        self.embeddings = nn.Sequential(
            nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 128), nn.ReLU()
        )

    def forward(self, mono: Tensor) -> Tensor:
        """``[B, T]`` at 16 kHz -> ``[B, 128]``, the mean over all whole patches of 0.96 s; at least one."""
        logmel = torch.log(self.mel(mono) + _LOG_OFFSET).transpose(1, 2)  # [B, frame, mel]
        missing = max(0, FRAMES - logmel.shape[1])
        logmel = F.pad(logmel, (0, 0, 0, missing), value=float(np.log(_LOG_OFFSET)))
        count = logmel.shape[1] // FRAMES
        patches = logmel[:, : count * FRAMES].reshape(-1, 1, FRAMES, _MELS)
        # The weights come from a network whose last axis was the channel.
        flat = self.features(patches).permute(0, 2, 3, 1).flatten(1)
        return self.embeddings(flat).unflatten(0, (len(mono), count)).mean(dim=1)


def _mel_bands() -> np.ndarray:
    """``[mel, bin]``: triangles that are straight in mel, not in Hz, of unit height; no DC."""
    hz = np.arange(_N_FFT // 2 + 1) * SAMPLE_RATE / _N_FFT
    mel = 1127.0 * np.log1p(hz / 700.0)
    edges = np.linspace(1127.0 * np.log1p(125.0 / 700.0), 1127.0 * np.log1p(7500.0 / 700.0), _MELS + 2)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bands = np.maximum(0.0, np.minimum((mel - lower) / (centre - lower), (upper - mel) / (upper - centre)))
    bands[:, 0] = 0.0
    return bands


def vggish_system(network: Vggish, device: str) -> NetworkSystem:
    """Hears the mean of left and right."""
    return NetworkSystem(
        name="VGGish",
        identity=identity_of("vggish", network),
        licence="Apache-2.0",
        network=network,
        hear=lambda audio: network(audio.mean(dim=1)),
        sample_rate=SAMPLE_RATE,
        device=device,
    )


def open_vggish(place: str, device: str) -> NetworkSystem:
    """VGGish with the public weights.

    Raises:
        ModelUnavailableError: no such file, or not that checkpoint.
    """
    tensors = read_tensors(place, place, _ADVICE)
    network = Vggish()
    fit(network, tensors, place)
    return vggish_system(network, device)
