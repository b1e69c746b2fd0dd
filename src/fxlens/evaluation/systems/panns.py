"""PANN Cnn14 (Kong et al., *PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition*, TASLP
2020): an audio tagger on mono log-mel spectrograms at 32 kHz; its 2048 features before the tags are the embedding.

Weights: ``Cnn14_mAP=0.431.pth``, Zenodo record 3987831, CC BY 4.0; names and shapes of its tensors are those of the
MIT-licensed package ``panns-inference``, with which the network was compared.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.evaluation.systems.mel_spectrogram import MelSpectrogram, decibels, slaney_mel
from fxlens.evaluation.systems.network_system import NetworkSystem
from fxlens.evaluation.systems.weights_file import fit, identity_of, read_tensors
from fxlens.models.cnn14 import ConvBlock

SAMPLE_RATE = 32000
CLASSES = 527
WIDTHS = (64, 128, 256, 512, 1024, 2048)
LEFT_OUT = ("spectrogram_extractor.", "logmel_extractor.", "spec_augmenter.")  # tables that are computed here
ADVICE = "get Cnn14_mAP=0.431.pth (CC BY 4.0) from zenodo.org/records/3987831"
_HALVINGS = 5


class PannTrunk(nn.Module):
    """Mono spectrogram to one vector: six blocks of two convolutions, mean over frequency, mean + maximum over time.

    Args:
        widths: channels of the six blocks.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        for number, (before, after) in enumerate(zip((1, *widths[:-1]), widths, strict=True), start=1):
            self.add_module(f"conv_block{number}", ConvBlock(before, after))

    def trunk(self, logmel: Tensor) -> Tensor:
        """``[B, mel, frame]`` -> ``[B, D]``; time lies before frequency in these kernels."""
        x = logmel.transpose(1, 2)[:, None]
        x = F.pad(x, (0, 0, 0, max(0, 2**_HALVINGS - x.shape[2])), mode="replicate")  # very short clips
        for number in range(1, len(WIDTHS) + 1):
            x = self.get_submodule(f"conv_block{number}")(x)
            if number <= _HALVINGS:
                x = F.avg_pool2d(x, 2)
        over_time = x.mean(dim=3)
        return over_time.amax(dim=2) + over_time.mean(dim=2)


class PannCnn14(PannTrunk):
    """The tagger.

    Args:
        widths: channels of the six blocks.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__(widths)
        self.mel: MelSpectrogram = slaney_mel(SAMPLE_RATE, 1024, 320, 64, 50.0, 14000.0)
        self.bn0 = nn.BatchNorm2d(64)
        self.fc1 = nn.Linear(widths[-1], widths[-1])
        self.fc_audioset = nn.Linear(widths[-1], CLASSES)

    def forward(self, mono: Tensor) -> Tensor:
        """``[B, T]`` at 32 kHz -> features ``[B, 2048]``."""
        # Contiguous: of a transposed tensor, torch 2.13 gives wrong gradients through a 2-d batch norm on the CPU.
        bands = self.bn0(decibels(self.mel(mono)).contiguous()[..., None])[..., 0]
        return torch.relu(self.fc1(self.trunk(bands)))

    def probabilities(self, mono: Tensor) -> Tensor:
        """``[B, T]`` at 32 kHz -> probability of each AudioSet class ``[B, 527]``."""
        return torch.sigmoid(self.fc_audioset(self(mono)))


def load_panns(path: str) -> PannCnn14:
    """The tagger with the public weights.

    Raises:
        ModelUnavailableError: no such file, or not that checkpoint.
    """
    tensors = read_tensors(path, path, ADVICE)
    network = PannCnn14()
    fit(network, tensors, path, LEFT_OUT)
    return network


def panns_system(network: PannCnn14, device: str) -> NetworkSystem:
    """Hears the mean of left and right."""
    return NetworkSystem(
        name="PANN Cnn14",
        identity=identity_of("panns", network),
        licence="CC BY 4.0",
        network=network,
        hear=lambda audio: network(audio.mean(dim=1)),
        sample_rate=SAMPLE_RATE,
        window_seconds=10.0,
        device=device,
    )


def open_panns(place: str, device: str) -> NetworkSystem:
    """See :func:`load_panns`."""
    return panns_system(load_panns(place), device)
