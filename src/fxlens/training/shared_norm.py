"""Batch normalisation over the batches of all processes, so that how a batch is divided changes nothing.

``torch.nn.SyncBatchNorm`` does it on GPUs only. :class:`SharedBatchNorm` needs no more than a sum over processes and
runs anywhere; it is used where torch's own does not.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fxlens.training.gathering import sum_over_processes


class SharedBatchNorm(_BatchNorm):
    """As ``BatchNorm1d`` or ``2d``, with mean and variance over the elements of all processes; in evaluation the same.

    The parameters and buffers have the names of torch's, so state dicts pass both ways.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected [B, C, ...], got {list(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """``[B, C, ...]`` -> the same shape."""
        if not self.training:
            return super().forward(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        shape = [1, -1] + [1] * (input.ndim - 2)
        x = input.float()
        count = sum_over_processes(x.new_tensor([x.numel() / x.shape[1]]))
        mean = sum_over_processes(x.sum(dim=axes)) / count
        centred = x - mean.view(shape)
        # In two passes: the mean of squares less the squared mean would lose what little variance loud bands have.
        variance = sum_over_processes(centred.square().sum(dim=axes)) / count
        self._remember(mean.detach(), variance.detach(), float(count))
        scaled = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        return scaled.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: float) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_((variance * (count / max(1.0, count - 1.0))).to(self.running_var.dtype), share)


def share_statistics(module: nn.Module, on_gpu: bool) -> nn.Module:
    """Replace every batch normalisation inside ``module`` by one that spans processes.

    Args:
        module: changed in place, unless it is a batch normalisation itself.
        on_gpu: take torch's ``SyncBatchNorm``, which is quicker there and exists nowhere else.

    Returns:
        The module.
    """
    if on_gpu:
        return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(module))
    for name, child in module.named_children():
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            keeps = child.track_running_stats
            shared = SharedBatchNorm(child.num_features, child.eps, child.momentum, child.affine, keeps)
            if child.running_mean is not None:
                shared.to(child.running_mean)
            shared.load_state_dict(child.state_dict())
            shared.train(child.training)
            setattr(module, name, shared)
        else:
            share_statistics(child, on_gpu)
    return module
