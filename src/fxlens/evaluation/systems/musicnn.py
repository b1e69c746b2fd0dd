"""musicnn as a system: the tagger's 200 features, mean over patches of 3 s.

Weights: inside the PyPI package ``musicnn`` 0.1.0, ISC. They are TensorFlow checkpoints and are read without it. The
package takes its spectrogram to half precision on the way, this does not; tags differ by a few thousandths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from fxlens.errors import ModelUnavailableError
from fxlens.evaluation.systems.mel_spectrogram import MelSpectrogram, slaney_mel
from fxlens.evaluation.systems.musicnn_network import MELS, MusicnnNetwork, state_from_tensorflow
from fxlens.evaluation.systems.network_system import NetworkSystem
from fxlens.evaluation.systems.packaged_weights import packaged_files
from fxlens.evaluation.systems.tensor_bundle import BundleError, read_bundle
from fxlens.evaluation.systems.weights_file import fit, identity_of

SAMPLE_RATE = 16000
PATCH_FRAMES = 187
Variant = Literal["MSD_musicnn", "MTT_musicnn"]
# The 50 most used tags of MagnaTagATune in the order of the network's output.
MTT_TAGS = [
    "guitar",
    "classical",
    "slow",
    "techno",
    "strings",
    "drums",
    "electronic",
    "rock",
    "fast",
    "piano",
    "ambient",
    "beat",
    "violin",
    "vocal",
    "synth",
    "female",
    "indian",
    "opera",
    "male",
    "singing",
    "vocals",
    "no_vocals",
    "harpsichord",
    "loud",
    "quiet",
    "flute",
    "woman",
    "male_vocal",
    "no_vocal",
    "pop",
    "soft",
    "sitar",
    "solo",
    "man",
    "classic",
    "choir",
    "voice",
    "new_age",
    "dance",
    "male_voice",
    "female_vocal",
    "beats",
    "harp",
    "cello",
    "no_voice",
    "weird",
    "country",
    "metal",
    "female_voice",
    "choral",
]


class Musicnn(nn.Module):
    """Waveform to features; the spectrogram is that of the published model."""

    def __init__(self) -> None:
        super().__init__()
        self.mel: MelSpectrogram = slaney_mel(SAMPLE_RATE, 512, 256, MELS, 0.0, SAMPLE_RATE / 2)
        self.network = MusicnnNetwork()

    def forward(self, mono: Tensor) -> Tensor:
        """``[B, T]`` at 16 kHz -> ``[B, 200]``."""
        return self._mean_over_patches(mono, self.network)

    def probabilities(self, mono: Tensor) -> Tensor:
        """``[B, T]`` at 16 kHz -> mean probability of each tag ``[B, 50]``."""
        return self._mean_over_patches(mono, self.network.probabilities)

    def _mean_over_patches(self, mono: Tensor, hear: Callable[[Tensor], Tensor]) -> Tensor:
        """Whole patches side by side; a clip shorter than one is repeated, as in training."""
        logmel = torch.log10(10000.0 * self.mel(mono) + 1.0).transpose(1, 2)
        if logmel.shape[1] < PATCH_FRAMES:
            logmel = logmel.repeat(1, -(-PATCH_FRAMES // logmel.shape[1]), 1)
        count = logmel.shape[1] // PATCH_FRAMES
        patches = logmel[:, : count * PATCH_FRAMES].reshape(-1, PATCH_FRAMES, MELS)
        return hear(patches).unflatten(0, (len(mono), count)).mean(dim=1)


def load_musicnn(place: str | None, variant: Variant = "MSD_musicnn") -> Musicnn:
    """The network with the weights of the package at ``place``, see :func:`packaged_files`.

    Args:
        place: wheel, source archive or folder; ``None``: the installed package, which is not imported.
        variant: trained on the Million Song Dataset or on MagnaTagATune.

    Raises:
        ModelUnavailableError: the package is not there, or not that version.
    """
    names = [f"{variant}/.index", f"{variant}/.data-00000-of-00001"]
    files = packaged_files(place, "musicnn", "0.1.0", names)
    try:
        variables = read_bundle(files[names[0]], files[names[1]])
    except BundleError as error:
        raise ModelUnavailableError(
            f"musicnn/{variant}: {error}; run 'pip download --no-deps musicnn==0.1.0 -d FOLDER' again"
        ) from error
    model = Musicnn()
    fit(model.network, state_from_tensorflow(variables), f"musicnn/{variant}")
    return model.eval()


def musicnn_system(model: Musicnn, device: str) -> NetworkSystem:
    """Hears the mean of left and right."""
    return NetworkSystem(
        name="musicnn",
        identity=identity_of("musicnn", model),
        licence="ISC",
        network=model,
        hear=lambda audio: model(audio.mean(dim=1)),
        sample_rate=SAMPLE_RATE,
        device=device,
    )


def open_musicnn(place: str | None, device: str) -> NetworkSystem:
    """The variant of the Million Song Dataset, see :func:`load_musicnn`."""
    return musicnn_system(load_musicnn(place), device)
