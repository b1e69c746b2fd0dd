"""Rows of all processes, with exact gradients: a loss over them is the loss of one process with the whole batch.

Every process gathers the embeddings of all, computes the same loss from them, and calls backward. The adjoint of
gathering sums what all processes want of a row, so the gradient that reaches a row is ``world`` times that of the one
loss; averaging the weights' gradients over processes, as DistributedDataParallel does, takes the factor out again.
Gathering without a gradient and putting back one's own rows leaves out all other processes' demands on them.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def process_rank() -> int:
    """Number of this process among those that train together, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def process_count() -> int:
    """How many processes train together; 1 where there is no process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def row_counts(rows: int, device: torch.device | str = "cpu") -> list[int]:
    """Rows that each process has, by rank.

    Args:
        rows: of this process.
        device: one that the process group can send from.
    """
    if process_count() == 1:
        return [rows]
    own = torch.tensor([rows], dtype=torch.int64, device=device)
    counts = [torch.zeros_like(own) for _ in range(process_count())]
    dist.all_gather(counts, own)
    return [int(count) for count in counts]


def gather_rows(x: Tensor) -> Tensor:
    """``[n, ...]`` of every process, the first one's rows first: ``[N, ...]`` on all of them, with gradients.

    Processes may hold different numbers of rows; all must call it.
    """
    if process_count() == 1:
        return x
    counts = row_counts(len(x), x.device)
    return _Gather.apply(x, counts)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        most = max(counts)  # pieces of one size are what every backend can gather
        own = x.new_zeros((most, *x.shape[1:]))
        own[: len(x)] = x
        pieces = [torch.empty_like(own) for _ in counts]
        dist.all_gather(pieces, own)
        return torch.cat([piece[:count] for piece, count in zip(pieces, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total.split(ctx.counts)[process_rank()], None


def sum_over_processes(x: Tensor) -> Tensor:
    """Sum of the ``x`` of all processes, on all of them, with gradients; all must call it with the same shape."""
    return x if process_count() == 1 else _Sum.apply(x)


class _Sum(torch.autograd.Function):
    """Its own adjoint: what every process wants of the sum, all want of every summand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total
