"""CDPAM (Manocha et al., *CDPAM: Contrastive learning for perceptual audio similarity*, ICASSP 2021): a perceptual
metric whose encoder splits a sound into content and "acoustics", the way it was recorded. The acoustics half is the
embedding.

Weights: inside the PyPI package ``cdpam`` 0.0.6, MIT. Its encoder hears mono at 22.05 kHz in units of 16-bit samples,
at the full rate of the waveform, which makes it slow: some 100 billion multiplications for every second of audio.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.errors import ModelUnavailableError
from fxlens.evaluation.systems.network_system import NetworkSystem
from fxlens.evaluation.systems.packaged_weights import packaged_files
from fxlens.evaluation.systems.weights_file import fit, identity_of, read_tensors

SAMPLE_RATE = 22050
LAYERS, WIDTH = 16, 64
_FILE = "CDPAM_trained/scratchJNDdefault_best_model.pth"
_PREFIX = "base_encoder."
_FULL_SCALE = 32768.0
_LAYERS_PER_STAGE = 4


class CdpamEncoder(nn.Module):
    """Convolutions of 15 samples; every fourth doubles the channels and halves the rate. Names as in the checkpoint.

    Args:
        layers: number of convolutions.
        width: channels of the first ones.
    """

    def __init__(self, layers: int = LAYERS, width: int = WIDTH) -> None:
        super().__init__()
        self.encoder, self.ebatch = nn.ModuleList(), nn.ModuleList()
        before = 1
        for number in range(layers):
            after = width * 2 ** ((number + 1) // _LAYERS_PER_STAGE)
            self.encoder.append(nn.Conv1d(before, after, 15, padding=7))
            self.ebatch.append(nn.BatchNorm1d(after))
            before = after

    def forward(self, mono: Tensor) -> Tensor:
        """``[B, T]`` at 22.05 kHz -> the acoustics half, ``[B, D]`` of unit length."""
        x = mono[:, None] * _FULL_SCALE
        for number, (convolution, norm) in enumerate(zip(self.encoder, self.ebatch, strict=True), start=1):
            x = F.leaky_relu(norm(convolution(x)), 0.1)
            if number % _LAYERS_PER_STAGE == 0:
                x = x[:, :, ::2]
        return F.normalize(x.mean(dim=2).chunk(2, dim=1)[0], dim=-1)


def cdpam_system(network: CdpamEncoder, device: str) -> NetworkSystem:
    """Hears the mean of left and right, two clips at a time: its feature maps are as long as the waveform."""
    return NetworkSystem(
        name="CDPAM",
        identity=identity_of("cdpam", network),
        licence="MIT",
        network=network,
        hear=lambda audio: network(audio.mean(dim=1)),
        sample_rate=SAMPLE_RATE,
        device=device,
        batch_size=2,
    )


def open_cdpam(place: str | None, device: str) -> NetworkSystem:
    """CDPAM with the weights of the package at ``place``, see :func:`packaged_files`.

    Raises:
        ModelUnavailableError: the package is not there, or not that version.
    """
    content = packaged_files(place, "cdpam", "0.0.6", [_FILE])[_FILE]
    tensors = read_tensors(content, f"cdpam/{_FILE}", "download the package again")
    encoder = {n.removeprefix(_PREFIX): t for n, t in tensors.items() if n.startswith(_PREFIX)}
    if not encoder:
        raise ModelUnavailableError(f"cdpam/{_FILE}: has no tensors named {_PREFIX}*; pip download cdpam==0.0.6 again")
    network = CdpamEncoder()
    fit(network, encoder, f"cdpam/{_FILE}")
    return cdpam_system(network, device)
