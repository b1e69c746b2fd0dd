"""The network as it is used, not trained: the same numbers with fewer passes over them.

Batch normalisation that has stopped learning is a scale and a shift, and goes into the convolution before it. Where
asked for, convolutions are kept and computed in bfloat16; the spectrogram and whatever the modules themselves keep out
of autocast stay in float32.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import nn

from fxlens.errors import UsageError

if TYPE_CHECKING:
    from fxlens.models.backbone import Backbone
    from fxlens.models.clip_reader import ClipReader
    from fxlens.models.extractor import Extractor
    from fxlens.models.fx_network import FxNetwork
    from fxlens.models.projection import Projection

Part = TypeVar("Part", bound=nn.Module)
Precision = Literal["float32", "bfloat16", "auto"]


def native_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` multiplies bfloat16 itself; elsewhere it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(bool(probe()) for probe in probes if probe is not None)


def choose(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """What ``"auto"`` stands for on a device.

    Raises:
        UsageError: no such precision.
    """
    if precision not in ("float32", "bfloat16", "auto"):
        raise UsageError(f"precision must be 'float32', 'bfloat16' or 'auto', not {precision!r}")
    if precision == "auto":
        return "bfloat16" if native_bfloat16(device) else "float32"
    return precision


class FoldedNetwork(nn.Module):
    """Backbone, projection and extractor of a network, copied for use; what :class:`fxlens.models.heard.Heard` needs.

    Args:
        network: stays as it is.
        precision: of the convolutions.
    """

    backbone: Backbone
    projection: Projection
    extractor: Extractor | None
    measured: ClipReader | None

    def __init__(self, network: FxNetwork, precision: Literal["float32", "bfloat16"] = "float32") -> None:
        super().__init__()
        self.backbone = fold(copy.deepcopy(network.backbone))
        self.projection = copy.deepcopy(network.projection)
        self.measured, self.n_mels = copy.deepcopy(network.measured), network.n_mels
        self.extractor = None if network.extractor is None else fold(copy.deepcopy(network.extractor))
        self.eval().requires_grad_(False)
        if precision == "bfloat16":
            self._round(network.device.type)

    def _round(self, device: str) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                # Once, and not again for every batch; channels last, where float32 gains nothing by it.
                layer.to(dtype=torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
        rounded = torch.autocast(device, dtype=torch.bfloat16)
        wrapped: list[tuple[nn.Module, str]] = [(self.backbone, "feature_map"), (self.backbone, "pool")]
        if self.extractor is not None:
            wrapped += [(self.extractor, "survey"), (self.extractor, "forward")]
        for module, name in wrapped:
            setattr(module, name, rounded(getattr(module, name)))


def fold(module: Part) -> Part:
    """Fold every batch normalisation that is read right behind a convolution into it, in float64, in place.

    In its place stands the identity. Convolutions and normalisations belong together where they follow each other in a
    ``Sequential``, or are named alike in a block: conv1 with norm1 or bn1.

    Args:
        module: changed, and not to be trained or saved any more.

    Returns:
        The module, in evaluation mode.
    """
    for parent in list(module.modules()):
        for convolution, name, norm in list(_pairs(parent)):
            _fold(convolution, norm)
            setattr(parent, name, nn.Identity())
    return module.eval()


def _pairs(parent: nn.Module) -> Iterator[tuple[nn.Conv2d, str, nn.BatchNorm2d]]:
    before: nn.Module | None = None
    for name, child in parent.named_children():
        if isinstance(child, nn.BatchNorm2d):
            number = name.removeprefix("norm").removeprefix("bn")
            other = before if isinstance(parent, nn.Sequential) else getattr(parent, f"conv{number}", None)
            if isinstance(other, nn.Conv2d):
                yield other, name, child
        before = child


@torch.no_grad()
def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    shift = norm.bias.double() - norm.running_mean.double() * scale
    if convolution.bias is not None:
        shift = shift + convolution.bias.double() * scale
    weight = convolution.weight.double() * scale[:, None, None, None]
    convolution.weight.copy_(weight.to(convolution.weight.dtype))
    convolution.bias = nn.Parameter(shift.to(convolution.weight.dtype))
