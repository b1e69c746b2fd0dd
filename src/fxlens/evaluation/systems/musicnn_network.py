"""The network of musicnn (Pons & Serra, *musicnn: pre-trained convolutional neural networks for music audio tagging*,
ISMIR late-breaking 2019; Pons et al., *End-to-end learning for music audio tagging at scale*, ISMIR 2018).

Wide filters for timbre and long ones for rhythm look at a log-mel spectrogram, each followed by the maximum over
frequency; three convolutions over time with residual connections; mean and maximum over time; 200 features, tags.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

MELS = 96
FEATURES, TAGS = 200, 50
_EPS = 1e-3  # of batch normalisation in TensorFlow
_TIMBRE = ((7, 38), (7, 67))  # frames, bands
_RHYTHM = (128, 64, 32)  # frames
_FRONT_FRAMES = (*(frames for frames, _ in _TIMBRE), *_RHYTHM)
_TIMBRE_FILTERS, _RHYTHM_FILTERS, _MIDDLE = 204, 51, 64
_MIDDLE_KERNEL = 7
_FRONT = len(_TIMBRE) * _TIMBRE_FILTERS + len(_RHYTHM) * _RHYTHM_FILTERS


class MusicnnNetwork(nn.Module):
    """Spectrogram patches to features and tags. All convolutions and norms in the order in which they were numbered."""

    def __init__(self) -> None:
        super().__init__()
        shapes = [*((size, _TIMBRE_FILTERS) for size in _TIMBRE), *(((n, 1), _RHYTHM_FILTERS) for n in _RHYTHM)]
        self.convolutions = nn.ModuleList(nn.Conv2d(1, filters, size) for size, filters in shapes)
        self.convolutions.extend(nn.Conv2d(1, _MIDDLE, (_MIDDLE_KERNEL, n)) for n in (_FRONT, _MIDDLE, _MIDDLE))
        pooled = 2 * (_FRONT + 3 * _MIDDLE)
        sizes = (1, *(filters for _, filters in shapes), *([_MIDDLE] * 3), pooled, FEATURES)
        self.norms = nn.ModuleList(nn.BatchNorm1d(size, eps=_EPS) for size in sizes)
        self.dense = nn.Linear(pooled, FEATURES)
        self.tags = nn.Linear(FEATURES, TAGS)

    def forward(self, logmel: Tensor) -> Tensor:
        """``[B, frame, mel]`` -> features before the tags, ``[B, 200]``."""
        x = self._normed(0, logmel[:, None])
        front = torch.cat([self._front(number, x) for number in range(len(_TIMBRE) + len(_RHYTHM))], dim=1)
        found, middle = [front], front
        for number in range(len(_TIMBRE) + len(_RHYTHM), len(self.convolutions)):
            made = self._middle(number, middle)
            middle = made if len(found) == 1 else made + middle
            found.append(middle)
        every = torch.cat(found, dim=1)  # [B, channel, frame]
        pooled = torch.stack((every.amax(dim=2), every.mean(dim=2)), dim=2).flatten(1)
        return self._normed(10, F.relu(self.dense(self._normed(9, pooled))))

    def probabilities(self, logmel: Tensor) -> Tensor:
        """``[B, frame, mel]`` -> probability of each tag ``[B, 50]``."""
        return torch.sigmoid(self.tags(self(logmel)))

    def _normed(self, number: int, x: Tensor) -> Tensor:
        return self.norms[number](x.flatten(2) if x.ndim > 2 else x).reshape(x.shape)

    def _front(self, number: int, x: Tensor) -> Tensor:
        """``[B, 1, frame, mel]`` -> ``[B, filters, frame]``: as many frames as before, the maximum over the bands."""
        convolution = self.convolutions[number]
        missing = _FRONT_FRAMES[number] - 1
        x = F.relu(convolution(F.pad(x, (0, 0, missing // 2, missing - missing // 2))))
        return self._normed(number + 1, x).amax(dim=3)

    def _middle(self, number: int, x: Tensor) -> Tensor:
        """``[B, channel, frame]`` -> ``[B, 64, frame]``."""
        image = F.pad(x, (_MIDDLE_KERNEL // 2, _MIDDLE_KERNEL // 2)).transpose(1, 2)[:, None]
        return self._normed(number + 1, F.relu(self.convolutions[number](image)[..., 0]))


def state_from_tensorflow(variables: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Variables of the checkpoint under the names of :class:`MusicnnNetwork`; what training needed is left out."""
    renamed = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    state = {}
    for name, value in variables.items():
        layer, _, kind = name.partition("/")
        base, _, number = layer.rpartition("_")
        if not number.isdigit():
            base, number = layer, "0"
        if "/" in kind or not kind:  # moments of Adam, counters
            continue
        if base == "batch_normalization":
            state[f"norms.{number}.{renamed.get(kind, kind)}"] = value
        elif base == "conv2d":
            weight = value.transpose(3, 2, 0, 1) if kind == "kernel" else value
            state[f"convolutions.{number}.{'weight' if kind == 'kernel' else kind}"] = weight
        elif base == "dense":
            target = "dense" if number == "0" else "tags"
            state[f"{target}.{'weight' if kind == 'kernel' else kind}"] = value.T if kind == "kernel" else value
    return {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
