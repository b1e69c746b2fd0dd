"""AFx-Rep of ST-ITO (Steinmetz et al., *ST-ITO: Controlling audio effects for style transfer with inference-time
optimization*, ISMIR 2024): a Cnn14 trained to tell which effect and preset was applied, for mid and side apart.

Weights: ``afx-rep.ckpt`` from ``csteinmetz1/afx-rep`` on the Hugging Face Hub, Apache-2.0. Sizes and names of its
tensors are known from the published configuration and code; with the tables of the spectrogram they have 81 905 344
numbers, as is reported of the checkpoint. The file itself could not be read here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fxlens.errors import ModelUnavailableError
from fxlens.evaluation.systems.mel_spectrogram import MelSpectrogram, decibels, slaney_mel
from fxlens.evaluation.systems.network_system import NetworkSystem
from fxlens.evaluation.systems.panns import LEFT_OUT, WIDTHS, PannTrunk
from fxlens.evaluation.systems.weights_file import fit, identity_of, read_tensors

SAMPLE_RATE = 48000
DIM = 512
ADVICE = "get afx-rep.ckpt (Apache-2.0): hf download csteinmetz1/afx-rep afx-rep.ckpt --local-dir FOLDER"
_MELS = 128
_FLOOR_DB, _CEILING_DB = -80.0, 40.0
_PREFIX = "encoder."


class AfxRep(PannTrunk):
    """Mid and side through one trunk, each to its own linear head; both of unit length, side by side.

    Args:
        widths: channels of the six blocks.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__(widths)
        self.mel: MelSpectrogram = slaney_mel(SAMPLE_RATE, 2048, 1024, _MELS, 20.0, 20000.0)
        self.bn0 = nn.BatchNorm2d(_MELS)  # in the checkpoint, but not used with this input scaling
        self.fc_mid = nn.Linear(widths[-1], DIM)
        self.fc_side = nn.Linear(widths[-1], DIM)

    def forward(self, audio: Tensor) -> Tensor:
        """``[B, 2, T]`` at 48 kHz -> ``[B, 2 DIM]``; every clip is brought to full scale first."""
        audio = audio / audio.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-8)
        left, right = audio.unbind(dim=1)
        both = torch.cat(((left + right) / 2.0, (left - right) / 2.0))
        bands = decibels(self.mel(both)).clamp(_FLOOR_DB, _CEILING_DB)
        mid, side = self.trunk((bands - _FLOOR_DB) * (2.0 / (_CEILING_DB - _FLOOR_DB)) - 1.0).chunk(2)
        return torch.cat((F.normalize(self.fc_mid(mid), dim=-1), F.normalize(self.fc_side(side), dim=-1)), dim=-1)


def afx_rep_system(network: AfxRep, device: str) -> NetworkSystem:
    """Hears mid and side."""
    identity = identity_of("afx-rep", network)
    return NetworkSystem("AFx-Rep", identity, "Apache-2.0", network, network, SAMPLE_RATE, 10.0, device)


def open_afx_rep(place: str, device: str) -> NetworkSystem:
    """AFx-Rep with the public weights.

    Raises:
        ModelUnavailableError: no such file, or not that checkpoint.
    """
    tensors = read_tensors(place, place, ADVICE)
    encoder = {n.removeprefix(_PREFIX): t for n, t in tensors.items() if n.startswith(_PREFIX)}
    if not encoder:
        raise ModelUnavailableError(f"{place}: has no tensors named {_PREFIX}*; {ADVICE}")
    network = AfxRep()
    fit(network, encoder, place, LEFT_OUT)
    return afx_rep_system(network, device)
